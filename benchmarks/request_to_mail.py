"""request_to_mail_p99: from a hospital's FHIR request to the mail at the SMTP server.

The baseline is the sum of the bare hops' p99, each times how often the path takes it: see `PATH`.

All services run as processes of their own on a broker and a database of their own
(`brobyg_local.system`, under var/bench). One booking at a time is timed from before its POST until
the first volunteer's mail has arrived whole at an SMTP server in this process; it is cancelled
afterwards. Five other requests a second (bookings and cancellations, with their mails) run
meanwhile. After each booking every bare hop is taken once, so both see the same machine.
"""

import asyncio
import os
import re
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Protocol

import httpx2
from aiosmtpd.smtp import SMTP
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.free_ports import free_port
from brobyg_local.demo.access import SystemAccess
from brobyg_local.demo.registration import register
from brobyg_local.demo.week import load
from brobyg_local.state import StateFolder
from brobyg_local.system import System

from benchmarks import hops, week
from benchmarks.ground import Ground
from benchmarks.hops import Hops
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal("request_to_mail_p99", 2.0, "the sum of the bare hops' p99", "ms", at_most=True)
#: How often the path takes each hop. Commits: referral, matching, notification, the claim to
#: deliver, the access log of the contact.
PATH = {"post": 1, "commit": 5, "record": 2, "get": 2, "mail": 1}
_PROBES = 500
_WEDNESDAY = 2
_WARM_UP = 10
_BACKGROUND_PAUSE = 0.2
_PATIENCE = 30.0
_FOLDER = Path(__file__).parents[1] / "var" / "bench"
_CITIZEN, _PLACE = "0107729995", "grenaa-health-house"
_OTHER_CITIZEN, _OTHER_PLACE = "0504909989", "randers-hospital"
_TIME = re.compile(r"(\d{1,2})[.:](\d{2})(?!\d)")


class Envelope(Protocol):
    """What the SMTP server tells of a mail."""

    content: bytes | str | None


class Inbox:
    """Tells when the first mail about an appointment at a certain time of day is there."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._awaited: dict[tuple[int, int], asyncio.Future[float]] = {}

    def expect(self, starts_at: datetime) -> "asyncio.Future[float]":
        """Resolved with the loop's time of arrival."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[starts_at.hour, starts_at.minute] = future
        return future

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        """Take any mail; the time of day in its subject says which appointment it is about."""
        arrived = asyncio.get_running_loop().time()
        if isinstance(envelope.content, bytes):
            subject = str(message_from_bytes(envelope.content, policy=policy.default)["subject"])
            if found := _TIME.search(subject):
                future = self._awaited.pop((int(found[1]), int(found[2])), None)
                if future is not None and not future.done():
                    future.set_result(arrived)
        return "250 Kept"


@asynccontextmanager
async def _mail_server(inbox: Inbox) -> AsyncIterator[int]:
    port = free_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(inbox, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
    )
    async with server:
        yield port


