"""consumer: a state upsert and an emitted event an event, against a bare read-and-commit loop.

Ours: `brobyg_kit.consumer.Consumer` with the handler below: touched rows loaded once, events
applied in memory in order, rows written once, an event emitted for each; inbox, sequences, outbox
and offsets as always. Timed from the moment the first records are in hand, which don't count, as on
the other side, to the commit of the last. Nothing of durability is switched off. Bare: aiokafka's
`getmany` and `commit` over the same topic, as much at a time as it gives.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

import msgspec
from brobyg_kit.consumer import BatchHandler, Consumer, Subscription
from brobyg_kit.database import Database, Transaction
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.statements import array_literal
from brobyg_kit.subscription import LockedBy

from benchmarks import bare, ground
from benchmarks.ground import Ground
from benchmarks.records import SIZE, Booked, booked, load
from benchmarks.results import BenchmarkResult, Goal, Say, in_turns

GOAL = Goal("consumer", 0.15, "a bare aiokafka getmany-and-commit loop over the same topic")
_NUMBER = 200_000
#: As reporting sets it; the others have 2,000.
_MAX_BATCH = 5_000
_TABLE = (
    "create table referral_state"
    " (referral_id uuid primary key, appointments int not null, next_at timestamptz not null)"
)
_LOAD = (
    "select referral_id::text, appointments, next_at from referral_state"
    " where referral_id = any($1::text::uuid[]) for update"
)
_SAVE = (
    "insert into referral_state"
    " select * from unnest($1::text::uuid[], $2::text::int[], $3::timestamptz[])"
    " on conflict (referral_id) do update"
    " set appointments = excluded.appointments, next_at = excluded.next_at"
)
_TABLES = "referral_state, inbox, outbox, stream"


class ReferralCounted(msgspec.Struct, frozen=True, kw_only=True):
    """A referral has one appointment more."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.referral.counted"
    TOPIC: ClassVar[str] = "bench.emitted"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/referral.counted.schema.json"
    referral_id: str
    appointment_id: str
    appointments: int
    next_at: datetime


async def handle(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply the batch in memory, write each row once, emit one event an event."""
    read = [(event, event.decode(Booked)) for event in events]
    ids = sorted({data.referral_id for _, data in read})
    keys = array_literal(ids)
    rows = await tx.driver.fetch(_LOAD, keys)
    states: dict[str, tuple[int, datetime]] = {row[0]: (row[1], row[2]) for row in rows}
    for event, data in read:
        appointments, next_at = states.get(data.referral_id, (0, data.starts_at))
        now = states[data.referral_id] = (appointments + 1, min(next_at, data.starts_at))
        changed = ReferralCounted(
            referral_id=data.referral_id,
            appointment_id=data.appointment_id,
            appointments=now[0],
            next_at=now[1],
        )
        tx.emit(changed, subject=data.referral_id, cause=event)
    counts = array_literal([str(states[one][0]) for one in ids])
    await tx.driver.execute(_SAVE, keys, counts, [states[one][1] for one in ids])


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    number = on.sized(_NUMBER)
    topic = ground.unique("consumer")
    async with (
        ground.topics(on.kafka, [topic]),
        ground.database(on.database, "consumer") as database,
    ):
        await load(on.kafka, topic, booked(number, max(1, number // 10), on.seed))
        async with ground.driver(database) as driver:
            await driver.execute(_TABLE)

        async def ours() -> float:
            async with ground.driver(database) as driver:
                await driver.execute(f"truncate {_TABLES}")
            return await consumed(database, on.kafka, [topic], number, handle, _MAX_BATCH)

        theirs = partial(bare.read_and_commit, on.kafka, [topic], number)
        value, base = await in_turns(GOAL.name, on.rounds, on.seed, ours, theirs, say)
        await _check(database, number)
    how = (
        f"{number} events of {SIZE} bytes about {max(1, number // 10)} referrals, 12 partitions,"
        f" at most {_MAX_BATCH} a transaction, synchronous_commit on, one process,"
        " the bare side with Python's own collector,"
        f" medians of {on.rounds} rounds in turns, seed {on.seed}"
    )
    return GOAL.result(value, base, how)


async def _check(database: Database, number: int) -> None:
    """A figure counts only when each event is once in the inbox, the state and the outbox."""
    async with ground.driver(database) as driver:
        row = await driver.fetchrow(
            "select (select count(*) from inbox) as inbox,"
            " (select sum(appointments) from referral_state) as state,"
            " (select count(*) from outbox) as outbox"
        )
    if row is None or set(row.values()) != {number}:
        raise AssertionError(f"expected {number} of each, found {row}")


async def consumed(
    database: Database,
    address: str,
    names: Sequence[str],
    number: int,
    work: BatchHandler,
    max_batch: int,
    locked_by: LockedBy | None = None,
) -> float:
    """Events per second of a consumer in a new group.

    From the moment the first are in hand (they don't count) to the commit of the last.
    """
    began, first = 0.0, 0
    metrics = Metrics()

    async def timed(tx: Transaction, events: Sequence[Event]) -> None:
        nonlocal began, first
        if not began:
            began, first = time.perf_counter(), len(events)
        await work(tx, events)

    service = ground.unique("group")
    subscription = Subscription(service, names, timed, max_batch=max_batch, locked_by=locked_by)
    consumer = Consumer(address, database, subscription, metrics, Heartbeat("consumer"))
    running = asyncio.create_task(consumer.run())
    while _handled(metrics) < number:
        if running.done():
            running.result()
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - began
    consumer.stop()
    await running
    return (number - first) / seconds


def _handled(metrics: Metrics) -> float:
    return sum(
        sample.value
        for metric in metrics.events_handled.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )
