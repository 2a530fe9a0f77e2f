"""An appointment as the hospital tells of it, and what each message means for those who go along.

Two things are kept apart: what the hospital says (`Content`, ordered by the hospital's own times
and versions), and what was last published (`Announced`). A message changes the first; the
difference between the two decides whether anything is published, and what.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal


class AppointmentStatus(StrEnum):
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


class Participation(StrEnum):
    """FHIR R4 ParticipationStatus (required binding)."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    TENTATIVE = "tentative"
    NEEDS_ACTION = "needs-action"


class Announced(StrEnum):
    """What was last published about an appointment."""

    NOTHING = "nothing"
    BOOKED = "booked"
    #: It was booked when processing was restricted, and nothing that was said since changes it.
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    MISSED = "missed"


#: What a status asks to have announced; None where it asks for nothing.
_ASKS_FOR: dict[AppointmentStatus, Announced | None] = {
    AppointmentStatus.PROPOSED: Announced.NOTHING,
    AppointmentStatus.PENDING: Announced.NOTHING,
    AppointmentStatus.WAITLIST: Announced.NOTHING,
    AppointmentStatus.BOOKED: Announced.BOOKED,
    AppointmentStatus.ARRIVED: None,  # it has begun: too late to send or stop anybody
    AppointmentStatus.CHECKED_IN: None,
    AppointmentStatus.CANCELLED: Announced.CANCELLED,
    AppointmentStatus.ENTERED_IN_ERROR: Announced.CANCELLED,
    AppointmentStatus.FULFILLED: Announced.COMPLETED,
    AppointmentStatus.NOSHOW: Announced.MISSED,
}


@dataclass(frozen=True, slots=True)
class BusinessIdentifier:
    """The sender's own name for an appointment: unique within the sending organisation.

    Made by `identifier_of`, so that one name has one form.
    """

    system: str
    value: str

    @property
    def token(self) -> str:
        """`system|value`, as in a FHIR search."""
        return f"{self.system}|{self.value}"


def identifier_of(system: str, value: str) -> BusinessIdentifier:
    """The identifier without blanks around it: some senders pad a number to a fixed length."""
    return BusinessIdentifier(system.strip(), value.strip())


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """When and where somebody is to be there."""

    #: Zone-aware UTC; both times or neither.
    starts_at: datetime | None
    ends_at: datetime | None
    #: None: no place, or none of those this system knows.
    location_id: str | None

    @property
    def is_complete(self) -> bool:
        """Whether somebody could go there."""
        return None not in (self.starts_at, self.ends_at, self.location_id)


@dataclass(frozen=True, slots=True)
class Content:
    """What the hospital says of an appointment, apart from when it says so."""

    status: AppointmentStatus
    plan: PlannedVisit
    #: Whether the patient takes part.
    patient: Participation = Participation.ACCEPTED
    #: Whether the place takes part; without meaning where the plan has none.
    location: Participation = Participation.ACCEPTED

    @property
    def is_cancelled(self) -> bool:
        """Whether it says that the appointment does not take place."""
        return _ASKS_FOR[self.status] is Announced.CANCELLED

    @property
    def is_over(self) -> bool:
        """Whether it says that the appointment was, or will never be."""
        return _ASKS_FOR[self.status] in (
            Announced.CANCELLED,
            Announced.COMPLETED,
            Announced.MISSED,
        )

    @property
    def is_declined(self) -> bool:
        """Whether it is booked for a patient who has declined: nobody needs to come along."""
        return self.status is AppointmentStatus.BOOKED and self.patient is Participation.DECLINED


