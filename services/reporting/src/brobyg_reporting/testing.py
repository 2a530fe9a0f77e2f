"""Made-up histories for tests and benchmarks: every event type, in any order that Kafka may give.

Some of those orders the services never produce.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

import msgspec
from brobyg_contracts import (
    EVENTS,
    TOPICS,
    AttentionSettled,
    CitizenErased,
    CitizenRestricted,
    ConsentGiven,
    EventData,
    HelperErased,
    HelperRestricted,
    MatchEscalated,
    MatchReleased,
    NeedClosed,
    NeedDecided,
    NotificationFailed,
    OfferWithdrawn,
)
from brobyg_kit.event import Event, encode_data

#: Monday of the week the histories begin in.
START = datetime(2026, 11, 30, tzinfo=UTC)

#: The topics of the history.
_TOPICS = ("brobyg.referral.v1", "brobyg.matching.v1", "brobyg.notification.v1")


@cache
def kinds_of(topic: str, subject: str) -> list[type[EventData]]:
    """The event types of a topic whose key is this property."""
    kinds = (EVENTS[name] for name in TOPICS[topic])
    return [kind for kind in kinds if subject == kind.SUBJECT]


@dataclass(frozen=True, slots=True)
class History:
    """Streams of events by (topic, key), each in its order."""

    streams: dict[tuple[str, str], list[Event]]

    def events(self) -> list[Event]:
        """All of them, stream after stream."""
        return [event for stream in self.streams.values() for event in stream]


def new_uuid(random: Random) -> str:
    """A random UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))


def event_of(
    random: Random,
    data: EventData,
    subject: str,
    sequence: int,
    time: datetime,
    source: str | None = None,
) -> Event:
    """`data` in an envelope. `source` is the service that emits it, where several may."""
    event_id = new_uuid(random)
    return Event(
        id=event_id,
        source=source or data.TOPIC.split(".")[1],
        type=data.EVENT_TYPE,
        subject=subject,
        time=time,
        dataschema=data.DATASCHEMA,
        correlationid=event_id,
        causationid=new_uuid(random) if random.random() < 0.5 else None,
        sequence=sequence,
        traceparent=f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        data=encode_data(data),
    )


@dataclass(frozen=True, slots=True)
class _Need:
    """One need's ids, and those of what belongs to it."""

    need_id: str
    offers: Sequence[str]
    matches: Sequence[str]
    notifications: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Story:
    """One referral's ids, so that its events are about the same few things."""

    random: Random
    referral_id: str
    citizen_id: str
    helpers: Sequence[str]
    appointments: Sequence[str]
    needs: Sequence[_Need]
    #: What needs a human, by the topic of the service that raises it.
    items: Mapping[str, Sequence[str]]

    def tell(
        self, kind: type[EventData], subject: str | None = None, service: str = "matching"
    ) -> EventData:
        """An event of this kind, of a given subject or of any, from this service."""
        r = self.random
        need = next((one for one in self.needs if one.need_id == subject), self.needs[0])
        fields: dict[str, object] = {
            **self._ids(need),
            **self._words(kind),
            **self._times(),
            **self._numbers(),
            "crew_complete": r.random() < 0.6,
            "known_to_citizen": r.random() < 0.3,
            "excluded": {"range": 2},
            "service": service,
        }
        if subject is not None:
            fields[kind.SUBJECT] = subject
        if kind is NeedDecided:
            fields |= self._decision()
        for absent in _MAY_BE_ABSENT:
            if r.random() < 0.2:
                fields.pop(absent, None)
        # msgspec takes from the values what the kind has.
        return msgspec.convert(fields, kind)

    def _ids(self, need: _Need) -> dict[str, object]:
        r = self.random
        return {
            "referral_id": self.referral_id,
            "citizen_id": self.citizen_id,
            "person_id": self.citizen_id,
            "helper_id": r.choice(self.helpers),
            "recipient_id": self.helpers[0],
            "appointment_id": r.choice(self.appointments),
            "need_id": need.need_id,
            "about_id": self.appointments[0],
            "other_need_id": self.needs[-1].need_id,
            "shares_with": self.needs[-1].need_id,
            "offer_id": r.choice(need.offers),
            "match_id": r.choice(need.matches),
            "notification_id": r.choice(need.notifications),
            "attention_id": self.referral_id,
            "cause": need.offers[0],
            "actor": self.citizen_id,
        }

    def _words(self, kind: type[EventData]) -> dict[str, object]:
        r = self.random
        return {
            "about_kind": "appointment",
            "pathway": r.choice(["company", "caseload"]),
            "department": r.choice(DEPARTMENTS),
            "departments": DEPARTMENTS,
            "municipality_code": r.choice(["0730", "0707"]),
            "referrer_kind": r.choice(["gp", "hospital", "municipality", "citizen"]),
            "mode": r.choice(["in_person", "video"]),
            "competences": [],
            "location_id": r.choice(["old-hospital", "health-house"]),
            "resource_id": "room-1",
            "role": "companion",
            "pool": r.choice(["student", "retired_professional"]),
            "pools": ["student"],
            "way": r.choice(["offer", "assigned", "by_hand"]),
            "scope": r.choice(["processing", "contact", "research"]),
            "recipient_role": r.choice(["helper", "citizen", "coordinator"]),
            "template": "offer",
            "channel": "email",
            "kind": r.choice(["nobody_found", "clash"]),
            "urgency": r.choice(["now", "today", "later"]),
            "reasons": ["range"],
            "outcome": r.choice(_OUTCOMES[kind]) if kind in _OUTCOMES else "asked",
            "reason": r.choice(_REASONS[kind]) if kind in _REASONS else "taken",
        }

    def _times(self) -> dict[str, object]:
        starts_at = START + timedelta(minutes=15 * self.random.randint(0, 3000))
        return {
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "expires_at": starts_at - timedelta(days=1),
            "due_at": starts_at - timedelta(days=1),
        }

    def _numbers(self) -> dict[str, object]:
        r = self.random
        return {
            "policy_version": r.randint(1, 3),
            "priority": r.randint(1, 9),
            "seat": r.randint(1, 2),
            "seats": [{"role": "companion", "least": 1, "wanted": r.randint(1, 3)}],
            "round": r.randint(1, 3),
            "wave": r.randint(1, 4),
            "rank": r.randint(1, 9),
            "asked": r.randint(0, 9),
            "missing": 1,
        }

    def _decision(self) -> dict[str, object]:
        first, *others = self.helpers
        return {
            "could": 1,
            "asked": 1,
            "considered": [{"helper_id": first, "points": {"known": 210}, "rank": 1}],
            "excluded": [{"rule": "range", "count": len(others), "helpers": others[:50]}],
        }


