"""The Kafka clients on a real broker: what is published can be read by range and by place."""

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.memory_records import MemoryRecords
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


ZSTD = 4


@pytest.mark.parametrize("by", ["the relay's producer", "a publisher"])
async def test_records_go_over_the_wire_as_zstd(
    kafka: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker keeps what it is sent, and what it keeps is told by each batch that is read."""
    name = f"clients.{uuid.uuid4().hex[:8]}"
    await apply_topics(kafka, [Topic(name, 1, -1, "delete", "producer")])
    value = b'{"appointment": "booked"}' * 20
    if by == "a publisher":
        async with clients.broker(kafka, "test") as broker:
            await broker.publish(value, name, key=b"k", partition=0)
    else:
        async with clients.batch_producer(kafka, "test") as producer:
            batch = producer.create_batch()
            batch.append(key=b"k", value=value, timestamp=None)
            await (await producer.send_batch(batch, name, partition=0))
    assert await codecs_read(kafka, name, monkeypatch) == [ZSTD]


async def test_a_topic_of_ours_is_zstd_also_for_a_sender_that_does_not_compress(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared, as_sent = (f"clients.{uuid.uuid4().hex[:8]}" for _ in range(2))
    await apply_topics(
        kafka,
        [Topic(declared, 1, -1, "delete", "zstd"), Topic(as_sent, 1, -1, "delete", "producer")],
    )
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for name in (declared, as_sent):
            await producer.send_and_wait(name, b"0" * 1000, partition=0)
    assert await codecs_read(kafka, declared, monkeypatch) == [ZSTD]
    assert await codecs_read(kafka, as_sent, monkeypatch) == [0], "the control: nothing compresses"


async def codecs_read(kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How each record batch that comes from the broker is compressed, as its header says."""
    found: list[int] = []

    def noted(batch: bytes) -> MemoryRecords:
        # Kafka's record batch, version 2: the lowest three bits of the attributes, bytes 21 and 22.
        found.append(int.from_bytes(batch[21:23], "big") & 0b111)
        return MemoryRecords(batch)

    with monkeypatch.context() as patched:
        patched.setattr("aiokafka.consumer.fetcher.MemoryRecords", noted)
        async with clients.reader(kafka) as client:
            await clients.read_record(client, TopicPartition(topic, 0), 0)
    return found
