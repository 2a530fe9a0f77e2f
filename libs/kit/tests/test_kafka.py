"""The Kafka clients on a real broker: what is published can be read by range and by place."""

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from brobyg_kit import kafka as clients
from brobyg_kit.errors import RecordGone
from brobyg_kit.topics import Topic, apply_topics


@pytest.fixture
async def topic(kafka: str) -> str:
    """A topic of two partitions with four records in each."""
    name = f"clients.{uuid.uuid4().hex[:8]}"
    await apply_topics(kafka, [Topic(name, 2, -1, "delete", "zstd")])
    async with clients.broker(kafka, "test") as broker:
        for number in range(8):
            await broker.publish(b"%d" % number, name, key=b"k", partition=number % 2)
    return name


@pytest.fixture
async def reader(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    async with clients.reader(kafka) as client:
        yield client


async def test_a_range_is_read_in_order_from_its_first_record_to_its_last(
    kafka: str, topic: str, reader: AIOKafkaConsumer
) -> None:
    async with clients.admin(kafka) as admin:
        both = (await clients.partitions(admin, [topic]))[topic]
    marks = await clients.watermarks(reader, both)
    assert marks == {TopicPartition(topic, 0): (0, 4), TopicPartition(topic, 1): (0, 4)}
    ranges = {both[0]: (1, 3), both[1]: (0, 4)}
    read: dict[int, list[bytes | None]] = {0: [], 1: []}
    async for records in clients.read_range(reader, ranges, at_most=3):
        for record in records:
            read[record.partition].append(record.value)
    assert read == {0: [b"2", b"4"], 1: [b"1", b"3", b"5", b"7"]}


async def test_one_record_is_read_by_its_place_any_number_of_times(
    topic: str, reader: AIOKafkaConsumer
) -> None:
    for _ in range(2):
        assert await clients.read_record(reader, TopicPartition(topic, 0), 3) == (b"k", b"6")
        assert await clients.read_record(reader, TopicPartition(topic, 1), 0) == (b"k", b"1")


async def test_a_record_that_is_not_there_is_gone_or_not_answered(
    topic: str, reader: AIOKafkaConsumer
) -> None:
    with pytest.raises(RecordGone):
        await clients.read_record(reader, TopicPartition(topic, 0), 99)
    with pytest.raises(TimeoutError):  # where the next record goes
        await clients.read_record(reader, TopicPartition(topic, 0), 4, timeout=0.3)
