"""The baselines: what the bare clients do, with nothing of ours around them."""

import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from brobyg_kit import kafka

from benchmarks.ground import unique

#: Records one `getmany` may give: twice the consumer's batch, so that a commit costs it little.
_AT_A_TIME = 10_000
_FETCH = {"fetch_max_bytes": 52_428_800, "max_partition_fetch_bytes": 1_048_576}


async def send(address: str, topic: str, records: Sequence[tuple[bytes, bytes]]) -> float:
    """Records per second of a bare aiokafka producer, until all are acknowledged.

    Idempotent, acks=all, uncompressed, batches of 256 KiB.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        acks="all",
        linger_ms=2,
        max_batch_size=262_144,
    )
    await producer.start()
    try:
        await producer.partitions_for(topic)
        began = time.perf_counter()
        acknowledged = [await producer.send(topic, value, key) for key, value in records]
        await producer.flush()
        for future in acknowledged:
            future.result()
        return len(records) / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def read_and_commit(address: str, names: Sequence[str], number: int) -> float:
    """Records per second of an aiokafka getmany-and-commit loop.

    From the moment the first records are in hand (they don't count) to the last commit.

    `number` is how many there are; at least some 20,000, or there is nothing to measure.
    """
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=address,
        group_id=unique("group"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **_FETCH,
    )
    await consumer.start()
    try:
        taken = first = 0
        began = 0.0
        while taken < number:
            found: dict[TopicPartition, list[object]] = await consumer.getmany(
                timeout_ms=1_000, max_records=_AT_A_TIME
            )
            if not found:
                continue
            taken += sum(len(records) for records in found.values())
            if not began:
                began, first = time.perf_counter(), taken
            await consumer.commit()
        return (taken - first) / (time.perf_counter() - began)
    finally:
        await consumer.stop()


async def read_whole(address: str, names: Sequence[str], number: int) -> float:
    """Records per second of an aiokafka getmany loop without a group, from assignment to the last.

    `number` is how many there are.
    """
    async with kafka.reader(address, **_FETCH) as consumer:
        async with kafka.admin(address) as admin:
            known = await kafka.partitions(admin, names)
        partitions = [one for name in names for one in known[name]]
        began, taken = time.perf_counter(), 0
        consumer.assign(partitions)
        for one in partitions:
            consumer.seek(one, 0)
        while taken < number:
            found = await consumer.getmany(timeout_ms=1_000, max_records=_AT_A_TIME)
            taken += sum(len(records) for records in found.values())
        return number / (time.perf_counter() - began)
