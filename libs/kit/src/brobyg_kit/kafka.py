"""Kafka clients, configured in one place: FastStream's broker, and aiokafka's own clients.

A `broker` carries consumers and direct publishes, a `batch_producer` the relay's record batches, an
`admin` client the topics, a `reader` what is read outside a consumer group.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.partitioner import murmur2

from brobyg_kit.errors import RecordGone

if TYPE_CHECKING:
    from faststream.kafka import KafkaBroker

#: How long one broker request may take before it counts as failed, seconds.
REQUEST_TIMEOUT = 10.0
#: Size of a record batch before compression, bytes.
BATCH_BYTES = 262_144
_SENDING: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "zstd",
    "linger_ms": 2,
    "max_batch_size": BATCH_BYTES,
    "request_timeout_ms": int(REQUEST_TIMEOUT * 1_000),
}


def broker(address: str, client: str, **overrides: Any) -> "KafkaBroker":
    """A FastStream broker, not connected yet.

    It acknowledges nothing by itself, creates no topics, and publishes idempotently (acks=all,
    zstd). `address` is `host:port[,host:port]`; `overrides` replace `KafkaBroker`'s arguments.
    A broker that only consumes is given `consumer_only=True`.
    """
    # Imported here: it takes a second, and rebuild workers and commands do not need it.
    from faststream import AckPolicy
    from faststream.kafka import KafkaBroker

    from brobyg_kit.logs import framework_logger

    settings: dict[str, Any] = {
        **_SENDING,
        "client_id": client,
        "ack_policy": AckPolicy.MANUAL,
        "allow_auto_create_topics": False,
        "graceful_timeout": 20.0,
        "logger": framework_logger(),
        "apply_types": False,
        "serializer": None,
        **overrides,
    }
    return KafkaBroker(address.split(","), **settings)


def batch_producer(address: str, client: str, **overrides: Any) -> AIOKafkaProducer:
    """An idempotent producer (acks=all, zstd), not started yet.

    It retries until it is stopped, so the order of a partition survives an outage; `abandon` ends
    one whose broker does not answer.
    """
    return AIOKafkaProducer(
        **{**_SENDING, "bootstrap_servers": address, "client_id": client, **overrides}
    )


@lru_cache(maxsize=65_536)
def _hashed(key: bytes) -> int:
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it: the same whoever sends."""
    return _hashed(key) % partitions


async def abandon(client: AIOKafkaProducer) -> None:
    """Stop a producer without waiting for what is not acknowledged, which may arrive or not.

    Takes up to `REQUEST_TIMEOUT` for requests in flight. `AIOKafkaProducer.stop` would first wait
    for every acknowledgement, and without a broker for ever.
    """
    client._message_accumulator.fail_all(KafkaError("the producer was stopped"))
    await client.stop()