DEPARTMENTS = ["north", "south"]
_MAY_BE_ABSENT = ("scope", "seats", "due_at", "shares_with", "resource_id", "other_need_id")
_OUTCOMES: dict[type[EventData], list[str]] = {
    NeedDecided: ["asked", "waits", "nobody_available"],
    AttentionSettled: ["helper_found", "no_longer_so"],
}
_REASONS: dict[type[EventData], list[str]] = {
    OfferWithdrawn: ["taken", "escalated"],
    MatchReleased: ["appointment_cancelled", "appointment_rescheduled", "helper_withdrew"],
    MatchEscalated: ["nobody_available", "nobody_answered"],
    NeedClosed: ["completed", "missed", "appointment_cancelled"],
    NotificationFailed: ["no_address", "refused", "appointment_over"],
    CitizenErased: ["requested", "retention_over"],
    CitizenRestricted: ["objection", "legal_claim"],
    HelperErased: ["requested", "retention_over"],
    HelperRestricted: ["objection", "legal_claim"],
}


def make_history(random: Random, referrals: int, events_each: int = 12) -> History:
    """Histories of `referrals` referrals and of a third as many helpers.

    Some `events_each` events a referral. The same `random` gives the same.
    """
    helpers = [new_uuid(random) for _ in range(max(1, referrals // 3))]
    streams: dict[tuple[str, str], list[Event]] = {}
    time = START
    for story in _stories(random, referrals, helpers):
        for topic, subject, kinds in _plan(random, story, events_each):
            source = topic.split(".")[1]
            data = story.tell(random.choice(kinds), subject, source)
            stream = streams.setdefault((topic, subject), [])
            time += timedelta(microseconds=random.randint(0, 50_000_000))
            stream.append(event_of(random, data, subject, len(stream) + 1, time, source))
    return History(streams)


def _stories(random: Random, referrals: int, helpers: Sequence[str]) -> Iterable[_Story]:
    def ids(least: int, most: int) -> list[str]:
        return [new_uuid(random) for _ in range(random.randint(least, most))]

    for _ in range(referrals):
        needs = [_Need(new_uuid(random), ids(4, 4), ids(1, 2), ids(3, 3)) for _ in ids(1, 2)]
        items = {topic: ids(1, 1) for topic in _TOPICS}
        yield _Story(random, new_uuid(random), new_uuid(random), helpers, ids(1, 3), needs, items)


def _plan(
    random: Random, story: _Story, events_each: int
) -> Iterable[tuple[str, str, Sequence[type[EventData]]]]:
    """Topic, subject and possible kinds of each event."""
    referral, matching, notification = _TOPICS
    for _ in range(random.randint(1, events_each // 3)):
        yield referral, story.referral_id, kinds_of(referral, "referral_id")
    for topic, most in (
        (referral, events_each // 3),
        (matching, events_each * 3 // 4),
        (notification, events_each // 3),
    ):
        for _ in range(random.randint(0, most)):
            yield topic, random.choice(story.needs).need_id, kinds_of(topic, "need_id")
        for item in story.items[topic]:
            if random.random() < 0.3:
                yield topic, item, kinds_of(topic, "attention_id")
    yield matching, random.choice(story.helpers), kinds_of(matching, "helper_id")
    if random.random() < 0.3:
        yield referral, story.citizen_id, kinds_of(referral, "citizen_id")
        for topic in (matching, notification):
            person = random.choice((story.citizen_id, *story.helpers))
            yield topic, person, kinds_of(topic, "person_id")


def unknown_event(random: Random, subject: str, sequence: int) -> Event:
    """An event of a type that this version of the code has never heard of."""
    consent = ConsentGiven(referral_id=subject, citizen_id=subject)
    known = event_of(random, consent, subject, sequence, START)
    return msgspec.structs.replace(
        known,
        type="dk.brobyg.outcome.measured",
        data=msgspec.Raw(b'{"score": 72, "note": "\\u00e6\\n"}'),
    )


def interleave(random: Random, history: History) -> list[tuple[str, Event]]:
    """All events with their topic, in a random order that keeps the order of every (topic, key)."""
    queues = [(topic, list(reversed(stream))) for (topic, _), stream in history.streams.items()]
    merged: list[tuple[str, Event]] = []
    while queues:
        at = random.randrange(len(queues))
        topic, queue = queues[at]
        merged.append((topic, queue.pop()))
        if not queue:
            queues[at] = queues[-1]
            queues.pop()
    return merged
