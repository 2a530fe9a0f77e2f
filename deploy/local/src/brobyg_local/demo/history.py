"""The event history, read from Kafka as any analyst may: what happened, counted."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations

from aiokafka.errors import KafkaError
from brobyg_contracts.events import MatchReleased, VolunteerMatched
from brobyg_contracts.topics import TOPICS
from brobyg_kit import kafka
from brobyg_kit.event import Event, decode

from brobyg_local.errors import TopicUnreadable
from brobyg_local.topics import read_topics

ADVICE = "brobyg status tells whether the broker answers; then run this again"
EVENT_TOPICS = tuple(sorted(name for name, event_types in TOPICS.items() if event_types))


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


async def read_events(bootstrap: str, topics: Sequence[str] = EVENT_TOPICS) -> list[Event]:
    """Every event, once each, in order of time. Raises `TopicUnreadable`, or UndecodableEvent.

    A relay that was killed between sending and noting it sends again: then two records hold the
    same event.
    """
    events = [decode(record) for topic in topics for record in await records_in(bootstrap, topic)]
    found = {event.id: event for event in events}
    return sorted(found.values(), key=lambda event: (event.time, event.id))


def double_booked(events: Sequence[Event]) -> int:
    """How many pairs of promises of one volunteer overlapped while both were valid: never any."""
    released = {
        event.decode(MatchReleased).match_id: event.time
        for event in events
        if event.type == MatchReleased.EVENT_TYPE
    }
    matches: dict[str, list[tuple[datetime, VolunteerMatched]]] = defaultdict(list)
    for event in events:
        if event.type == VolunteerMatched.EVENT_TYPE:
            match = event.decode(VolunteerMatched)
            matches[match.volunteer_id].append((event.time, match))
    pairs = (pair for mine in matches.values() for pair in combinations(mine, 2))
    return sum(
        (earlier.match_id not in released or released[earlier.match_id] > promised_at)
        and _leaves_at(earlier) < later.home_at
        and _leaves_at(later) < earlier.home_at
        for (_, earlier), (promised_at, later) in pairs
    )


def _leaves_at(match: VolunteerMatched) -> datetime:
    return match.home_at - timedelta(minutes=match.minutes)
