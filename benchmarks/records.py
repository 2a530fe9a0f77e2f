"""The records that are sent and read: events such as the system's own, 600 bytes each."""

import asyncio
import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import msgspec
from brobyg_kit import kafka
from brobyg_kit.event import Event, encode, encode_data

SIZE = 600
_START = datetime(2026, 11, 30, 8, tzinfo=UTC)


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment was booked; `note` brings the record to its size."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.booked"
    TOPIC: ClassVar[str] = "bench"
    DATASCHEMA: ClassVar[str] = "about:blank"
    referral_id: str
    appointment_id: str
    starts_at: datetime
    note: str = ""


def booked(number: int, subjects: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Key and value of `number` events about `subjects` referrals, the same for the same seed."""
    rng = random.Random(seed)
    ids = [_id(rng) for _ in range(subjects)]
    for sequence in range(number):
        yield _record(rng, rng.choice(ids), sequence)


def _record(rng: random.Random, subject: str, sequence: int) -> tuple[str, bytes]:
    data = Booked(
        referral_id=subject,
        appointment_id=_id(rng),
        starts_at=_START + timedelta(minutes=rng.randrange(100_000)),
    )
    event = Event(
        id=_ordered_id(rng, sequence),
        source="referral",
        type=Booked.EVENT_TYPE,
        subject=subject,
        time=_START,
        dataschema=Booked.DATASCHEMA,
        correlationid=_ordered_id(rng, sequence),
        sequence=sequence + 1,
        traceparent=f"00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-01",
        data=encode_data(data),
    )
    missing = SIZE - len(encode(event))
    padded = encode_data(msgspec.structs.replace(data, note="n" * max(0, missing)))
    return subject, encode(msgspec.structs.replace(event, data=padded))


def _ordered_id(rng: random.Random, number: int) -> str:
    """As the system gives its events: a UUIDv7, here one a millisecond."""
    moment = int(_START.timestamp() * 1_000) + number
    return str(
        uuid.UUID(
            int=(moment << 80)
            | (7 << 76)
            | (rng.getrandbits(12) << 64)
            | (2 << 62)
            | rng.getrandbits(62)
        )
    )


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


async def load(address: str, topic: str, records: Iterable[tuple[str, bytes]]) -> int:
    """Put records on `topic` by key, uncompressed as both sides of a benchmark; how many."""
    producer = kafka.batch_producer(address, "bench-load", compression_type=None)
    await producer.start()
    number = 0
    try:
        partitions = len(await producer.partitions_for(topic))
        batches = [producer.create_batch() for _ in range(partitions)]
        for key, value in records:
            place = kafka.partition_of(key.encode(), partitions)
            record = {"timestamp": None, "key": key.encode(), "value": value}
            if batches[place].append(**record) is None:
                await producer.send_batch(batches[place], topic, partition=place)
                batches[place] = producer.create_batch()
                batches[place].append(**record)
            number += 1
        for place, batch in enumerate(batches):
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=place)
        async with asyncio.timeout(120):
            await producer.flush()
    finally:
        await kafka.abandon(producer)
    return number
