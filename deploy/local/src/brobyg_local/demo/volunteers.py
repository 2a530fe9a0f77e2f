"""The volunteers: each reads the own mail, opens the link in it, and presses a button, or does not."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from random import Random

import httpx2
from brobyg_contracts.domain import LOCAL_ZONE

from .outside import Outside, Unreachable, client, persist
from .page import answer_form
from .tally import Tally
from .week import Habit, Helper

__all__ = ["Volunteers", "answer_link"]

LOOK = 0.1
"""Wall seconds between looks into the mail folder."""
WAKES, SLEEPS = 6, 23
"""Nobody answers at night: hours of local time."""
LINK = re.compile(r"https?://[^\s\"'<>]+/answer/[^\s\"'<>]+")
AT_ONCE = 12


def answer_link(mail: Message) -> str | None:
    """The link in an offer's mail; None where the mail is about something else."""
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and (
                found := LINK.search(content.decode("utf-8", "replace"))
            ):
                return found.group(0).rstrip(".,)")
    return None


class Volunteers:
    """Answers offers according to each volunteer's habit, which the seed makes the same every time."""

    def __init__(
        self, outside: Outside, helpers: tuple[Helper, ...], seed: int, tally: Tally
    ) -> None:
        """Reads nothing yet."""
        self._outside = outside
        self._habits = {helper.known.email: helper.habit for helper in helpers}
        self._seed = seed
        self._tally = tally
        self._offers: Counter[str] = Counter()
        self._read: set[str] = set()
        self._messages: set[str] = set()
        self._answers: set[asyncio.Task[None]] = set()
        self._hands = asyncio.Semaphore(AT_ONCE)

    async def play(self, stop: asyncio.Event) -> None:
        """Read mail and answer until `stop`, then finish the answers that are under way. Blocks."""
        async with client() as http:
            while not stop.is_set():
                for path in await asyncio.to_thread(self._unread):
                    self._open(http, path)
                await asyncio.sleep(LOOK)
            for task in self._answers:
                task.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)

    def _unread(self) -> list[Path]:
        if not self._outside.mail.is_dir():
            return []
        return sorted(
            path for path in self._outside.mail.glob("*.eml") if path.name not in self._read
        )

    def _open(self, http: httpx2.AsyncClient, path: Path) -> None:
        """Read one mail. One that was delivered twice is read once, as its Message-ID is the same."""
        self._read.add(path.name)
        mail = message_from_bytes(path.read_bytes())  # the older policy reads ten times as fast
        identity = str(mail["Message-ID"])
        if identity in self._messages:
            return
        self._messages.add(identity)
        address = parseaddr(str(mail["To"]))[1]
        habit, link = self._habits.get(address), answer_link(mail)
        self._tally.mails["volunteer" if habit else "other"] += 1
        if habit is None or link is None:
            return
        self._offers[address] += 1
        random = Random(f"{self._seed} {address} {self._offers[address]}")
        task = asyncio.create_task(self._answer(http, _sent_at(mail), random, habit, link))
        self._answers.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tally.surprises.append(f"an answer could not be given: {type(error).__name__}")

    async def _answer(
        self, http: httpx2.AsyncClient, sent_at: datetime, random: Random, habit: Habit, link: str
    ) -> None:
        mind = random.random()
        if mind >= habit.accept + habit.decline:
            self._tally.answers["silent"] += 1
            return
        delay = timedelta(minutes=random.uniform(*habit.delay_minutes))
        await self._outside.until(awake(sent_at + delay, delay))
        wish = "accept" if mind < habit.accept else "decline"
        async with self._hands:
            self._tally.answers[await self._press(http, link, wish)] += 1

    async def _press(self, http: httpx2.AsyncClient, link: str, wish: str) -> str:
        """Open the page and press its button, again after an outage, until there is an answer."""
        try:
            page = await persist(http, "GET", link)
            form = answer_form(page.text, str(page.url), wish)
            if form is None:
                return "late"
            pressed = await persist(
                http,
                "POST",
                form.action,
                headers={
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Referer": link,
                    "Origin": form.origin,
                },
                content=form.body,
            )
        except Unreachable as error:
            self._tally.surprises.append(f"an answer could not be given: {error}")
            return "lost"
        if pressed.status_code < 400:
            return f"{wish}ed" if wish == "accept" else "declined"
        if pressed.status_code not in {404, 409, 410}:
            self._tally.surprises.append(f"an answer was refused with {pressed.status_code}")
        return "late"


def _sent_at(mail: Message) -> datetime:
    """When the mail says it was sent: a moment of the shared clock, whatever time it took to be found here."""
    return parsedate_to_datetime(str(mail["Date"]))


def awake(moment: datetime, delay: timedelta) -> datetime:
    """`moment`, or when it is night, as long after getting up."""
    local = moment.astimezone(LOCAL_ZONE)
    if WAKES <= local.hour < SLEEPS:
        return moment
    morning = local.replace(hour=WAKES, minute=0, second=0, microsecond=0)
    return (morning + timedelta(days=1) if local.hour >= SLEEPS else morning) + delay / 4