@asynccontextmanager
async def admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client. Raises KafkaConnectionError when no broker answers."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=address, request_timeout_ms=int(REQUEST_TIMEOUT * 1_000)
    )
    try:
        await client.start()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def reader(address: str, **overrides: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer outside any group. Raises KafkaConnectionError when no broker answers.

    Nothing is assigned. A position that is no longer in the topic raises OffsetOutOfRangeError.
    """
    client = _reading_client(address, **overrides)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


def _reading_client(address: str, **overrides: Any) -> AIOKafkaConsumer:
    settings: dict[str, Any] = {
        "client_id": "brobyg-reader",
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "request_timeout_ms": int(REQUEST_TIMEOUT * 1_000),
        # aiokafka waits this long once for each topic that it does not know yet: with its own
        # 100 ms the end offsets of eleven topics take 1.1 s, so 0.24 s.
        "retry_backoff_ms": 20,
        **overrides,
    }
    return AIOKafkaConsumer(bootstrap_servers=address, **settings)


async def partitions(
    client: AIOKafkaAdminClient, topics: Iterable[str]
) -> dict[str, list[TopicPartition]]:
    """All partitions of each topic, by number; a topic that does not exist is left out."""
    wanted = set(topics)
    # All are asked for: naming one that is missing would have a lenient broker create it.
    return {
        one["topic"]: sorted(
            TopicPartition(one["topic"], partition["partition"]) for partition in one["partitions"]
        )
        for one in await client.describe_topics()
        if one["topic"] in wanted
    }


async def watermarks(
    client: AIOKafkaConsumer, wanted: Iterable[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """The first offset and the end of each partition: the end is where the next record goes.

    Raises KafkaError or TimeoutError when the broker does not answer within `REQUEST_TIMEOUT`.
    """
    asked = list(wanted)
    async with asyncio.timeout(REQUEST_TIMEOUT):
        firsts = await client.beginning_offsets(asked)
        ends = await client.end_offsets(asked)
    return {one: (firsts[one], ends[one]) for one in asked}


async def read_range(
    client: AIOKafkaConsumer,
    ranges: Mapping[TopicPartition, tuple[int, int]],
    *,
    at_most: int = 10_000,
    timeout: float = REQUEST_TIMEOUT,
) -> AsyncIterator[list[ConsumerRecord[bytes | None, bytes | None]]]:
    """The records of each partition from a first offset up to an end, `at_most` at a time.

    A partition's records come in order. Raises TimeoutError when nothing comes for `timeout`
    seconds, OffsetOutOfRangeError when a first offset is no longer in the topic.
    """
    ends = {one: end for one, (first, end) in ranges.items() if first < end}
    if ends:
        client.assign(list(ends))
    for one in ends:
        client.seek(one, ranges[one][0])
    while ends:
        taken = await client.getmany(timeout_ms=int(timeout * 1_000), max_records=at_most)
        if not taken:
            raise TimeoutError(f"no record within {timeout:.0f} s; {len(ends)} partitions unread")
        yield [
            record
            for one, records in taken.items()
            if one in ends
            for record in records
            if record.offset < ends[one]
        ]
        for one in taken:
            if one in ends and await client.position(one) >= ends[one]:
                del ends[one]
                client.pause(one)


async def read_record(
    client: AIOKafkaConsumer, one: TopicPartition, offset: int, timeout: float = REQUEST_TIMEOUT
) -> tuple[bytes | None, bytes | None]:
    """Key and value of one record, within `timeout` seconds.

    Raises RecordGone when it is no longer in its topic or never was, TimeoutError or KafkaError
    when the broker does not answer. `client` is assigned this partition and no other.
    """
    place = f"{one.topic}[{one.partition}]@{offset}"
    client.assign([one])
    client.seek(one, offset)
    try:
        taken = await client.getmany(one, timeout_ms=int(timeout * 1_000), max_records=1)
    except OffsetOutOfRangeError as error:
        raise RecordGone(f"{place} is not in the topic") from error
    finally:
        client.unsubscribe()
    if not taken:
        raise TimeoutError(f"{place} was not answered within {timeout:.0f} s")
    [record] = taken[one]
    if record.offset != offset:
        raise RecordGone(f"{place} is not in the topic")
    return record.key, record.value


class Reader:
    """Reads single records and watermarks outside any group, over one connection that lasts."""

    def __init__(self, address: str) -> None:
        """Connects when it is first asked."""
        self._address = address
        self._client: AIOKafkaConsumer | None = None
        self._connecting, self._reading = asyncio.Lock(), asyncio.Lock()

    async def record(
        self, topic: str, partition: int, offset: int
    ) -> tuple[bytes | None, bytes | None]:
        """As `read_record`. One at a time: others wait."""
        async with self._reading:
            return await read_record(
                await self._connected(), TopicPartition(topic, partition), offset
            )

    async def watermarks(
        self, wanted: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """As `watermarks`; for no partitions, it only checks that a broker answers."""
        client = await self._connected()
        asked = list(wanted)
        if not asked:
            await client.topics()
        return await watermarks(client, asked)

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        async with self._connecting:
            if self._client is None:
                client = _reading_client(self._address)
                try:
                    await client.start()
                except KafkaError:
                    await client.stop()
                    raise
                self._client = client
            return self._client
