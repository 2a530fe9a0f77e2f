"""The volunteers: each reads mail, opens the link in it, and presses a button, or does not."""

import asyncio
import re
from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import httpx2
import lxml.html
from brobyg_contracts.domain import LOCAL_ZONE

from brobyg_local.errors import ServiceUnreachable

from .access import SystemAccess, http_client, send_until_answered
from .tally import Tally
from .week import Habit, PlayedVolunteer

#: Wall seconds between looks into the mail folder.
LOOK = 0.1
#: Hours of local time between which answers are given.
FIRST_HOUR, LAST_HOUR = 6, 23
LINK = re.compile(r"https?://[^\s\"'<>]+/answer/[^\s\"'<>]+")


def answer_link(mail: Message) -> str | None:
    """The link in an offer's mail; None where the mail is about something else.

    A mail with a calendar file tells of a match; behind its link a helper can only sign off.
    """
    if any(part.get_content_type() == "text/calendar" for part in mail.walk()):
        return None
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and (
                found := LINK.search(content.decode("utf-8", "replace"))
            ):
                return found.group(0).rstrip(".,)")
    return None


def answer_form(html: str, address: str, answer: str) -> tuple[str, bytes] | None:
    """Where the form with the button for `answer` is sent to, and its urlencoded fields.

    None where the page at `address` has no such form.
    """
    page = lxml.html.fromstring(html, base_url=address)
    page.make_links_absolute()
    for form in page.forms:
        if form.method == "POST" and form.xpath(".//button[@name='answer'][@value=$v]", v=answer):
            return form.action, urlencode([*form.form_values(), ("answer", answer)]).encode()
    return None


class AnsweringVolunteers:
    """Answers offers by each volunteer's habit, which the seed makes the same every time."""

    def __init__(
        self, access: SystemAccess, volunteers: tuple[PlayedVolunteer, ...], seed: int, tally: Tally
    ) -> None:
        """Reads nothing yet."""
        self._access = access
        self._habits = {one.known.email: one.habit for one in volunteers}
        self._seed = seed
        self._tally = tally
        self._offers: Counter[str] = Counter()
        self._read: set[str] = set()
        self._messages: set[str] = set()
        self._answers: set[asyncio.Task[None]] = set()

    async def play(self, stop: asyncio.Event) -> None:
        """Read mail and answer until `stop`, then give up the answers that are under way."""
        async with http_client() as http:
            while not stop.is_set():
                for path in await asyncio.to_thread(self._unread):
                    self._open(http, path)
                await asyncio.sleep(LOOK)
            for task in self._answers:
                task.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)

    def _unread(self) -> list[Path]:
        found = self._access.mail.glob("*.eml")  # of a folder that is not there: none
        return sorted(path for path in found if path.name not in self._read)

    def _open(self, http: httpx2.AsyncClient, path: Path) -> None:
        """Read one mail. One that was delivered twice has the same Message-ID and is read once."""
        self._read.add(path.name)
        mail = message_from_bytes(path.read_bytes())  # the older policy reads ten times as fast
        identity = str(mail["Message-ID"])
        if identity in self._messages:
            return
        self._messages.add(identity)
        address = parseaddr(str(mail["To"]))[1]
        habit, link = self._habits.get(address), answer_link(mail)
        if habit is None or link is None:
            return
        self._offers[address] += 1
        random = Random(f"{self._seed} {address} {self._offers[address]}")
        sent_at = parsedate_to_datetime(str(mail["Date"]))  # by the shared clock
        task = asyncio.create_task(self._answer(http, sent_at, random, habit, link))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(
        self, http: httpx2.AsyncClient, sent_at: datetime, random: Random, habit: Habit, link: str
    ) -> None:
        choice = random.random()
        if choice >= habit.accept + habit.decline:
            self._tally.answers["silent"] += 1
            return
        delay = timedelta(minutes=random.uniform(*habit.delay_minutes))
        await self._access.until(in_daytime(sent_at + delay, delay))
        try:
            answer = "accept" if choice < habit.accept else "decline"
            outcome = await self._press(http, link, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the summary must tell of it
            said = str(error) if isinstance(error, ServiceUnreachable) else type(error).__name__
            self._tally.surprises.append(f"an answer could not be given: {said}")
            outcome = "lost"
        self._tally.answers[outcome] += 1

    async def _press(self, http: httpx2.AsyncClient, link: str, answer: str) -> str:
        """Open the page and press its button, again after an outage, until there is an answer."""
        page = await send_until_answered(http, "GET", link)
        form = answer_form(page.text, str(page.url), answer)
        if form is None:
            return "late"
        action, body = form
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        pressed = await send_until_answered(http, "POST", action, headers=headers, content=body)
        if pressed.status_code < 400:
            return {"accept": "accepted", "decline": "declined"}[answer]
        if pressed.status_code not in {404, 409, 410}:
            self._tally.surprises.append(f"an answer was refused with {pressed.status_code}")
        return "late"


def in_daytime(moment: datetime, delay: timedelta) -> datetime:
    """`moment`; at night a quarter of `delay` after the next `FIRST_HOUR`."""
    local = moment.astimezone(LOCAL_ZONE)
    if FIRST_HOUR <= local.hour < LAST_HOUR:
        return moment
    morning = local.replace(hour=FIRST_HOUR, minute=0, second=0, microsecond=0)
    return (morning + timedelta(days=1) if local.hour >= LAST_HOUR else morning) + delay / 4
