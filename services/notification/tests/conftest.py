"""What this service's tests share: events, a real SMTP server, and owners over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from functools import partial
from typing import Any

import httpx2
import msgspec
import pytest
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope
from brobyg_contracts import (
    DepartmentRecorded,
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    OfferMade,
    PlaceRecorded,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_contracts.reference import TOPIC, Reference
from brobyg_kit.catalogues import languages
from brobyg_kit.clock import AcceleratedClock, Clock
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Health
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin, Received
from brobyg_kit.problems import GONE, PROBLEM_TYPES, RESTRICTED
from brobyg_kit.replica import Copies
from brobyg_kit.tables import outbox
from brobyg_kit.testing import eventually
from brobyg_notification.adapters.delivery_queue import PostgresDeliveryQueue
from brobyg_notification.adapters.mail import compose
from brobyg_notification.adapters.notices import PostgresNotices
from brobyg_notification.adapters.people import HttpPeople
from brobyg_notification.adapters.smtp import SmtpTransport
from brobyg_notification.adapters.tables import notification
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.texts import FOLDER
from brobyg_notification.use_cases.delivery import Delivery
from brobyg_notification.use_cases.delivery_worker import DeliveryWorker
from brobyg_notification.use_cases.planning import handle_with
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry
from sqlalchemy import Executable, Row, select

STARTS = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
REFERRAL, CITIZEN, HELPER = derived_id("referral"), derived_id("citizen"), derived_id("helper")
NEED, OFFER, MATCH = derived_id("need"), derived_id("offer"), derived_id("match")
#: Leaving home, meeting and being back.
LEAVE_AT, MEET_AT = STARTS - timedelta(minutes=60), STARTS - timedelta(minutes=40)
HOME_AT = STARTS + timedelta(minutes=95)
DEPARTMENT, OTHER_DEPARTMENT = "randers-norddjurs", "aarhus"
#: What every event about the need says.
_NEED: dict[str, object] = {
    "need_id": NEED,
    "referral_id": REFERRAL,
    "citizen_id": CITIZEN,
    "pathway": "escort",
    "department": DEPARTMENT,
}
_WHEN_AND_WHERE: dict[str, object] = {
    "starts_at": STARTS,
    "ends_at": STARTS + timedelta(minutes=45),
    "location_id": "randers-hospital",
}
_SEAT: dict[str, object] = {"seat": 1, "role": "companion", "helper_id": HELPER}
_MATCH: dict[str, object] = {
    **_NEED,
    **_WHEN_AND_WHERE,
    **_SEAT,
    "match_id": MATCH,
    "pool": "student",
    "policy_version": 1,
    "way": "offer",
    "crew_complete": True,
    "offer_id": OFFER,
}
_DATA: dict[type, dict[str, object]] = {
    OfferMade: {
        **_NEED,
        **_WHEN_AND_WHERE,
        **_SEAT,
        "offer_id": OFFER,
        "round": 1,
        "wave": 1,
        "rank": 1,
        "known_to_citizen": False,
        "expires_at": STARTS - timedelta(hours=20),
    },
    VolunteerMatched: _MATCH,
    StaffMatched: _MATCH,
    MatchReleased: {
        **_NEED,
        **_WHEN_AND_WHERE,
        **_SEAT,
        "match_id": MATCH,
        "reason": "appointment_cancelled",
        "crew_complete": False,
    },
    MatchEscalated: {
        **_NEED,
        **_WHEN_AND_WHERE,
        "reason": "nobody_answered",
        "asked": 3,
        "missing": 1,
        "excluded": {"not_suitable": 4, "weekly_limit": 2},
    },
    NeedChanged: {
        **_NEED,
        "about_kind": "appointment",
        "about_id": NEED,
        "policy_version": 1,
        "mode": "in_person",
        "priority": 5,
        "competences": (),
        "location_id": "randers-hospital",
        "starts_at": STARTS + timedelta(days=1),
        "ends_at": STARTS + timedelta(days=1, minutes=45),
    },
    NeedClosed: {
        "need_id": NEED,
        "referral_id": REFERRAL,
        "citizen_id": CITIZEN,
        "about_kind": "appointment",
        "about_id": NEED,
        "reason": "appointment_cancelled",
    },
}


def _place(id: str, label: str) -> PlaceRecorded:
    return PlaceRecorded(
        record=f"place/{id}",
        version=1,
        withdrawn=False,
        label=label,
        postcode="8900",
        latitude=56.46,
        longitude=10.04,
        municipality_code="0730",
        aliases=(),
        resources=(),
    )


def _department(id: str, label: str, **changes: Any) -> DepartmentRecorded:
    facts: dict[str, Any] = {
        "record": f"department/{id}",
        "version": 1,
        "withdrawn": False,
        "label": label,
        "municipalities": ("0730",),
        "pools": ("student",),
        "pathways": ("escort",),
        "senders": (),
        "languages": ("da", "en"),
        "quiet_from": "21:00",
        "quiet_to": "08:00",
        "former": (),
        "zone": "Europe/Copenhagen",
    }
    return DepartmentRecorded(**{**facts, **changes})


#: The reference data, as records of its topic.
RECORDS: list[EventData] = [
    _place("randers-hospital", "Regionshospitalet Randers"),
    _place("grenaa-health-house", "Sundhedshus Grenaa"),
    _department(DEPARTMENT, "Randers og Norddjurs", former=("randers", "norddjurs")),
    _department(OTHER_DEPARTMENT, "Aarhus", languages=("so", "en")),
]
REFERENCE = Reference(RECORDS)


def _event_of(record: Any) -> Event:
    event_id = derived_id("event", record.record)
    return Event(
        id=event_id,
        source="referral",
        type=record.EVENT_TYPE,
        subject=record.record,
        time=STARTS - timedelta(days=9),
        dataschema=record.DATASCHEMA,
        correlationid=event_id,
        sequence=1,
        data=encode_data(record),
    )


@pytest.fixture
def reference_events() -> list[Event]:
    """The reference data, as its owner publishes it."""
    return [_event_of(record) for record in RECORDS]


@pytest.fixture
def give_reference(reference_events: list[Event]) -> Callable[[Database], Awaitable[None]]:
    """`await give_reference(database)`: the service has copied the reference data."""

    async def give(database: Database) -> None:
        received = [
            Received(event, Origin(TOPIC, 0, offset))
            for offset, event in enumerate(reference_events)
        ]
        async with database.transaction() as transaction:
            await Copies(SERVICE.copies, {}).keep(transaction, received)

    return give


Cause = Callable[..., Event]


@pytest.fixture
def cause() -> Cause:
    """`cause(VolunteerMatched, meeting="home")`: an event as its owner publishes it.

    Each call makes another event.
    """
    made = 0

    def make(kind: type[EventData], *, number: int | None = None, **changes: object) -> Event:
        nonlocal made
        made += 1
        data = {**_DATA[kind], **changes}
        event_id = derived_id("event", str(made if number is None else number))
        return Event(
            id=event_id,
            source=kind.TOPIC.split(".")[1],
            type=kind.EVENT_TYPE,
            subject=str(data["need_id"]),
            time=STARTS - timedelta(days=1),
            dataschema=kind.DATASCHEMA,
            correlationid=event_id,
            sequence=made,
            data=encode_data(kind(**data)),
        )

    return make


@pytest.fixture
def records() -> list[EventData]:
    """The reference data, as records of its topic."""
    return RECORDS


@pytest.fixture
def running_clock() -> Clock:
    """Goes as the wall clock does, from Monday 30 November 2026, 08:00 UTC.

    That is a day before what the events tell of.
    """
    return AcceleratedClock(datetime(2026, 11, 30, 8, tzinfo=UTC), 1, datetime.now(UTC))


@dataclass
class MailServer:
    """A real SMTP server that keeps what it takes.

    It can be told to refuse, to take its time, to be away and to come back on the same port.
    """

    port: int = field(default_factory=free_port)
    inbox: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    after_data: list[str] = field(default_factory=list)
    #: Seconds, by recipient, from a message to the answer.
    answers_after: dict[str, float] = field(default_factory=dict)
    #: By recipient: what the answer to a message waits for.
    answers_when: dict[str, asyncio.Event] = field(default_factory=dict)
    connections: int = 0
    _server: asyncio.Server | None = None
    _open: list[SMTP] = field(default_factory=list)

    async def start(self) -> None:
        """Answer on the port."""

        def protocol() -> SMTP:
            self.connections += 1
            self._open.append(SMTP(self, enable_SMTPUTF8=True))
            return self._open[-1]

        self._server = await asyncio.get_running_loop().create_server(
            protocol, "127.0.0.1", self.port
        )

    async def stop(self) -> None:
        """Hang up on everybody and answer no more."""
        if self._server is None:
            return
        self._server.close()
        for one in self._open:
            if one.transport is not None:
                one.transport.close()
        self._open.clear()
        self._server = None

    async def handle_RCPT(
        self, _: object, __: object, envelope: Envelope, address: str, ___: object
    ) -> str:
        """The next of the address's `answers`, else yes."""
        if waiting := self.answers.get(address):
            return waiting.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: object, __: object, envelope: Envelope) -> str:
        """Keep the message and confirm it as `answers_after` and `answers_when` say.

        Or give the next answer of `after_data`.
        """
        if self.after_data:
            return self.after_data.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.inbox.append(BytesParser(_class=EmailMessage, policy=default).parsebytes(content))
        (recipient,) = envelope.rcpt_tos
        await asyncio.sleep(self.answers_after.get(recipient, 0))
        if recipient in self.answers_when:
            await self.answers_when[recipient].wait()
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """The messages to an address, in the order they came."""
        return [message for message in self.inbox if message["To"] == address]


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """Open, on a port of its own."""
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@dataclass
class Owners:
    """Referral and matching as this service sees them, over HTTP."""

    url: str
    answers: dict[str, tuple[int, object]]
    #: Who was asked for, and what for.
    asked: list[tuple[str, str]] = field(default_factory=list)
    matches: dict[str, object] = field(default_factory=dict)
    #: Why citizens are not to be written to; a helper is told all the same whom to meet.
    refused: str | None = None

    def gone(self, path: str) -> None:
        """Let the owner say that who stood at `path` is erased."""
        self.answers[path] = (410, {"type": GONE})

    def restricted(self, path: str) -> None:
        """Let the owner say that nothing is done with the data of who stands at `path`."""
        self.answers[path] = (403, {"type": RESTRICTED})

    def offer(self, state: str, expires_at: datetime = STARTS) -> None:
        """Let the offer be in `state`."""
        link = {
            "token": "signed.token",
            "expires_at": expires_at.isoformat(),
            "state": state,
            "meeting": "home",
            "distance_metres": 4210,
            "meet_at": MEET_AT.isoformat(),
        }
        self.answers[f"/offers/{OFFER}/answer-link"] = (200, link)

    def match(self, state: str = "agreed") -> None:
        """Let every match be in `state`."""
        stands = state == "agreed"
        times = {"leave_at": LEAVE_AT, "meet_at": MEET_AT, "home_at": HOME_AT}
        told = {name: at.isoformat() if stands else None for name, at in times.items()}
        self.matches = {"state": state, **told}

    def citizen(self, status: int = 200, **changes: object) -> None:
        """Let the citizen be as changed, or gone."""
        path = f"/citizens/{CITIZEN}/contact"
        self.answers[path] = (status, {**CITIZEN_CONTACT, **changes})

    def helper(self, status: int = 200, **changes: object) -> None:
        """Let the helper be as changed, or gone."""
        self.answers[f"/volunteers/{HELPER}/contact"] = (status, {**HELPER_CONTACT, **changes})


