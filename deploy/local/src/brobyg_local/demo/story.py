"""One citizen's story from reporting's timeline: which need to tell of, and its lines."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.event import Event

#: What makes a need worth telling, in points an event; each kind counts at most twice.
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

    referral_id: str = ""
    appointment_id: str = ""
    need_id: str = ""

    @property
    def about(self) -> str:
        """The need; an appointment's has the appointment's id."""
        return self.need_id or self.appointment_id


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
    """Referral and need of the story most worth telling; None when nothing happened."""
    points: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for event in events:
        kind = event.type.removeprefix("dk.brobyg.")
        if kind in WORTH and (facts := event.decode(Facts)).about and facts.referral_id:
            points[facts.referral_id, facts.about][kind] += 1
    if not points:
        return None
    return max(
        points,
        key=lambda key: (sum(WORTH[kind] * min(2, n) for kind, n in points[key].items()), key),
    )


def of_need(events: Sequence[Event], need_id: str) -> frozenset[str]:
    """The ids of the events about one need and its appointment."""
    return frozenset(event.id for event in events if event.decode(Facts).about == need_id)


def tell(timeline: Sequence[Line], wanted: frozenset[str]) -> list[tuple[str, str]]:
    """Those lines of a timeline whose events are `wanted`, as (local time, sentence)."""
    return [
        (f"{line.time.astimezone(LOCAL_ZONE):%a %H:%M}", line.sentence.en)
        for line in timeline
        if line.id in wanted
    ]
