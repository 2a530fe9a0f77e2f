"""matching_consumer: matching's handlers on the demo's mix of events.

Bare: aiokafka's `getmany` and `commit` in a loop over the same topic.

The mix is what referral publishes of the hospital's week under `examples/` (referrals, consents,
appointments booked, moved, cancelled, over), copied with other ids to some 10,000s of events; 40
active volunteers. The clock stands at the beginning of the week, so that every booking is searched
for: candidates are found, ranked and asked, and the offers go to the outbox.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from brobyg_kit import tables as delivery
from brobyg_kit.clock import ManualClock
from brobyg_kit.consumer import BatchHandler
from brobyg_kit.database import Database
from brobyg_kit.health import Health
from brobyg_kit.ids import new_id
from brobyg_kit.service import Resources
from brobyg_matching.adapters import tables
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.entrypoints.bodies import Activation, NewVolunteer
from brobyg_matching.settings import MatchingSettings
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import func, select

from benchmarks import bare, ground, week
from benchmarks.consumer import consumed
from benchmarks.ground import Ground
from benchmarks.records import load
from benchmarks.results import BenchmarkResult, Goal, Say, in_turns

GOAL = Goal(
    "matching_consumer", 0.02, "a bare aiokafka getmany-and-commit loop over the same topic"
)
_NUMBER = 40_000
#: What is emptied between two rounds.
_TABLES = (
    *(tables.referral, tables.match, tables.offer, tables.decision),
    *(delivery.inbox, delivery.outbox, delivery.stream, delivery.timer, delivery.parked_event),
)


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    topic = ground.unique("matching")
    async with ground.topics(on.kafka, [topic]), matching(on) as (database, handle):
        number = await load(on.kafka, topic, week.events(on.sized(_NUMBER), on.seed))

        async def ours() -> float:
            names = ", ".join(table.name for table in _TABLES)
            async with database.connect() as connection:
                await connection.exec_driver_sql(f"truncate {names}")
            return await consumed(database, on.kafka, [topic], number, handle, SERVICE.max_batch)

        theirs = partial(bare.read_and_commit, on.kafka, [topic], number)
        value, base = await in_turns(GOAL.name, on.rounds, on.seed, ours, theirs, say)
        offers = await _check(database)
    how = (
        f"{number} events of the demo's mix, 40 volunteers, {offers} offers made,"
        " synchronous_commit on, one process,"
        f" medians of {on.rounds} rounds in turns, seed {on.seed}"
    )
    return GOAL.result(value, base, how)


@asynccontextmanager
async def matching(on: Ground) -> AsyncIterator[tuple[Database, BatchHandler]]:
    """Matching's database, with the example's volunteers active, and its handler."""
    clock = ManualClock(week.BEGINS)
    async with ground.database(on.database, SERVICE.name, SERVICE, clock) as database:
        settings = MatchingSettings(
            kafka=on.kafka,
            token_keys=Path("unused"),
            matching_link_keys=(SecretStr("k" * 32),),
            matching_registration_keys=(SecretStr("r" * 32),),
        )
        registry = CollectorRegistry()
        parts = SERVICE.build(Resources(settings, clock, database, registry, Health()))
        assert parts.handle is not None  # matching consumes
        await _register(database)
        yield database, parts.handle


async def _register(database: Database) -> None:
    volunteers = PostgresVolunteers(database)
    async with database.transaction() as tx:
        for one in week.volunteers():
            body = NewVolunteer.model_validate(one["registration"])
            ready = Activation.model_validate(one["activation"])
            applied = body.volunteer(new_id(database.clock))
            active = msgspec.structs.replace(applied, status="active", **ready.model_dump())
            await volunteers.add(tx, active, body.contact())


async def _check(database: Database) -> int:
    """How many offers there are; nothing may be parked, or the figure is of other work."""
    async with database.connect() as connection:
        offers, parked = [
            await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (tables.offer, delivery.parked_event)
        ]
    if parked or not offers:
        raise AssertionError(f"expected offers and nothing parked, found {offers} and {parked}")
    return offers
