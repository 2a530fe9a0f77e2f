"""The event history, read straight from Kafka as any analyst may: what happened, counted, and what must never have happened."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from brobyg_contracts.events import MatchReleased, VolunteerMatched
from brobyg_contracts.topics import TOPICS
from brobyg_kit.event import Event, decode
from brobyg_kit.kafka import consumer
from confluent_kafka import Consumer, KafkaException, TopicPartition

__all__ = [
    "EVENT_TOPICS",
    "Incomplete",
    "double_booked",
    "read_events",
    "records_in",
    "total_records",
]

EVENT_TOPICS = tuple(sorted(name for name, topic in TOPICS.items() if topic.event_types))
PATIENCE = 60.0
"""Wall seconds to read a topic to its end."""
REQUEST = 10.0


class Incomplete(Exception):
    """A topic could not be read to its end in time."""


def _reader(bootstrap: str) -> Consumer:
    return consumer(
        bootstrap,
        "brobyg-demo-reader",
        **{"enable.partition.eof": False, "fetch.wait.max.ms": 50, "log_level": 0},
    )


def _ends(reader: Consumer, topic: str) -> dict[int, int]:
    """First offset not written yet, by partition. Blocks; raises `Incomplete` when the broker does not answer."""
    try:
        metadata = reader.list_topics(topic, timeout=REQUEST).topics[topic]
        return {
            partition: reader.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=REQUEST
            )[1]
            for partition in metadata.partitions
        }
    except KafkaException as error:
        raise Incomplete(f"{topic}: the broker did not answer: {error}") from error


def total_records(bootstrap: str, topics: Sequence[str] = EVENT_TOPICS) -> int:
    """How many records the topics hold, by their end offsets (nothing of ours is compacted or expired in a demo). Blocks."""
    reader = _reader(bootstrap)
    try:
        return sum(sum(_ends(reader, topic).values()) for topic in topics)
    finally:
        reader.close()


def records_in(bootstrap: str, topic: str) -> list[bytes]:
    """All records of one topic from its beginning to its end as of now. Blocks; raises `Incomplete`."""
    reader = _reader(bootstrap)
    try:
        return list(_records(reader, topic))
    finally:
        reader.close()


def _records(reader: Consumer, topic: str) -> Iterator[bytes]:
    ends = {partition: end for partition, end in _ends(reader, topic).items() if end > 0}
    if not ends:
        return
    reader.assign([TopicPartition(topic, partition, 0) for partition in ends])
    deadline = time.monotonic() + PATIENCE
    while ends:
        for record in reader.consume(1000, timeout=1.0):
            if record.error():
                continue  # librdkafka tells of a broker that is away and comes back by itself; the deadline bounds it
            partition, offset = record.partition(), record.offset()
            if partition is None or offset is None:
                continue
            yield record.value() or b""
            if offset + 1 >= ends.get(partition, 0):
                ends.pop(partition, None)
        if time.monotonic() > deadline:
            raise Incomplete(f"{topic} was not read to its end within {PATIENCE:.0f} s")
    reader.unassign()


def read_events(bootstrap: str, topics: Sequence[str] = EVENT_TOPICS) -> list[Event]:
    """Every event there is, once each, in the order of time. Blocks; raises `Incomplete`, or UndecodableEvent on what is no event.

    A relay that was killed between sending and noting it sends again: the record stands twice, the event is the same.
    """
    events = (decode(record) for topic in topics for record in records_in(bootstrap, topic))
    found = {event.id: event for event in events}
    return sorted(found.values(), key=lambda event: (event.time, event.id))


@dataclass(frozen=True)
class _Span:
    """A stretch of a volunteer's time, and when it was promised and given back."""

    volunteer_id: str
    leaves_at: datetime
    home_at: datetime
    promised_at: datetime
    released_at: datetime | None


def double_booked(events: Sequence[Event]) -> int:
    """How many pairs of promises of one volunteer overlapped while both stood. The hard rule says none, ever."""
    released = {
        event.decode(MatchReleased).match_id: event.time
        for event in events
        if event.type == MatchReleased.EVENT_TYPE
    }
    spans: dict[str, list[_Span]] = defaultdict(list)
    for event in events:
        if event.type == VolunteerMatched.EVENT_TYPE:
            match = event.decode(VolunteerMatched)
            leaves_at = match.home_at - timedelta(minutes=match.minutes)
            span = _Span(
                match.volunteer_id,
                leaves_at,
                match.home_at,
                event.time,
                released.get(match.match_id),
            )
            spans[match.volunteer_id].append(span)
    return sum(
        _clash(one, other)
        for mine in spans.values()
        for index, one in enumerate(mine)
        for other in mine[index + 1 :]
    )


def _clash(earlier: _Span, later: _Span) -> bool:
    """Whether the later promise was made while the earlier one, which it overlaps, still stood."""
    stood = earlier.released_at is None or earlier.released_at > later.promised_at
    return stood and earlier.leaves_at < later.home_at and later.leaves_at < earlier.home_at
