"""Events of earlier major versions, told as those of today.

`UPCASTERS` has a row for each event type and major version of its `dataschema` that today's schema
can't read. A row is a pure function of the event's data: it may tell one event as several, and says
only what the old one said or what held for all of that version. Whoever reads records uses them by
one function alone, `brobyg_kit.upcasting.events_in`; a break of a schema without a row here is
refused by `python -m schemas.tools.compat`.

What 1.x does not tell:

- the department of an appointment and the pool of a volunteer, which stood on another event:
  `NOT_TOLD`, as an event is upcast by itself;
- which needs ended when consent was withdrawn: they stay open until the appointment's own end.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from brobyg_contracts import events
from brobyg_contracts.event import EventData

#: What the data says as read from JSON -> the events of today, the first under the old one's id.
#: Raises KeyError or msgspec.ValidationError for data that breaks the old schema.
Upcaster: TypeAlias = Callable[[Mapping[str, Any]], tuple[EventData, ...]]

#: The major version of a `dataschema` without a number. 1.x wrote such too: a history that began
#: under 1.x is read with BROBYG_UNVERSIONED_MAJOR=1.
UNVERSIONED = 2
#: Stands for a department or pool that the old event does not tell.
NOT_TOLD = "unknown"

_NUMBER = re.compile(r"\.v([1-9][0-9]{0,5})\.schema\.json\Z").search


@lru_cache(maxsize=1024)
def major_of(dataschema: str, unversioned: int = UNVERSIONED) -> int:
    """The major version in a `dataschema`; `unversioned` where it names none."""
    found = _NUMBER(dataschema)
    return int(found[1]) if found else unversioned


@lru_cache(maxsize=1024)
def upcaster_of(type: str, dataschema: str, unversioned: int = UNVERSIONED) -> Upcaster | None:
    """What tells such an event as those of today; None for one that is as today's."""
    return UPCASTERS.get((type, major_of(dataschema, unversioned)))


def _as(kind: type[EventData], said: Mapping[str, Any], **more: object) -> EventData:
    """`kind` with what it has of `said` and `more`; the rest is left out."""
    return msgspec.convert({**said, **more}, kind)


def _named(said: Mapping[str, Any]) -> dict[str, Any]:
    """1.x: appointment and volunteer, by today's names."""
    new = {**said, "need_id": said["appointment_id"]}
    if "volunteer_id" in said:
        new["helper_id"] = said["volunteer_id"]
    return new


#: 1.x: the words that are called otherwise today.
_WORDS = {
    "volunteer": "helper",
    "volunteer_paused": "helper_paused",
    "volunteer_promised": "helper_promised",
    "volunteer_withdrew": "helper_withdrew",
}
#: 1.x had one pathway, one helper for each appointment, and no numbers of policies.
_ESCORT = {"pathway": "escort", "policy_version": 1, "seat": 1, "role": "companion"}
_ABOUT = {"about_kind": "appointment", "mode": "in_person", "priority": 5, "competences": ()}


def _unchanged(kind: type[EventData]) -> Upcaster:
    return lambda said: (_as(kind, said),)


def _need(kind: type[EventData], said: Mapping[str, Any], **more: object) -> EventData:
    """1.x: the need that an appointment was."""
    about = {**_ABOUT, "about_id": said["appointment_id"], "department": NOT_TOLD, **more}
    return _as(kind, _named(said), **_ESCORT, **about)


def _appointment(kind: type[EventData], need: type[EventData], reason: str = "") -> Upcaster:
    """1.x: an appointment's event was its need's too."""
    more = {"reason": reason} if reason else {}
    return lambda said: (_as(kind, said), _need(need, said, **more))


def _asked(kind: type[EventData]) -> Upcaster:
    """1.x: what became of an offer."""

    def upcast(said: Mapping[str, Any]) -> tuple[EventData, ...]:
        more = {"reason": _WORDS.get(said["reason"], said["reason"])} if "reason" in said else {}
        return (_as(kind, _named(said), **_ESCORT, **more),)

    return upcast


def _offer_made(said: Mapping[str, Any]) -> tuple[EventData, ...]:
    more = {"department": NOT_TOLD, "round": 1}
    return (_as(events.OfferMade, _named(said), **_ESCORT, **more),)


def _matched(said: Mapping[str, Any]) -> tuple[EventData, ...]:
    more = {
        "department": said.get("department", NOT_TOLD),
        "pool": NOT_TOLD,
        "way": "offer",
        "crew_complete": True,
    }
    return (_as(events.VolunteerMatched, _named(said), **_ESCORT, **more),)


def _released(said: Mapping[str, Any]) -> tuple[EventData, ...]:
    more = {
        "department": NOT_TOLD,
        "reason": _WORDS.get(said["reason"], said["reason"]),
        "crew_complete": False,
    }
    return (_as(events.MatchReleased, _named(said), **_ESCORT, **more),)


def _escalated(said: Mapping[str, Any]) -> tuple[EventData, ...]:
    return (_as(events.MatchEscalated, _named(said), **_ESCORT, missing=1),)


def _registered(said: Mapping[str, Any]) -> tuple[EventData, ...]:
    more = {
        "helper_id": said["volunteer_id"],
        "pools": (said["pool"],),
        "departments": (said["department"],),
    }
    return (_as(events.HelperRegistered, said, **more),)


def _helper(kind: type[EventData]) -> Upcaster:
    return lambda said: (_as(kind, said, helper_id=said["volunteer_id"]),)


def _notified(kind: type[EventData]) -> Upcaster:
    def upcast(said: Mapping[str, Any]) -> tuple[EventData, ...]:
        role = said["recipient_role"]
        return (_as(kind, _named(said), recipient_role=_WORDS.get(role, role)),)

    return upcast


#: Event type and major version to what tells it as today's events.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    (f"dk.brobyg.{name}", major): upcast
    for name, major, upcast in (
        ("referral.created", 1, _unchanged(events.ReferralCreated)),
        (
            "appointment.booked",
            1,
            _appointment(events.AppointmentBooked, events.NeedOpened),
        ),
        (
            "appointment.rescheduled",
            1,
            _appointment(events.AppointmentRescheduled, events.NeedChanged),
        ),
        (
            "appointment.cancelled",
            1,
            _appointment(events.AppointmentCancelled, events.NeedClosed, "appointment_cancelled"),
        ),
        (
            "appointment.completed",
            1,
            _appointment(events.AppointmentCompleted, events.NeedClosed, "completed"),
        ),
        (
            "appointment.missed",
            1,
            _appointment(events.AppointmentMissed, events.NeedClosed, "missed"),
        ),
        ("offer.made", 1, _offer_made),
        ("offer.accepted", 1, _asked(events.OfferAccepted)),
        ("offer.declined", 1, _asked(events.OfferDeclined)),
        ("offer.expired", 1, _asked(events.OfferExpired)),
        ("offer.withdrawn", 1, _asked(events.OfferWithdrawn)),
        ("volunteer.matched", 1, _matched),
        ("match.released", 1, _released),
        ("match.escalated", 1, _escalated),
        ("volunteer.registered", 1, _registered),
        ("volunteer.activated", 1, _helper(events.HelperActivated)),
        ("volunteer.paused", 1, _helper(events.HelperPaused)),
        ("notification.sent", 1, _notified(events.NotificationSent)),
        ("notification.failed", 1, _notified(events.NotificationFailed)),
    )
}
