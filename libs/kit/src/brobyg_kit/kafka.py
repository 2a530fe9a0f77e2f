"""Kafka clients, configured in one place. Why librdkafka and not an asyncio client: docs/decisions/0002."""

from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

#: How long one broker request may take before it counts as failed, seconds.
REQUEST_TIMEOUT = 10.0


def consumer(
    address: str, group: str, **overrides: Any
) -> Consumer:  # librdkafka's configuration is untyped
    """A consumer that commits only what it is told to, and starts at the beginning of a topic it has not read."""
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "client.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 300_000,
            # New records end the wait, but not those of a partition that is given while it lasts: so long is nothing read after each assignment.
            "fetch.wait.max.ms": 1_000,
            "queued.max.messages.kbytes": 65_536,
            "reconnect.backoff.max.ms": 1_000,
            "topic.metadata.refresh.interval.ms": 60_000,
            **overrides,
        }
    )


def producer(
    address: str, client: str, **overrides: Any
) -> Producer:  # librdkafka's configuration is untyped
    """An idempotent producer (acks=all) that keeps trying for as long as it lives, so that order survives an outage."""
    return Producer(
        {
            "bootstrap.servers": address,
            "client.id": client,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "zstd",
            "linger.ms": 2,
            "batch.num.messages": 10_000,
            "partitioner": "murmur2_random",  # as Kafka's own clients, so that one key has one partition whoever sends
            "message.timeout.ms": 0,
            "topic.metadata.propagation.max.ms": 10_000,  # topics are there beforehand; one that is not must not hold up the others for long
            "allow.auto.create.topics": False,
            "reconnect.backoff.max.ms": 1_000,
            "queue.buffering.max.kbytes": 131_072,
            **overrides,
        }
    )


class RecordGone(LookupError):
    """The record is no longer in its topic, or never was."""


_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


def fetch_record(
    address: str, topic: str, partition: int, offset: int
) -> tuple[bytes | None, bytes]:
    """Key and value of one record. Blocks up to 10 seconds; raises RecordGone, or TimeoutError."""
    reader = consumer(address, "brobyg-reader", **{"auto.offset.reset": "error"})
    try:
        reader.assign([TopicPartition(topic, partition, offset)])
        message = reader.poll(REQUEST_TIMEOUT)
        if message is None:
            raise TimeoutError(
                f"{topic}[{partition}]@{offset} was not answered within {REQUEST_TIMEOUT:.0f} s"
            )
        error = message.error()
        if error is not None and error.code() not in _GONE:
            raise TimeoutError(f"{topic}[{partition}]@{offset} could not be read: {error.name()}")
        if error is not None or message.offset() != offset:
            raise RecordGone(f"{topic}[{partition}]@{offset} is no longer in the topic")
        return message.key(), message.value() or b""
    finally:
        reader.close()
