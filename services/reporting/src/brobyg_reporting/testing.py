"""Made-up histories for tests and benchmarks: every event type, in any order that Kafka may give.

Some of those orders the services never produce.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec
from brobyg_contracts import EVENTS
from brobyg_kit.event import Event, EventData, encode_data

#: Monday of the week the histories begin in.
START = datetime(2026, 11, 30, tzinfo=UTC)

_VOLUNTEER_KINDS: list[type[EventData]] = [
    kind for kind in EVENTS.values() if kind.SUBJECT == "volunteer_id"
]
_REFERRAL_KINDS: dict[str, list[type[EventData]]] = {
    owner: [
        kind
        for kind in EVENTS.values()
        if f"brobyg.{owner}.v1" == kind.TOPIC and kind.SUBJECT == "referral_id"
    ]
    for owner in ("referral", "matching", "notification")
}


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


def event_of(random: Random, data: EventData, subject: str, sequence: int, time: datetime) -> Event:
    """`data` in an envelope."""
    event_id = new_uuid(random)
    return Event(
        id=event_id,
        source=data.TOPIC.split(".")[1],
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
class _Story:
    """One referral's ids, so that its events are about the same few things."""

    random: Random
    referral_id: str
    citizen_id: str
    volunteers: Sequence[str]
    appointments: Sequence[str]
    offers: Sequence[str]
    notifications: Sequence[str]

    def tell(self, kind: type[EventData], volunteer_id: str | None = None) -> EventData:
        """An event of this kind, of a given volunteer or of any."""
        # msgspec takes from the values what the kind has.
        r = self.random
        starts_at = START + timedelta(minutes=15 * r.randint(0, 3000))
        fields: dict[str, object] = {
            "referral_id": self.referral_id,
            "citizen_id": self.citizen_id,
            "volunteer_id": volunteer_id or r.choice(self.volunteers),
            "recipient_id": self.volunteers[0],
            "appointment_id": r.choice(self.appointments),
            "offer_id": r.choice(self.offers),
            "notification_id": r.choice(self.notifications),
            "match_id": self.offers[0],
            "cause": self.offers[-1],
            "pathway": "escort",
            "department": r.choice(["randers", "norddjurs"]),
            "municipality_code": r.choice(["0730", "0707"]),
            "referrer_kind": r.choice(["gp", "hospital", "municipality", "citizen"]),
            "needs": {
                "languages": ["da", "ar"],
                "gender_wish": None,
                "mobility": "walking_aid",
                "meeting": "home",
                "postcode": "8900",
            },
            "location_id": r.choice(["randers-hospital", "grenaa-health-house"]),
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "meeting": "home",
            "meet_at": starts_at - timedelta(minutes=45),
            "home_at": starts_at + timedelta(minutes=75),
            "expires_at": starts_at - timedelta(days=1),
            "minutes": r.randint(30, 400),
            "wave": r.randint(1, 4),
            "rank": r.randint(1, 9),
            "distance_metres": r.randint(0, 20_000),
            "known_to_citizen": r.random() < 0.3,
            "asked": r.randint(0, 9),
            "excluded": {"language": 2},
            "pool": r.choice(["student", "retired_professional"]),
            "recipient_role": r.choice(["volunteer", "citizen", "coordinator"]),
            "template": "offer",
            "channel": "email",
            "language": r.choice(["da", "en"]),
            "reason": r.choice(_REASONS[kind.EVENT_TYPE]) if kind.EVENT_TYPE in _REASONS else None,
        }
        return msgspec.convert(fields, kind)


_REASONS = {
    "dk.brobyg.offer.withdrawn": ["taken", "escalated"],
    "dk.brobyg.match.released": [
        "appointment_cancelled",
        "appointment_rescheduled",
        "volunteer_withdrew",
        "blocked",
    ],
    "dk.brobyg.match.escalated": ["nobody_available", "nobody_answered"],
    "dk.brobyg.notification.failed": ["no_address", "refused", "appointment_over"],
}


def make_history(random: Random, referrals: int, events_each: int = 12) -> History:
    """Histories of `referrals` referrals and of a third as many volunteers.

    Some `events_each` events a referral. The same `random` gives the same.
    """
    volunteers = [new_uuid(random) for _ in range(max(1, referrals // 3))]
    streams: dict[tuple[str, str], list[Event]] = {}
    time = START
    for story in _stories(random, referrals, volunteers):
        for subject, kinds in _plan(random, story, events_each):
            data = story.tell(
                random.choice(kinds), None if subject == story.referral_id else subject
            )
            stream = streams.setdefault((data.TOPIC, subject), [])
            time += timedelta(microseconds=random.randint(0, 50_000_000))
            stream.append(event_of(random, data, subject, len(stream) + 1, time))
    return History(streams)


def _stories(random: Random, referrals: int, volunteers: Sequence[str]) -> Iterable[_Story]:
    for _ in range(referrals):
        ids = [new_uuid(random) for _ in range(12)]
        yield _Story(
            random, ids[0], ids[1], volunteers, ids[2 : 3 + random.randint(0, 2)], ids[5:9], ids[9:]
        )


def _plan(
    random: Random, story: _Story, events_each: int
) -> Iterable[tuple[str, Sequence[type[EventData]]]]:
    for _ in range(random.randint(1, events_each * 2 // 3)):
        yield story.referral_id, _REFERRAL_KINDS["referral"]
    for _ in range(random.randint(0, events_each)):
        yield story.referral_id, _REFERRAL_KINDS["matching"]
    for _ in range(random.randint(0, events_each // 3)):
        yield story.referral_id, _REFERRAL_KINDS["notification"]
    yield random.choice(story.volunteers), _VOLUNTEER_KINDS


def unknown_event(random: Random, subject: str, sequence: int) -> Event:
    """An event of a type that this version of the code has never heard of."""
    story = _Story(random, subject, subject, [subject], [subject], [subject], [subject])
    known = event_of(
        random, story.tell(EVENTS["dk.brobyg.consent.given"]), subject, sequence, START
    )
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
