"""An appointment as the hospital tells of it, and what each message means for those who go along.

Two things are kept apart: what the hospital says (`status`, times, place, ordered by the hospital's own `last_updated`), and what has been told onwards
(`Announced`). A message changes the first; the difference between the two decides whether anything is published, and what.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """FHIR R4 AppointmentStatus (required binding)."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"
    CHECKED_IN = "checked-in"
    WAITLIST = "waitlist"


class Announced(StrEnum):
    """What was last published about an appointment."""

    NOTHING = "nothing"
    BOOKED = "booked"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    MISSED = "missed"


#: What a status asks to have announced; None where it asks for nothing.
_ASKS_FOR: dict[Status, Announced | None] = {
    Status.PROPOSED: Announced.NOTHING,
    Status.PENDING: Announced.NOTHING,
    Status.WAITLIST: Announced.NOTHING,
    Status.BOOKED: Announced.BOOKED,
    Status.ARRIVED: None,  # it goes on as we speak: too late to move anybody
    Status.CHECKED_IN: None,
    Status.CANCELLED: Announced.CANCELLED,
    Status.ENTERED_IN_ERROR: Announced.CANCELLED,
    Status.FULFILLED: Announced.COMPLETED,
    Status.NOSHOW: Announced.MISSED,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """When and where. Times are zone-aware UTC, both or neither; `location_id` None: no place, or none of those this system knows."""

    starts_at: datetime | None
    ends_at: datetime | None
    location_id: str | None

    @property
    def is_complete(self) -> bool:
        """Whether somebody could go there."""
        return None not in (self.starts_at, self.ends_at, self.location_id)


@dataclass(frozen=True, slots=True)
class Message:
    """What one message of the hospital says of one appointment. `has_own_time` False: it gave none, and `last_updated` is when it arrived."""

    status: Status
    plan: Plan
    last_updated: datetime
    has_own_time: bool = True


@dataclass(frozen=True, slots=True)
class Appointment:
    """What is known of an appointment, and what was told onwards.

    `last_updated` is the time of the message that counts, `own_time` the newest that the hospital itself gave: they differ where a message without a time
    of its own came last, which is ordered by its arrival.
    """

    status: Status
    plan: Plan
    last_updated: datetime
    own_time: datetime | None
    announced: Announced = Announced.NOTHING
    announced_plan: Plan | None = None
    version: int = 1


#: How far the hospital's clock may be ahead of ours: beyond any clock that is merely wrong by some hours or by its zone.
MAX_AHEAD = timedelta(days=1)


#: How far from now an appointment can be booked, beyond any that a hospital plans or tells late: what lies further is a slip of the keyboard.
HORIZON = timedelta(days=2 * 366)
#: Longer than any appointment: one that seems to last longer ends in another month or year by a slip of the keyboard.
MAX_LENGTH = timedelta(days=31)


def is_beyond(starts_at: datetime, now: datetime) -> bool:
    """Whether nobody can mean to be accompanied then."""
    return abs(starts_at - now) > HORIZON


def is_too_long(plan: Plan) -> bool:
    """Whether it would last longer than any appointment does."""
    return (
        plan.starts_at is not None
        and plan.ends_at is not None
        and plan.ends_at - plan.starts_at > MAX_LENGTH
    )


def is_ahead(last_updated: datetime, now: datetime) -> bool:
    """Whether a message's own time is so far ahead that it would shut out the true messages that follow it."""
    return last_updated - now > MAX_AHEAD


Change = Literal["booked", "rescheduled", "cancelled", "completed", "missed"]
_CHANGE: dict[Announced, Change] = {
    Announced.BOOKED: "booked",
    Announced.CANCELLED: "cancelled",
    Announced.COMPLETED: "completed",
    Announced.MISSED: "missed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What a message led to: the appointment after it, whether that differs, and what is to be published."""

    appointment: Appointment
    changed: bool
    change: Change | None = None
    out_of_date: bool = False


def receive(known: Appointment | None, message: Message) -> Step:
    """What `message` does to the appointment. Pure.

    A message is the whole of what the hospital says (it replaces, as a FHIR update does), so the newest decides, in whatever order they come. One older
    than what is known, and one that says nothing new, has no effect. Of two with the same time the later arrival counts. What the hospital corrects, it
    may: a newer message leads out of every state. A message without a time of its own counts when it arrives, and stands back for any that has a newer
    time than the hospital gave before: our clock and theirs are not compared.
    """
    own_time = message.last_updated if message.has_own_time else known.own_time if known else None
    if known is None:
        fresh = Appointment(message.status, message.plan, message.last_updated, own_time)
        return _announce(fresh, previous=Announced.NOTHING, previous_plan=None)
    if is_out_of_date(known, message):
        return Step(known, changed=False, out_of_date=True)
    if message.status is known.status and message.plan == known.plan:
        if (message.last_updated, own_time) == (known.last_updated, known.own_time):
            return Step(known, changed=False)
        # Nothing new but the time: it is remembered, so that what lies between cannot come in later. It is shown, so it is a version of its own.
        repeated = replace(
            known, last_updated=message.last_updated, own_time=own_time, version=known.version + 1
        )
        return Step(repeated, changed=False)
    updated = replace(
        known,
        status=message.status,
        plan=message.plan,
        last_updated=message.last_updated,
        own_time=own_time,
        version=known.version + 1,
    )
    return _announce(updated, previous=known.announced, previous_plan=known.announced_plan)


def is_out_of_date(known: Appointment, message: Message) -> bool:
    """Whether the hospital has said something newer than `message`. Only times that the hospital gave are compared."""
    if not message.has_own_time or known.own_time is None:
        return False
    if message.last_updated == known.own_time:
        # The same message again, after one without a time of its own: that one came later.
        return known.last_updated != known.own_time
    return message.last_updated < known.own_time


def _announce(now: Appointment, previous: Announced, previous_plan: Plan | None) -> Step:
    asked = _ASKS_FOR[now.status]
    if asked is Announced.BOOKED and now.plan.is_complete:
        return _book(now, previous, previous_plan)
    if asked in (Announced.BOOKED, Announced.NOTHING):
        # No longer firm, or moved to a place that is none of ours: nobody should set out to where it was; a new booking is announced anew.
        asked = Announced.CANCELLED if previous is Announced.BOOKED else Announced.NOTHING
    if asked in (None, Announced.NOTHING, previous) or previous is Announced.NOTHING:
        # Nobody was ever told of it, so nobody needs to hear that it is over.
        return Step(now, changed=True)
    assert asked is not None
    return Step(
        replace(now, announced=asked, announced_plan=now.plan), changed=True, change=_CHANGE[asked]
    )


def _book(now: Appointment, previous: Announced, previous_plan: Plan | None) -> Step:
    if previous is Announced.BOOKED and now.plan == previous_plan:
        return Step(now, changed=True)
    change: Change = "rescheduled" if previous is Announced.BOOKED else "booked"
    return Step(
        replace(now, announced=Announced.BOOKED, announced_plan=now.plan),
        changed=True,
        change=change,
    )
