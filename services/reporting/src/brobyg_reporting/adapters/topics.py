"""Reading our topics from one offset to another, outside any consumer group. Nothing is committed and nothing is sent."""

from collections.abc import Iterator, Mapping
from time import monotonic

from brobyg_kit import kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

#: Where a partition is read from and up to (exclusive): (topic, partition) -> offset.
Offsets = dict[tuple[str, int], int]
#: One record: topic, partition, offset, value.
Record = tuple[str, int, int, bytes]

_STALLED_AFTER = 60.0  # seconds without a record while records are due, before giving up
_PART = 10_000
#: What a broker says of a partition while its leader is being elected.
_ELECTING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


def watermarks(address: str, topics: tuple[str, ...]) -> Offsets:
    """The end of every partition of the topics now. Raises KafkaException when the broker doesn't answer in time, LookupError for a missing topic."""
    reader = kafka.consumer(address, "brobyg-reporting-rebuild")
    try:
        known = reader.list_topics(timeout=kafka.REQUEST_TIMEOUT).topics
        missing = [topic for topic in topics if topic not in known]
        if missing:
            raise LookupError(
                f"no topic {', '.join(missing)} on {address}; `brobyg topics apply` creates it"
            )
        return {
            (topic, partition): _end(reader, topic, partition)
            for topic in topics
            for partition in known[topic].partitions
        }
    finally:
        reader.close()


def _end(reader: Consumer, topic: str, partition: int) -> int:
    """The end of the partition; asked again while its leader is being elected."""
    deadline = monotonic() + kafka.REQUEST_TIMEOUT
    while True:
        try:
            return int(
                reader.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=kafka.REQUEST_TIMEOUT
                )[1]
            )
        except KafkaException as error:
            if error.args[0].code() not in _ELECTING or monotonic() > deadline:
                raise
            reader.list_topics(topic, timeout=kafka.REQUEST_TIMEOUT)  # who leads now


class RangeReader:
    """One client that reads ranges of partitions, again and again. Close it at the end."""

    def __init__(self, address: str) -> None:
        """Connects on first use."""
        self._client: Consumer = kafka.consumer(
            address,
            "brobyg-reporting-rebuild",
            **{
                "fetch.wait.max.ms": 5,  # a fetch that waits at the end of one range would hold up the next range
                "fetch.message.max.bytes": 4 << 20,
                "queued.min.messages": 200_000,
                "queued.max.messages.kbytes": 131_072,
                "check.crcs": False,  # the broker checked them when they were written, and PostgreSQL checks what is kept
            },
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def read(
        self, start: Mapping[tuple[str, int], int], end: Mapping[tuple[str, int], int]
    ) -> Iterator[list[Record]]:
        """The records from `start` (0 where not given) up to `end`, in parts of at most 10,000, each partition in order.

        Blocks while the broker is slow; raises TimeoutError when nothing comes for a minute, KafkaException when the broker refuses.
        """
        last = {at: offset for at, offset in end.items() if offset > start.get(at, 0)}
        reached = {at: start.get(at, 0) for at in last}
        if not last:
            return
        self._client.assign(
            [
                TopicPartition(topic, partition, offset)
                for (topic, partition), offset in reached.items()
            ]
        )
        progress = monotonic()
        while due := sum(last[at] - reached[at] for at in last if reached[at] < last[at]):
            part = _records(self._client.consume(min(_PART, due), 0.5), reached, last)
            if part:
                progress = monotonic()
                yield part
            elif monotonic() - progress > _STALLED_AFTER:
                raise TimeoutError(
                    f"no record for {_STALLED_AFTER:.0f} s, {due} still due; is the broker up?"
                )
        self._client.unassign()


def _records(messages: list[Message], reached: Offsets, last: Offsets) -> list[Record]:
    """Those that are due, with `reached` moved behind them."""
    part: list[Record] = []
    for message in messages:
        if error := message.error():
            _raise_if_hopeless(error)
            continue
        topic, partition, offset = (
            message.topic() or "",
            message.partition() or 0,
            message.offset() or 0,
        )
        end = last[topic, partition]
        if offset < end:
            part.append((topic, partition, offset, message.value() or b""))
        reached[topic, partition] = min(offset + 1, end)
    return part


def _raise_if_hopeless(error: KafkaError) -> None:
    """Librdkafka goes on by itself after most errors; the stall limit is the end of its trying."""
    if error.fatal() or error.code() in {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }:
        raise KafkaException(error)
