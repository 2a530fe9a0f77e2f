"""Matching's database at a size: helpers, departments, needs that are open, and its handlers.

Helpers are the example's volunteers, so often and with other ids; needs are the example's citizens'
in the weeks after it, already asked about when a measurement begins. With a waiting list, one
helper in ten is a navigator too and two needs in five are cases, most of which wait for capacity.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec
from brobyg_contracts import CitizenRecorded, ConsentGiven, NeedOpened, reference
from brobyg_contracts.events import DepartmentRecorded, PoolRecorded
from brobyg_contracts.pathways import load_pathway
from brobyg_kit import tables as delivery
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData
from brobyg_kit.health import Health
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin, Received
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.replica import Copies
from brobyg_kit.service import Parts, Resources
from brobyg_kit.testing import as_owner, fresh_database
from brobyg_kit.vault import Vault
from brobyg_matching.adapters import tables
from brobyg_matching.adapters.contacts import Lookups, SealedContacts
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.bootstrap import REFERENCE, SERVICE
from brobyg_matching.entrypoints.bodies import NewHelper, Papers
from brobyg_matching.settings import MatchingSettings
from brobyg_referral.reference.adapters.files import read_folder
from prometheus_client import CollectorRegistry

from benchmarks import week
from benchmarks.ground import Ground

#: Signs the links of the offers.
LINK_KEY = "k" * 32
_MASTER_KEY, _LOOKUP_KEY = b"m" * 32, b"l" * 32
CONTACTS = SealedContacts(PersonKeys(tables.person_key, Vault([_MASTER_KEY])), Lookups(_LOOKUP_KEY))
_REFERENCE = week.EXAMPLE.parents[1] / "schemas" / "reference"
_DEPARTMENT = "randers-norddjurs"
#: The pathway with a waiting list: the tests' own, as no pathway of the system has one yet.
CASELOAD = "toy_caseload"
#: Set BROBYG_PATHWAYS to this for it.
PATHWAYS = week.EXAMPLE.parents[1] / "tests" / "pathways"
_POOL = "navigator"
#: Events a transaction while the needs are made.
_BATCH = 900
#: The needs' first day after the week's beginning, and over how many days they are spread.
_FIRST_DAY, _DAYS = 10, 50


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    helpers: int
    departments: int
    open_needs: int

    def __str__(self) -> str:
        """For the description of a figure."""
        return (
            f"{self.helpers:,} helpers, {self.departments} departments, {self.open_needs:,} open"
            " needs"
        )

    def scaled(self, scale: float) -> "Size":
        """As large a share of it, to see that it runs; the whole from `scale` 1 on."""
        if scale >= 1:
            return self
        return Size(
            max(200, int(self.helpers * scale)),
            self.departments,
            max(1_000, int(self.open_needs * scale)),
        )


SMALL, LARGE = Size(40, 1, 150), Size(5_000, 30, 20_000)


@dataclass(slots=True)
class Matching:
    """A process of matching at a size, without broker and HTTP."""

    database: Database
    clock: ManualClock
    parts: Parts
    random: Random
    departments: Sequence[str]
    _made: int = field(default=0)

    async def handle(self, events: Sequence[Event]) -> None:
        """As the consumer has them handled: one transaction."""
        assert self.parts.handle is not None  # matching consumes
        async with self.database.transaction() as tx:
            await self.parts.handle(tx, events)

    def case(self, department: str | None = None) -> tuple[list[Event], NeedOpened]:
        """As `need`, of the pathway with a waiting list, in this department."""
        citizen, need = self.need()
        return citizen, msgspec.structs.replace(
            need,
            department=department or need.department,
            pathway=CASELOAD,
            policy_version=load_pathway(CASELOAD).version,
            about_kind="referral",
            priority=self.random.randrange(1, 6),
            location_id=msgspec.UNSET,
            starts_at=msgspec.UNSET,
            ends_at=msgspec.UNSET,
        )

    def need(self) -> tuple[list[Event], NeedOpened]:
        """A new citizen's record and consent, and a need of theirs; of departments in turn."""
        self._made += 1
        name = str(self._made)
        records = week.citizen_records()
        record = records[sorted(records)[self._made % len(records)]]
        place = self.random.choice(("randers-hospital", "randers-health-centre"))
        start = week.BEGINS + timedelta(
            days=_FIRST_DAY + self.random.randrange(_DAYS),
            minutes=15 * self.random.randrange(34, 60),
        )
        ids = {one: derived_id("bench need", one, name) for one in ("citizen_id", "referral_id")}
        need_id = derived_id("bench need", name)
        facts = {
            **week.need_fields(self.departments[self._made % len(self.departments)]),
            **ids,
            "need_id": need_id,
            "about_kind": "appointment",
            "about_id": need_id,
            "location_id": place,
            "starts_at": start,
            "ends_at": start + timedelta(minutes=30),
        }
        need = msgspec.convert(facts, NeedOpened)
        citizen = msgspec.convert(record | {"citizen_id": ids["citizen_id"]}, CitizenRecorded)
        return [self.event(citizen), self.event(msgspec.convert(ids, ConsentGiven))], need

    def event(self, data: EventData) -> Event:
        """As referral publishes it, now."""
        number = str(self.random.getrandbits(64))
        subject = week.subject_of(data)
        return week.event(
            self.random, data, subject, self.clock.now(), 1, derived_id("bench event", number)
        )