@pytest.fixture
def required() -> dict[str, str]:
    """The settings that have no default. Nobody is at the mail server's address."""
    return {
        "notification_smtp": "smtp://127.0.0.1:1",
        "notification_sender": "Brobyg <brobyg@example.org>",
        "notification_coordinators": "randers=coordinator@example.org,aarhus=b@example.org",
        "portal_url": "http://portal.example.org",
    }


# Official test persons.
CITIZEN_CONTACT = {
    "citizen_id": CITIZEN,
    "name": "Einer Test Lauridsen",
    "given_name": "Einer",
    "email": "einer@example.org",
    "phone": None,
    "language": "da",
    "meeting": "home",
    "meeting_point": "Testgrusgraven 3, 3.th",
}
HELPER_CONTACT = {
    "helper_id": HELPER,
    "name": "Ellen Louise Test Lauridsen",
    "email": "ellen@example.org",
    "phone": None,
    "language": "en",
}


@pytest.fixture
async def owners() -> AsyncIterator[Owners]:
    """Both owners, up; the offer is open, and every match has a link."""
    port = free_port()
    app = FastAPI()
    known = Owners(f"http://127.0.0.1:{port}", {})
    known.offer("open")
    known.match()
    known.citizen()
    known.helper()

    @app.get("/{path:path}")
    async def answer(path: str, request: Request) -> Response:
        known.asked.append((f"/{path}", request.query_params.get("purpose", "")))
        if path.startswith("needs/") and path.endswith("/answer-link"):
            return JSONResponse({"token": "match.token", **known.matches})
        writes = path.startswith("citizens/") and request.query_params["use"] == "write"
        if known.refused and writes:
            return JSONResponse({"type": f"{PROBLEM_TYPES}{known.refused}"}, status_code=403)
        status, body = known.answers.get(f"/{path}", (404, {}))
        return JSONResponse(body, status_code=status)

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=60,  # a client must not send on a connection as it is closed
        )
    )
    serving = asyncio.create_task(server._serve())

    async def up() -> bool:
        return server.started

    await eventually(up, "the owners answer")
    yield known
    server.should_exit = True
    await serving


