"""relay: events that stand in the outbox, against a bare producer of the same records.

Ours: `brobyg_kit.relay.Relay` from its start to the last row deleted (connecting and taking
the lead included), by its own count of what is acknowledged and deleted. The outbox is filled
before and not timed. Bare: aiokafka's `send` of the same records to the same topic.
Both idempotent, acks=all, uncompressed; the relay in production compresses.
"""

import asyncio
import time
from functools import partial

from brobyg_kit import kafka
from brobyg_kit.database import Database
from brobyg_kit.event import EVENT_CONTENT_TYPE
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.relay import Relay

from benchmarks import bare, ground
from benchmarks.ground import Ground
from benchmarks.records import SIZE, booked
from benchmarks.results import BenchmarkResult, Goal, Say, in_turns

GOAL = Goal("relay", 1.5, "a bare aiokafka producer of the same records")
_NUMBER = 100_000


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    number = on.sized(_NUMBER)
    records = list(booked(number, max(1, number // 10), on.seed))
    topic = ground.unique("relay")
    async with ground.topics(on.kafka, [topic]), ground.database(on.database, "relay") as database:

        async def ours() -> float:
            await _fill(database, topic, records)
            return await drained(database, on.kafka, topic, number)

        encoded = [(key.encode(), value) for key, value in records]
        value, base = await in_turns(
            GOAL.name, on.rounds, on.seed, ours, partial(bare.send, on.kafka, topic, encoded), say
        )
    how = (
        f"{number} events of {SIZE} bytes, 12 partitions, idempotent, acks=all, uncompressed,"
        f" medians of {on.rounds} rounds in turns, seed {on.seed}"
    )
    return GOAL.result(value, base, how)


async def _fill(database: Database, topic: str, records: list[tuple[str, bytes]]) -> None:
    async with ground.driver(database) as connection:
        await connection.execute("truncate outbox")
        rows = [(topic, key, value, EVENT_CONTENT_TYPE) for key, value in records]
        await connection.copy_records_to_table(
            "outbox", records=rows, columns=("topic", "key", "value", "content_type")
        )
        await connection.execute("vacuum analyze outbox")


async def drained(database: Database, address: str, topic: str, number: int) -> float:
    """Rows per second of a relay that is started on a full outbox."""
    metrics = Metrics()
    producer = partial(kafka.batch_producer, compression_type=None)
    relay = Relay(database.url, address, "bench", metrics, Heartbeat("relay"), producer)
    began = time.perf_counter()
    running = asyncio.create_task(relay.run())
    while (
        metrics.registry.get_sample_value("brobyg_relay_sent_total", {"topic": topic}) or 0
    ) < number:
        if running.done():
            running.result()
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - began
    relay.stop()
    await running
    return number / seconds
