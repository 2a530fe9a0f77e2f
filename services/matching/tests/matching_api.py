"""What the tests of the service have in common."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from asyncpg.connection import LoggedQuery
from brobyg_contracts import reference
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database
from brobyg_kit.event import Event, decode
from brobyg_kit.health import Heartbeat
from brobyg_kit.parking import Origin, Received
from brobyg_kit.replica import Copies, Copy
from brobyg_kit.testing import Running, bearer
from brobyg_kit.timers import Timers
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.domain.helper import Helper
from brobyg_matching.ports import Contact
from matching_samples import RECORDS, an_id, citizen_recorded, consent_given, event
from matching_samples import query as query_database

LINK_KEY = "a-link-key-of-these-tests-only"
KEYS: dict[str, Any] = {
    "matching_link_keys": LINK_KEY,
    "matching_registration_keys": "a-registration-key-of-these-tests",
}
COORDINATOR, NOTIFICATION, PORTAL = bearer("coordinator"), bearer("service"), bearer("portal")
READY = {
    "confidentiality_signed_on": "2026-09-01",
    "record_checked_on": "2026-09-02",
    "introduced_on": "2026-09-03",
}
#: A citizen whose record and consent are there.
READY_CITIZEN = (event(citizen_recorded()), event(consent_given()))


async def give_reference(database: Database) -> None:
    """Make the reference data of these tests the service's copy."""
    copies = Copies([Copy(reference.TOPIC, reference.KINDS, Reference)], {})
    received = [
        Received(event(record), Origin(reference.TOPIC, 0, offset))
        for offset, record in enumerate(RECORDS)
    ]
    async with database.transaction() as tx:
        await copies.keep(tx, received)


def somebody(number: int = 0, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "name": "Ida Test Lauridsen",
        "email": f"ida{number}@example.org",
        "language": "da",
        "pool": "student",
        "department": "randers",
        "languages": ["da"],
        "gender": "female",
        "home_postcode": "8900",
        "range_metres": 30000,
        "travel": "car",
        "availability": [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)],
        "weekly_limit": 5,
    }
    return body | changes


async def active(matching: Running, number: int = 0, **changes: object) -> str:
    made = await matching.client.post(
        "/volunteers", json=somebody(number, **changes), headers=COORDINATOR
    )
    assert made.status_code == 201, made.text
    helper_id: str = made.json()["helper_id"]
    done = await matching.client.post(
        f"/volunteers/{helper_id}/activate", json=READY, headers=COORDINATOR
    )
    assert (done.status_code, done.json()["status"]) == (200, "active")
    return helper_id


def database_of(matching: Running) -> Database:
    assert matching.runtime.database is not None
    return matching.runtime.database


async def give(matching: Running, *helpers: Helper) -> None:
    """These helpers are there, without a word to anybody."""
    store = PostgresHelpers(database_of(matching))
    async with database_of(matching).transaction() as tx:
        for one in helpers:
            email = f"{one.helper_id}@example.org"
            contact = Contact(name="Ida Test", email=email, phone=None, language="da")
            await store.add(tx, one, contact)


async def tell(matching: Running, *events: Event) -> None:
    """The events have come, in one batch."""
    handle = matching.runtime.parts.handle
    assert handle is not None
    async with database_of(matching).transaction() as tx:
        await handle(tx, events)


async def rows(matching: Running, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    return await query_database(database_of(matching), statement, **parameters)


async def emitted(matching: Running) -> list[Event]:
    """What is in the outbox."""
    return [
        decode(value) for (value,) in await rows(matching, "select value from outbox order by id")
    ]


async def heard(matching: Running, kind: Any) -> list[Any]:
    """The events of this type in the outbox."""
    return [one.decode(kind) for one in await emitted(matching) if one.type == kind.EVENT_TYPE]


async def said(matching: Running) -> list[str]:
    """The types of what is in the outbox."""
    return [one.type.removeprefix("dk.brobyg.") for one in await emitted(matching)]


@dataclass(frozen=True)
class Asked:
    """An open offer."""

    offer_id: str
    helper_id: str
    need_id: str


async def open_offers(matching: Running, word: str | None = None) -> list[Asked]:
    """The open offers, of this need or of all, in the order of asking."""
    found = await rows(
        matching,
        "select offer_id::text, helper_id::text, need_id::text from offer where state = 'open'"
        " order by need_id, seat_no, rank",
    )
    return [Asked(*one) for one in found if word is None or one[2] == an_id(word)]


async def seats(matching: Running, word: str = "need") -> list[tuple[str, str | None]]:
    """State and helper of each of the need's seats."""
    found = await rows(
        matching,
        "select state, helper_id::text from seat where need_id = cast(:need as uuid) order by no",
        need=an_id(word),
    )
    return [(state, helper) for state, helper in found]


async def attention(matching: Running) -> set[tuple[str, str]]:
    """The open items: kind, and the need's id."""
    kinds = [
        (one.type.rpartition(".")[2], one.subject, one) for one in await emitted(matching)
        if one.type.startswith("dk.brobyg.attention.")
    ]  # fmt: skip
    open_ones: dict[str, tuple[str, str]] = {}
    for kind, subject, one in kinds:
        if kind == "raised":
            data = msgspec.json.decode(one.data)
            open_ones[subject] = data["kind"], data["need_id"]
        elif kind == "settled":
            open_ones.pop(subject)
    return {*open_ones.values()}


async def fire(matching: Running, kinds: Collection[str] = ()) -> None:
    """Carry out what is due, as the service does when it runs whole."""
    runtime = matching.runtime
    handlers = {k: v for k, v in runtime.parts.timers.items() if not kinds or k in kinds}
    timers = Timers(
        database_of(matching), runtime.clock, handlers, runtime.metrics,
        Heartbeat("timers of a test"),
    )  # fmt: skip
    while await timers.fire():
        pass


async def post(
    matching: Running, path: str, body: object = None, headers: dict[str, str] = COORDINATOR
) -> tuple[int, Any]:
    """Status and answer."""
    answer = await matching.client.post(path, json=body, headers=headers)
    return answer.status_code, answer.json() if answer.content else None


async def never_twice(matching: Running) -> None:
    """What the constraints guard, looked at from outside."""
    twice = await rows(
        matching,
        "select 1 from booking a join booking b on a.holder = b.holder and a.exclusive"
        " and b.exclusive and a.span && b.span and (a.need_id, a.seat_no) < (b.need_id, b.seat_no)",
    )
    above = await rows(
        matching,
        "select 1 from caseload c where taken > allowed or taken <> (select count(*) from booking"
        " b where b.holder = c.helper_id::text and b.span is null)",
    )
    assert (twice, above) == ([], [])


def helper_token(helper_id: str) -> dict[str, str]:
    """What a helper signs in with."""
    return bearer("volunteer", subject=helper_id)


async def counted(matching: Running, *events: Event) -> int:
    """How many statements it takes to handle these events in one batch, COPY left out."""
    handle, statements = matching.runtime.parts.handle, 0

    def count(_: LoggedQuery) -> None:
        nonlocal statements
        statements += 1

    assert handle is not None
    async with database_of(matching).transaction() as tx:
        with tx.driver.query_logger(count):
            await handle(tx, events)
            await tx.flush()
            tx._emissions.clear()
            tx._timers.clear()
    return statements