@dataclass(frozen=True, slots=True)
class AppointmentMessage:
    """What one message of the hospital says of one appointment."""

    content: Content
    last_updated: datetime
    #: False: the message gave no time, and `last_updated` is when it arrived.
    has_own_time: bool = True
    #: The hospital's own version, of a sender whose versions rise.
    own_version: int | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """What is known of an appointment, and what was announced of it."""

    content: Content
    #: The time of the message that counts.
    last_updated: datetime
    #: The newest time that the hospital itself gave. It differs from `last_updated` where a message
    #: without a time of its own came last, which is ordered by its arrival.
    own_time: datetime | None
    #: The highest version that the hospital gave, of a sender whose versions rise.
    own_version: int | None = None
    announced: Announced = Announced.NOTHING
    announced_plan: PlannedVisit | None = None
    version: int = 1


#: Two visits at one place whose starts are no further apart are one: somebody who enters what the
#: hospital will send may know the hour only roughly.
SAME_VISIT = timedelta(minutes=30)


def apart(one: PlannedVisit, other: PlannedVisit) -> timedelta | None:
    """How far apart the starts of two visits are that may be one; None when they are two."""
    if one.location_id is None or one.location_id != other.location_id:
        return None
    if one.starts_at is None or other.starts_at is None:
        return None
    between = abs(one.starts_at - other.starts_at)
    return between if between <= SAME_VISIT else None


#: How far the hospital's clock may be ahead of ours: further than a clock is wrong by some hours
#: or by its zone.
MAX_AHEAD = timedelta(days=1)
#: How far from now an appointment can be booked, further than any hospital plans or tells late:
#: beyond it the date is a typing error.
HORIZON = timedelta(days=2 * 366)
#: Longer than any appointment: one that lasts longer ends in another month or year by a typing
#: error.
MAX_LENGTH = timedelta(days=31)


def is_beyond(starts_at: datetime, now: datetime) -> bool:
    """Whether the start is further from now than any appointment is planned."""
    return abs(starts_at - now) > HORIZON


def is_too_long(plan: PlannedVisit) -> bool:
    """Whether it would last longer than any appointment does."""
    return (
        plan.starts_at is not None
        and plan.ends_at is not None
        and plan.ends_at - plan.starts_at > MAX_LENGTH
    )


def is_ahead(last_updated: datetime, now: datetime) -> bool:
    """Whether a message's own time is so far ahead that later true messages would be refused."""
    return last_updated - now > MAX_AHEAD