@asynccontextmanager
async def matching(
    on: Ground, size: Size, *, waiting_list: bool = False
) -> AsyncIterator[Matching]:
    """Matching's database at this size, with its handlers, while the block runs."""
    clock = ManualClock(week.BEGINS)
    departments = [f"department-{number}" for number in range(size.departments)]
    async with fresh_database(on.database, SERVICE, clock) as database:
        await _give_reference(database, departments)
        made = Matching(database, clock, _parts(on, database, clock), Random(on.seed), departments)
        await _register(made, size.helpers, every=10 if waiting_list else 0)
        for begin in range(0, size.open_needs, _BATCH // 3):
            events: list[Event] = []
            for number in range(begin, min(begin + _BATCH // 3, size.open_needs)):
                waits = waiting_list and number // size.departments % 5 < 2
                citizen, need = made.case() if waits else made.need()
                events += [*citizen, made.event(need)]
            await made.handle(events)
        await settle(database)
        yield made


def settings(on: Ground, **more: object) -> MatchingSettings:
    """Settings with which matching can be built."""
    values = {
        "kafka": on.kafka,
        "token_keys": Path("unused"),
        "matching_link_keys": LINK_KEY,
        "matching_registration_keys": "r" * 32,
        "matching_encryption_key": base64.b64encode(_MASTER_KEY).decode(),
        "matching_lookup_key": base64.b64encode(_LOOKUP_KEY).decode(),
    }
    return MatchingSettings.model_validate(values | more)


def _parts(on: Ground, database: Database, clock: ManualClock) -> Parts:
    resources = Resources(settings(on), clock, database, CollectorRegistry(), Health(), "bench")
    parts = SERVICE.build(resources)
    for replica in resources.replicas.values():
        replica.watched = True  # nothing changes it while the benchmark runs
    return parts


async def _give_reference(database: Database, departments: Sequence[str]) -> None:
    """The project's own reference data, and its department so often under other names."""
    records: list[EventData] = [entry.record for entry in read_folder(_REFERENCE)]
    [own] = [
        one
        for one in records
        if isinstance(one, DepartmentRecorded) and one.record == f"department/{_DEPARTMENT}"
    ]
    records += [
        msgspec.structs.replace(
            own, record=f"department/{name}", label=name, former=(), pools=(*own.pools, _POOL)
        )
        for name in departments
    ]
    pool = PoolRecorded(
        record=f"pool/{_POOL}", version=1, withdrawn=False, label=_POOL, organisation="bench",
        employed=True, capacity="caseload", limit=2, requires=(),
    )  # fmt: skip
    records.append(pool)
    copies = Copies([REFERENCE], {})
    received = [
        Received(_recorded(record), Origin(reference.TOPIC, 0, offset))
        for offset, record in enumerate(records)
    ]
    async with database.transaction() as tx:
        await copies.keep(tx, received)


def _recorded(record: EventData) -> Event:
    key: str = msgspec.to_builtins(record)["record"]
    return week.event(Random(key), record, key, week.BEGINS, 1, derived_id("bench record", key))


async def _register(made: Matching, number: int, every: int) -> None:
    """The example's volunteers, of the departments in turn; one of so many is a navigator too.

    That is by their number within the department, as all departments are alike.
    """
    helpers, examples = PostgresHelpers(made.database, CONTACTS), week.volunteers()
    for begin in range(0, number, 500):
        async with made.database.transaction() as tx:
            for index in range(begin, min(number, begin + 500)):
                example = examples[index % len(examples)]
                body = NewHelper.model_validate(
                    {
                        **msgspec.convert(example["registration"], dict[str, object]),
                        "department": made.departments[index % len(made.departments)],
                        "email": f"{index}@volunteer.example",
                        "more_pools": [_POOL]
                        if every and index // len(made.departments) % every == 0
                        else [],
                    }
                )
                papers = Papers.model_validate(example["activation"]).by_kind()
                applied = body.helper(derived_id("bench helper", str(index)))
                active = msgspec.structs.replace(applied, status="active", papers=papers)
                await helpers.add(tx, active, body.contact())


async def settle(database: Database) -> None:
    """Leave the database as a running system has it: outbox sent, statistics known."""
    await as_owner(database, f"truncate {delivery.outbox.name}", "vacuum analyze")


async def keep(database: Database) -> None:
    """Remember what is in the tables, for `put_back`."""
    copies = (f"create table kept.{name} as table {name}" for name in _names())
    await as_owner(database, "create schema kept", *copies)


async def put_back(database: Database) -> None:
    """Make the tables what they were when `keep` was called."""
    names = _names()
    copies = (f"insert into {name} overriding system value table kept.{name}" for name in names)
    await as_owner(database, f"truncate {', '.join(names)} cascade", *copies, "vacuum analyze")


def _names() -> list[str]:
    """Tables that events write; each after those that it refers to."""
    fixed = {
        "helper",
        "helper_contact",
        "person_key",
        "paper",
        "roster",
        "registration",
        "block",
    }
    own = [table.name for table in tables.metadata.sorted_tables if table.name not in fixed]
    kit = [table.name for table in delivery.metadata.sorted_tables if table.name != "replica"]
    return own + kit
