"""matching_consumer: matching's handlers on the demo's mix of events, at two sizes.

Bare: aiokafka's `getmany` and `commit` in a loop over the same topic.

The mix is what referral publishes of the hospital's week under `examples/` (citizens' records,
consents, needs opened, changed, closed), copied with other ids to some 10,000s of events. The clock
stands at the beginning of the week, so that every need is searched for: candidates are found,
ranked and asked, and the offers go to the outbox. Before each round the database is what it was
before the first.
"""

from functools import partial

from brobyg_kit import tables as delivery
from brobyg_kit.database import Database
from brobyg_matching.adapters import tables
from brobyg_matching.bootstrap import SERVICE
from sqlalchemy import func, select

from benchmarks import bare, ground, week
from benchmarks.consumer import consumed
from benchmarks.ground import Ground
from benchmarks.matching_ground import LARGE, SMALL, Size, keep, matching, put_back
from benchmarks.records import load
from benchmarks.results import BenchmarkResult, Goal, Say, in_turns

_BARE = "a bare aiokafka getmany-and-commit loop over the same topic"
GOAL = Goal("matching_consumer", 0.02, _BARE)
GOAL_LARGE = Goal("matching_consumer_large", 0.02, _BARE)
_NUMBER = 40_000


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure at the small size, after `on.rounds` rounds."""
    return await _measure(GOAL, SMALL, on, say)


async def measure_large(on: Ground, say: Say) -> BenchmarkResult:
    """The figure at the large size, after `on.rounds` rounds."""
    return await _measure(GOAL_LARGE, LARGE.scaled(on.scale), on, say)


async def _measure(goal: Goal, size: Size, on: Ground, say: Say) -> BenchmarkResult:
    topic = ground.unique("matching")
    say(f"{goal.name}: making {size}", 0, 1)
    async with ground.topics(on.kafka, [topic]), matching(on, size) as made:
        database, handle = made.database, made.parts.handle
        assert handle is not None  # matching consumes
        await keep(database)
        before = await _offers(database)
        records = week.events(on.sized(_NUMBER), on.seed, made.departments)
        number = await load(on.kafka, topic, records)

        async def ours() -> float:
            await put_back(database)
            return await consumed(
                database, on.kafka, [topic], number, handle, SERVICE.max_batch, SERVICE.locked_by
            )

        theirs = partial(bare.read_and_commit, on.kafka, [topic], number)
        value, base = await in_turns(goal.name, on.rounds, on.seed, ours, theirs, say)
        offers = await _offers(database) - before
        if not offers:
            raise AssertionError("expected offers, found none")
    how = (
        f"{number} events of the demo's mix, {size}, {offers} offers made,"
        " synchronous_commit on, one process,"
        f" medians of {on.rounds} rounds in turns, seed {on.seed}"
    )
    return goal.result(value, base, how)


async def _offers(database: Database) -> int:
    """How many offers there are; nothing may be parked, or the figure is of other work."""
    async with database.connect() as connection:
        offers, parked = [
            await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (tables.offer, delivery.parked_event)
        ]
    if parked:
        raise AssertionError(f"expected nothing parked, found {parked}")
    return offers
