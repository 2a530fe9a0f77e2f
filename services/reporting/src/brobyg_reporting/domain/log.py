"""What the event log keeps of a record, and how every part of reporting reads one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias, TypeVar, cast

from brobyg_contracts import EVENTS, EventData
from brobyg_kit.event import Event, LaterVersion, UnknownWord
from brobyg_kit.upcasting import events_in

DataT = TypeVar("DataT")

#: Where a partition is read from, or up to (exclusive): (topic, partition) -> offset.
Offsets: TypeAlias = dict[tuple[str, int], int]


class LoggedEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event with its place in Kafka and its decoded data."""

    topic: str
    partition: int
    offset: int
    #: The data as the Struct of its type; None for a type, a word or a major version that this code
    #: does not know, which is logged, counted and not folded.
    decoded: EventData | None

    def read(self, types: Mapping[str, type[DataT]]) -> DataT | None:
        """As the event's, of which the data is decoded once."""
        said = self.decoded
        return Event.read(self, types) if said is None else cast("DataT", said)


@lru_cache(maxsize=1_000)
def usual_schema(kind: str) -> str:
    """The schema of an event type as of version 2, which the log leaves out."""
    return f"https://brobyg.dk/schemas/events/{kind.removeprefix('dk.brobyg.')}.v2.schema.json"


def unusual_schema(event: Event) -> str | None:
    """The schema that the event's data has, where it is another than that; else None."""
    return None if event.dataschema == usual_schema(event.type) else event.dataschema


def read_record(value: bytes) -> list[tuple[Event, EventData | None]]:
    """The events in a record's value as of today, and their data as in `LoggedEvent.decoded`.

    Live, catch-up and rebuild read records by this function alone, so they agree on what is an
    event. Raises UndecodableEvent when it is none or its data breaks the schema of its type.
    """
    return [(event, read_data(event)) for event in events_in(value)]


def read_data(event: Event) -> EventData | None:
    """What the event says; None for a type, a version or a word that this code does not know.

    Raises UndecodableEvent when it breaks the schema of its type.
    """
    try:
        return event.read(EVENTS)
    except (UnknownWord, LaterVersion):
        return None


def read_logged(topic: str, partition: int, offset: int, value: bytes) -> list[LoggedEvent]:
    """The events of the record at this place. Raises UndecodableEvent as `read_record`."""
    return [
        _logged(topic, partition, offset, event, decoded) for event, decoded in read_record(value)
    ]


def _logged(
    topic: str, partition: int, offset: int, event: Event, decoded: EventData | None
) -> LoggedEvent:
    return LoggedEvent(
        id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
        time=event.time,
        dataschema=event.dataschema,
        correlationid=event.correlationid,
        sequence=event.sequence,
        causationid=event.causationid,
        traceparent=event.traceparent,
        data=event.data,
        topic=topic,
        partition=partition,
        offset=offset,
        decoded=decoded,
    )


def offsets_after(events: Sequence[LoggedEvent]) -> Offsets:
    """For each partition the offset behind the last of these events."""
    offsets: Offsets = {}
    for event in events:
        at = (event.topic, event.partition)
        offsets[at] = max(offsets.get(at, 0), event.offset + 1)
    return offsets
