"""The event history, read from Kafka as any analyst may: what happened, counted."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from typing import NamedTuple

import msgspec
from aiokafka.errors import KafkaError
from brobyg_contracts import reference
from brobyg_contracts.events import CitizenRecorded, MatchReleased, StaffMatched, VolunteerMatched
from brobyg_contracts.topics import TOPICS
from brobyg_kit import kafka
from brobyg_kit.event import Event, decode

from brobyg_local.errors import TopicUnreadable
from brobyg_local.topics import read_topics

ADVICE = "brobyg status tells whether the broker answers; then run this again"
#: A helper was found, by the event's type.
Match = VolunteerMatched | StaffMatched
MATCHED: dict[str, type[Match]] = {one.EVENT_TYPE: one for one in (VolunteerMatched, StaffMatched)}
EVENT_TOPICS = tuple(sorted(name for name, event_types in TOPICS.items() if event_types))
#: Those that keep all events. The others keep the last of each key.
HISTORY_TOPICS = tuple(
    name for name in EVENT_TOPICS if name not in {CitizenRecorded.TOPIC, reference.TOPIC}
)


async def total_records(bootstrap: str, topics: Sequence[str] = EVENT_TOPICS) -> int:
    """How many records have been written to the topics. Raises `TopicUnreadable`."""
    states, why = await read_topics(bootstrap, ())
    if why:
        raise TopicUnreadable(why, advice=ADVICE)
    return sum(state.events for state in states if state.name in topics)


async def records_in(bootstrap: str, topic: str) -> list[bytes]:
    """All records of a topic, from its beginning to its end as of now. Raises `TopicUnreadable`."""
    try:
        async with kafka.admin(bootstrap) as admin, kafka.reader(bootstrap) as reader:
            partitions = (await kafka.partitions(admin, [topic])).get(topic, [])
            ranges = await kafka.watermarks(reader, partitions)
            return [
                record.value or b""
                async for records in kafka.read_range(reader, ranges)
                for record in records
            ]
    except (KafkaError, TimeoutError) as error:
        said = f"{topic} could not be read: {type(error).__name__}"
        raise TopicUnreadable(said, advice=ADVICE) from error


async def read_events(bootstrap: str, topics: Sequence[str] = HISTORY_TOPICS) -> list[Event]:
    """Every event, once each, in order of time. Raises `TopicUnreadable`, or UndecodableEvent.

    A relay that was killed between sending and noting it sends again: then two records hold the
    same event.
    """
    events = [decode(record) for topic in topics for record in await records_in(bootstrap, topic)]
    found = {event.id: event for event in events}
    return sorted(found.values(), key=lambda event: (event.time, event.id))


class Promise(NamedTuple):
    """A match as it was from one moment until another, or still is."""

    match: Match
    since: datetime
    until: datetime | None

    @property
    def way(self) -> str:
        """The need on whose way the helper goes: needs of one way share it."""
        match = self.match
        return match.need_id if match.shares_with is msgspec.UNSET else match.shares_with

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """From the start until the end; None for a need without a span.

        No event tells when the helper leaves home and is back: it would tell where the two meet.
        """
        starts_at, ends_at = self.match.starts_at, self.match.ends_at
        if starts_at is msgspec.UNSET or ends_at is msgspec.UNSET:
            return None
        return starts_at, ends_at

    def stood_with(self, other: "Promise") -> bool:
        """Whether both stood at some moment."""
        return _before(self.since, other.until) and _before(other.since, self.until)


def promises(events: Sequence[Event]) -> list[Promise]:
    """Every match, once more for each time at which it was told of again with other times."""
    found: list[Promise] = []
    standing: dict[str, Promise] = {}
    for event in events:
        if event.type in MATCHED:
            match = event.decode(MATCHED[event.type])
            if before := standing.pop(match.match_id, None):
                found.append(before._replace(until=event.time))
            standing[match.match_id] = Promise(match, event.time, None)
        elif event.type == MatchReleased.EVENT_TYPE and (
            before := standing.pop(event.decode(MatchReleased).match_id, None)
        ):
            found.append(before._replace(until=event.time))
    return [*found, *standing.values()]


def double_booked(events: Sequence[Event]) -> int:
    """How many pairs of promises of one helper overlapped while both stood, on different ways:
    never any.
    """
    of_helper: dict[str, list[Promise]] = defaultdict(list)
    for promise in promises(events):
        of_helper[promise.match.helper_id].append(promise)
    pairs = (pair for mine in of_helper.values() for pair in combinations(mine, 2))
    return sum(
        one.way != other.way and one.stood_with(other) and _overlap(one.span, other.span)
        for one, other in pairs
    )


def _before(moment: datetime, end: datetime | None) -> bool:
    return end is None or moment < end


def _overlap(
    one: tuple[datetime, datetime] | None, other: tuple[datetime, datetime] | None
) -> bool:
    return one is not None and other is not None and one[0] < other[1] and other[0] < one[1]
