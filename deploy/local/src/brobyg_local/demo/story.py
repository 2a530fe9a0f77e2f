"""One citizen's story from reporting's timeline, line by line, in words; ids only, as the history has it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from brobyg_contracts.places import LOCATIONS
from brobyg_kit.event import Event

__all__ = ["Line", "interesting", "tell"]

TIME_ZONE = ZoneInfo("Europe/Copenhagen")
WORTH = {
    "appointment.rescheduled": 40,
    "match.released": 30,
    "offer.declined": 6,
    "offer.expired": 4,
    "volunteer.matched": 12,
    "appointment.completed": 25,
}
"""What makes an appointment worth telling, in points an event; each kind counts at most twice."""


class Facts(msgspec.Struct, frozen=True):
    """What of an event's data is told."""

    appointment_id: str = ""
    volunteer_id: str = ""
    starts_at: datetime | None = None
    location_id: str = ""
    wave: int = 0
    rank: int = 0
    distance_metres: int = 0
    known_to_citizen: bool = False
    expires_at: datetime | None = None
    minutes: int = 0
    reason: str = ""
    recipient_role: str = ""
    template: str = ""
    asked: int = 0


class Line(msgspec.Struct, frozen=True):
    """One event of a referral: when, what, and its data."""

    time: datetime
    type: str
    data: Facts

    @property
    def kind(self) -> str:
        """The type without its prefix."""
        return self.type.removeprefix("dk.brobyg.")


def lines(events: Sequence[Event], referral_id: str) -> list[Line]:
    """The events of one referral, oldest first."""
    mine = (event for event in events if event.subject == referral_id)
    return [Line(event.time, event.type, event.decode(Facts)) for event in mine]


def interesting(events: Sequence[Event]) -> tuple[str, str] | None:
    """Referral and appointment of the story most worth telling; None when nothing happened at all."""
    points: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for event in events:
        kind = event.type.removeprefix("dk.brobyg.")
        if kind in WORTH and (appointment := event.decode(Facts).appointment_id):
            points[event.subject, appointment][kind] += 1
    if not points:
        return None
    return max(points, key=lambda key: (sum(WORTH[kind] * min(2, n) for kind, n in points[key].items()), key))


def tell(timeline: Sequence[Line], appointment_id: str) -> list[tuple[str, str]]:
    """The story of one appointment as (local time, sentence); volunteers are numbered as they turn up."""
    names: dict[str, str] = {}
    return [
        (f"{line.time.astimezone(TIME_ZONE):%a %H:%M}", sentence)
        for line in timeline
        if line.data.appointment_id == appointment_id and (sentence := _sentence(line, names))
    ]


def _name(names: dict[str, str], volunteer_id: str) -> str:
    return names.setdefault(volunteer_id, f"volunteer {chr(ord('A') + len(names) % 26)}")


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(TIME_ZONE):%A %H:%M}" if moment else "?"


def _place(location_id: str) -> str:
    location = LOCATIONS.get(location_id)
    return location.name if location else location_id


def _sentence(line: Line, names: dict[str, str]) -> str:
    data = line.data
    who = _name(names, data.volunteer_id) if data.volunteer_id else ""
    sentences = {
        "appointment.booked": f"the hospital books {_when(data.starts_at)} at {_place(data.location_id)}",
        "appointment.rescheduled": f"the hospital moves it to {_when(data.starts_at)} at {_place(data.location_id)}",
        "appointment.cancelled": "the hospital cancels it",
        "appointment.completed": "it took place",
        "appointment.missed": "the citizen did not come",
        "offer.made": f"{who} is asked (round {data.wave}, number {data.rank} of those who can, {data.distance_metres / 1000:.1f} km away"
        + (", has been along before)" if data.known_to_citizen else ")"),
        "offer.accepted": f"{who} says yes, by the link in the mail",
        "offer.declined": f"{who} says no",
        "offer.expired": f"{who} has not answered in time",
        "offer.withdrawn": f"the offer to {who} is withdrawn ({data.reason.replace('_', ' ')})",
        "volunteer.matched": f"{who} goes along: {data.minutes} minutes in all",
        "match.released": f"{who} is free again ({data.reason.replace('_', ' ')})",
        "match.escalated": f"the coordinator has to find somebody ({data.reason.replace('_', ' ')}; {data.asked} were asked)",
        "notification.sent": f"a mail to the {data.recipient_role} ({data.template})",
        "notification.failed": f"a mail to the {data.recipient_role} can't be sent ({data.reason.replace('_', ' ')})",
    }
    return sentences.get(line.kind, "")