class BenchmarkHospital:
    """Books and cancels over FHIR."""

    def __init__(
        self, http: httpx2.AsyncClient, access: SystemAccess, citizen: str, place: str, hour: int
    ) -> None:
        """For one citizen at one place; `hour` is where the day's appointments begin."""
        self._http, self._url = http, f"{access.url('referral')}/fhir/Appointment"
        self._headers = access.sign_in("hospital", organisation="hospital-randers") | {
            "Content-Type": "application/fhir+json"
        }
        self._citizen, self._place, self._hour = citizen, place, hour

    def time_of(self, number: int) -> datetime:
        """A start for each of 240 in a row, each at its own time of day.

        From Wednesday to Friday of next week, when the example's volunteers can.
        """
        today = datetime.now(LOCAL_ZONE).date()
        day = today + timedelta(days=7 - today.weekday() + _WEDNESDAY + number % 3)
        start = datetime(day.year, day.month, day.day, self._hour, tzinfo=LOCAL_ZONE)
        return start + timedelta(minutes=1 + number % 240)

    async def book(self, number: int) -> None:
        """Return when it is answered with 201. Raises AssertionError on another answer."""
        response = await self._http.post(
            self._url, headers=self._headers, json=self._appointment(number, "booked")
        )
        assert response.status_code == 201, response.text[:300]

    async def cancel(self, number: int) -> None:
        """Return when it is answered with 200. Raises AssertionError on another answer."""
        where = {"identifier": f"https://hospital.example/appointments|{self._key(number)}"}
        body = self._appointment(number, "cancelled")
        response = await self._http.put(self._url, headers=self._headers, params=where, json=body)
        assert response.status_code == 200, response.text[:300]

    def _key(self, number: int) -> str:
        return f"{self._place}-{number}"

    def _appointment(self, number: int, status: str) -> dict[str, object]:
        start = self.time_of(number)
        actors = (
            ("Patient", "urn:oid:1.2.208.176.1.2", self._citizen),
            ("Location", "https://brobyg.dk/locations", self._place),
        )
        return {
            "resourceType": "Appointment",
            "meta": {"lastUpdated": datetime.now(UTC).isoformat(timespec="milliseconds")},
            "identifier": [
                {"system": "https://hospital.example/appointments", "value": self._key(number)}
            ],
            "status": status,
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=30)).isoformat(),
            "participant": [
                {
                    "actor": {"type": kind, "identifier": {"system": system, "value": value}},
                    "status": "accepted",
                }
                for kind, system, value in actors
            ],
        }


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, of `_PROBES` bookings. Starts and ends a whole system, with nothing kept."""
    inbox = Inbox()
    system = System(StateFolder(_FOLDER), lambda _: None, given={}, ports={}, owner=os.getpid())
    async with _mail_server(inbox) as port:
        say("request_to_mail: starting the services", 0, 1)
        await asyncio.to_thread(system.reset)
        try:
            environment = await asyncio.to_thread(
                system.up, {"BROBYG_NOTIFICATION_SMTP": f"smtp://127.0.0.1:{port}"}
            )
            access = SystemAccess(environment, system.folder.mail)
            await register(access, load(week.EXAMPLE))
            async with hops.hops(
                environment["BROBYG_KAFKA"], environment["BROBYG_DATABASE"], port
            ) as bare:
                measured, found = await _play(access, inbox, bare, on.sized(_PROBES), say)
        finally:
            await asyncio.to_thread(system.down)
    base = sum(times * p99(found[hop]) for hop, times in PATH.items())
    parts = ", ".join(f"{times} x {hop} {p99(found[hop]):.1f}" for hop, times in PATH.items())
    how = (
        f"{len(measured)} bookings one at a time (median {statistics.median(measured):.0f} ms),"
        " 5 other requests a second, first offer mail;"
        f" p99 in ms of the bare hops, taken in turns: {parts}"
    )
    return GOAL.result(p99(measured), base, how)


async def _play(
    access: SystemAccess, inbox: Inbox, bare: Hops, probes: int, say: Say
) -> tuple[list[float], dict[str, list[float]]]:
    measured: list[float] = []
    found: dict[str, list[float]] = {hop: [] for hop in PATH}
    async with httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False) as http:
        hospital = BenchmarkHospital(http, access, _CITIZEN, _PLACE, 9)
        background = asyncio.create_task(
            _background(BenchmarkHospital(http, access, _OTHER_CITIZEN, _OTHER_PLACE, 13))
        )
        try:
            for number in range(probes + _WARM_UP):
                say("request_to_mail", number, probes + _WARM_UP)
                taken = await _probe(hospital, inbox, number)
                hopped = {hop: await getattr(bare, hop)() for hop in PATH}
                if background.done():
                    background.result()
                if number >= _WARM_UP:
                    measured.append(taken)
                    for hop, milliseconds in hopped.items():
                        found[hop].append(milliseconds)
        finally:
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background
    return measured, found


async def _probe(hospital: BenchmarkHospital, inbox: Inbox, number: int) -> float:
    arrival = inbox.expect(hospital.time_of(number))
    began = asyncio.get_running_loop().time()
    await hospital.book(number)
    arrived = await asyncio.wait_for(arrival, _PATIENCE)
    await hospital.cancel(number)
    return (arrived - began) * 1_000


async def _background(hospital: BenchmarkHospital) -> None:
    """Book and cancel in turn, five requests a second, until cancelled."""
    number = 0
    while True:
        await hospital.book(number)
        await asyncio.sleep(_BACKGROUND_PAUSE)
        await hospital.cancel(number)
        await asyncio.sleep(_BACKGROUND_PAUSE)
        number += 1


def p99(values: Sequence[float]) -> float:
    """The 99th percentile by nearest rank."""
    return sorted(values)[max(0, -(-99 * len(values) // 100) - 1)]
