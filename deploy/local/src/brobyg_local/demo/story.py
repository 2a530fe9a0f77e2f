"""One citizen's story from reporting's timeline: which appointment to tell of, and its lines."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.event import Event

#: What makes an appointment worth telling, in points an event; each kind counts at most twice.
WORTH = {
    "appointment.rescheduled": 40,
    "match.released": 30,
    "offer.declined": 6,
    "offer.expired": 4,
    "volunteer.matched": 12,
    "appointment.completed": 25,
}


class Facts(msgspec.Struct, frozen=True):
    """What of an event's data is looked at here."""

    appointment_id: str = ""


class Sentence(msgspec.Struct, frozen=True):
    """The event in words."""

    en: str


class Line(msgspec.Struct, frozen=True):
    """One line of a timeline: which event, when, and what it says."""

    id: str
    time: datetime
    type: str
    sentence: Sentence


def interesting(events: Sequence[Event]) -> tuple[str, str] | None:
    """Referral and appointment of the story most worth telling; None when nothing happened."""
    points: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for event in events:
        kind = event.type.removeprefix("dk.brobyg.")
        if kind in WORTH and (appointment := event.decode(Facts).appointment_id):
            points[event.subject, appointment][kind] += 1
    if not points:
        return None
    return max(
        points,
        key=lambda key: (sum(WORTH[kind] * min(2, n) for kind, n in points[key].items()), key),
    )


def of_appointment(events: Sequence[Event], appointment_id: str) -> frozenset[str]:
    """The ids of the events about one appointment."""
    return frozenset(
        event.id for event in events if event.decode(Facts).appointment_id == appointment_id
    )


def tell(timeline: Sequence[Line], wanted: frozenset[str]) -> list[tuple[str, str]]:
    """Those lines of a timeline whose events are `wanted`, as (local time, sentence)."""
    return [
        (f"{line.time.astimezone(LOCAL_ZONE):%a %H:%M}", line.sentence.en)
        for line in timeline
        if line.id in wanted
    ]