@dataclass
class ServiceParts:
    """The service's parts without Kafka: what is planned, and a worker to deliver it."""

    database: Database
    queue: PostgresDeliveryQueue
    registry: CollectorRegistry
    metrics: NotificationMetrics
    delivery: Delivery
    worker: DeliveryWorker

    async def receive(self, *events: Event) -> None:
        """Handle the events as one batch, without the inbox: as if each were new."""
        async with self.database.transaction() as transaction:
            await handle_with(PostgresNotices(), self.metrics)(transaction, events)

    async def states(self) -> list[str]:
        """State of each notice, oldest first."""
        n = notification.c
        return [row.state for row in await self.rows(select(n.state).order_by(n.position))]

    async def rows(self, statement: Executable) -> list[Row[Any]]:
        """What the statement returns; none for one that returns nothing."""
        async with self.database.connect() as connection:
            result = await connection.execute(statement)
            return list(result.all()) if result.returns_rows else []

    async def waits(self, obstacle: str | None = None, *, attempts: int = 1) -> int:
        """How many notices nobody has in hand after so many attempts, for this reason."""
        n = notification.c
        idle = select(n.position).where(
            n.state == "waiting", n.claimed_by.is_(None), n.attempts >= attempts
        )
        return len(await self.rows(idle.where(n.reason == obstacle) if obstacle else idle))

    async def ended(self, *states: str) -> None:
        """Return when the notices are in these states, oldest first."""

        async def so() -> bool:
            return await self.states() == list(states)

        await eventually(so, f"the notices are {states}")

    async def emitted(self) -> list[tuple[str, dict[str, object]]]:
        """Type and data of each event about a notification in the outbox, in order."""
        return [one for one in await self._outbox() if ".notification." in one[0]]

    async def attention(self) -> list[tuple[str, dict[str, Any]]]:
        """The last word of the type, and the data, of each event about attention, in order."""
        about = [one for one in await self._outbox() if ".attention." in one[0]]
        return [(kind.rpartition(".")[2], data) for kind, data in about]

    async def _outbox(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.rows(select(outbox.c.value).order_by(outbox.c.id))
        events = [msgspec.json.decode(row.value) for row in rows]
        return [(event["type"], event["data"]) for event in events]

    def restart(self) -> None:
        """What delivers from here on is as a new process has it."""
        self.worker = self.another_worker()

    def another_worker(self) -> DeliveryWorker:
        """A worker on the same notices."""
        return DeliveryWorker(
            self.queue, self.delivery, self.delivery.clock, self.metrics, Health(), concurrency=4
        )

    @asynccontextmanager
    async def delivering(self, worker: DeliveryWorker | None = None) -> AsyncIterator[None]:
        """A worker runs."""
        task = asyncio.create_task((worker or self.worker).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


ServicePartsFor = Callable[..., AbstractAsyncContextManager[ServiceParts]]


@pytest.fixture
def parts_for(postgres: str, owners: Owners, mail_server: MailServer) -> ServicePartsFor:
    """`async with parts_for(clock) as parts`: real database, SMTP server and owners."""
    from brobyg_kit.testing import fresh_database

    @asynccontextmanager
    async def opened(
        clock: Clock,
        concurrency: int = 4,
        command_seconds: float = 10,
        default_language: str = "en",
        reference: Reference = REFERENCE,
    ) -> AsyncIterator[ServiceParts]:
        async with (
            fresh_database(postgres, SERVICE, clock) as database,
            httpx2.AsyncClient(base_url=owners.url, timeout=20) as http,
        ):
            transport = SmtpTransport(
                f"smtp://127.0.0.1:{mail_server.port}",
                connections=concurrency,
                command_seconds=command_seconds,
            )
            registry, queue = CollectorRegistry(), PostgresDeliveryQueue(database)
            metrics = NotificationMetrics(registry)
            delivery = Delivery(
                people=HttpPeople(http, http),
                compose=partial(compose, "Brobyg <brobyg@example.org>"),
                transport=transport,
                clock=clock,
                metrics=metrics,
                portal_url="http://portal.example.org",
                reference=lambda: reference,
                coordinators={"randers": "coordinator@example.org"},
                languages=languages(FOLDER),
                default_language=default_language,
            )
            worker = DeliveryWorker(
                queue, delivery, clock, metrics, Health(), concurrency=concurrency
            )
            yield ServiceParts(database, queue, registry, metrics, delivery, worker)
            await transport.close()

    return opened


@pytest.fixture
def arrived(mail_server: MailServer) -> Callable[[int], Awaitable[None]]:
    """`await arrived(3)`: the SMTP server has taken three messages."""

    async def wait(count: int) -> None:
        async def there() -> bool:
            return len(mail_server.inbox) >= count

        await eventually(there, f"{count} messages at the mail server")

    return wait