AppointmentChange = Literal["booked", "rescheduled", "cancelled", "completed", "missed"]
_CHANGE: dict[Announced, AppointmentChange] = {
    Announced.BOOKED: "booked",
    Announced.CANCELLED: "cancelled",
    Announced.COMPLETED: "completed",
    Announced.MISSED: "missed",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """What a message led to."""

    #: The appointment after it.
    appointment: Appointment
    #: Whether its content differs.
    changed: bool
    #: What is to be published.
    change: AppointmentChange | None = None
    #: Whether the hospital has said something newer, so that the message has no effect.
    out_of_date: bool = False


def receive(
    known: Appointment | None, message: AppointmentMessage, *, told: bool = True
) -> Transition:
    """What `message` does to the appointment. Pure. Unless `told`, nothing is to be published.

    A message replaces all that the hospital said before, as a FHIR update does, so the newest
    decides, in whatever order they come. One older than what is known, and one that says nothing
    new, has no effect. Of two with the same time and version the later arrival counts. The hospital
    may correct itself: a newer message can follow any state. A message without a time of its own
    counts when it arrives, and is replaced by any that has a newer time than the hospital gave
    before: our clock and theirs are not compared.
    """
    decide = _announce if told else _keep
    if known is None:
        own_time = message.last_updated if message.has_own_time else None
        fresh = Appointment(message.content, message.last_updated, own_time, message.own_version)
        return decide(fresh)
    if is_out_of_date(known, message):
        return Transition(known, changed=False, out_of_date=True)
    updated = replace(
        known,
        content=message.content,
        last_updated=message.last_updated,
        own_time=message.last_updated if message.has_own_time else known.own_time,
        own_version=known.own_version if message.own_version is None else message.own_version,
    )
    if updated == known:
        return Transition(known, changed=False)
    # Every difference is shown or decides the order, so it makes a version of its own.
    updated = replace(updated, version=known.version + 1)
    if message.content == known.content:
        return Transition(updated, changed=False)
    return decide(updated)


def booked_by_hand(known: Appointment, visit: PlannedVisit) -> Appointment:
    """The appointment once somebody says that it is booked, who has agreed `visit` on it.

    What the hospital says stays as it is. Where that is no complete plan, `visit` is announced.
    """
    plan = known.content.plan if known.content.plan.is_complete else visit
    return replace(known, announced=Announced.BOOKED, announced_plan=plan)


def withhold(known: Appointment, now: datetime) -> Appointment:
    """The appointment once processing is restricted; itself where nobody is to go there any more.

    One that is over keeps what was published: what is still heard of it counts afterwards.
    """
    if known.announced is not Announced.BOOKED or _is_over(known.announced_plan, now):
        return known
    return replace(known, announced=Announced.WITHHELD)


def take_up(known: Appointment, now: datetime) -> Transition:
    """What is to be published once the restriction is lifted: all that is so now and was not told.

    A booking that was withheld is told anew, with what was said of it meanwhile, unless it is over.
    """
    if known.announced is Announced.WITHHELD:
        again = replace(known, announced=Announced.BOOKED)
        found = Transition(again, changed=True, change="booked")
    else:
        found = _announce(known)
    if found.change == "booked" and _is_over(found.appointment.announced_plan, now):
        untold = replace(known, announced=Announced.NOTHING, announced_plan=None)
        return Transition(untold, changed=untold != known)
    return replace(found, changed=found.appointment != known)


def _is_over(plan: PlannedVisit | None, now: datetime) -> bool:
    return plan is not None and plan.ends_at is not None and plan.ends_at <= now


def is_out_of_date(known: Appointment, message: AppointmentMessage) -> bool:
    """Whether the hospital has said something newer than `message`.

    Where both have the hospital's own version, that decides; else times that the hospital gave.
    """
    newest, given = known.own_version, message.own_version
    if newest is not None and given is not None and given != newest:
        return given < newest
    if not message.has_own_time or known.own_time is None:
        return False
    if message.last_updated == known.own_time:
        # The same message again, after one without a time of its own: that one came later.
        return known.last_updated != known.own_time
    return message.last_updated < known.own_time


def _keep(now: Appointment) -> Transition:
    """Nothing is published. What was withheld is decided by what is said now."""
    if now.announced is Announced.WITHHELD:
        now = replace(now, announced=Announced.NOTHING, announced_plan=None)
    return Transition(now, changed=True)


def _announce(now: Appointment) -> Transition:
    """What is to be published, compared with what was announced before."""
    content, previous = now.content, now.announced
    asked = _ASKS_FOR[content.status]
    if asked is Announced.BOOKED and content.plan.is_complete and not content.is_declined:
        if previous is Announced.BOOKED and content.plan == now.announced_plan:
            return Transition(now, changed=True)
        moved = previous is Announced.BOOKED
        return _announced(now, Announced.BOOKED, "rescheduled" if moved else "booked")
    if asked in (Announced.BOOKED, Announced.NOTHING):
        # No longer firm, declined by the patient, or at an unknown place: nobody should set out to
        # where it was. A later booking is announced as a new one.
        asked = Announced.CANCELLED if previous is Announced.BOOKED else Announced.NOTHING
    if asked in (None, Announced.NOTHING, previous) or previous is Announced.NOTHING:
        # Nobody was ever told of it, so nobody needs to be told that it is over.
        return Transition(now, changed=True)
    assert asked is not None
    return _announced(now, asked, _CHANGE[asked])


def _announced(now: Appointment, announced: Announced, change: AppointmentChange) -> Transition:
    told = replace(now, announced=announced, announced_plan=now.content.plan)
    return Transition(told, changed=True, change=change)
