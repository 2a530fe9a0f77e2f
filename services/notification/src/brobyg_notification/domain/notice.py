"""A notice: one message to one recipient because of one event. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from brobyg_contracts import ReleaseReason, VolunteerMatched
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id

Role = Literal["volunteer", "citizen", "coordinator"]
CalendarMethod = Literal["REQUEST", "CANCEL"]
Template = Literal[
    "offer",
    "matched_volunteer",
    "matched_citizen",
    "released_volunteer",
    "released_citizen",
    "released_citizen_searching",
    "escalated",
    "escalated_citizen",
    "unreachable_citizen",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Who is told what, and why. Names nobody: what is personal is asked for when it is sent."""

    template: Template
    role: Role
    #: The volunteer_id, the citizen_id, or for a coordinator the department.
    recipient_id: str
    referral_id: str
    appointment_id: str
    cause: Event
    #: When the appointment that it tells of starts and ends.
    starts_at: datetime
    ends_at: datetime
    #: The match that it tells of: its cause, or what the recipient was last to be told of.
    match: Event | None = None
    #: Why what it tells of has ended.
    release_reason: ReleaseReason | None = None
    #: What its calendar file does; None for a message without one.
    calendar: CalendarMethod | None = None
    #: The SEQUENCE of its calendar file.
    sequence: int | None = None

    @property
    def notification_id(self) -> str:
        """The same for the same cause, appointment and recipient, however often it is planned."""
        return derived_id(
            "notification", self.cause.id, self.appointment_id, self.role, self.recipient_id
        )

    @property
    def thread(self) -> str:
        """See `thread_of`."""
        return thread_of(self.appointment_id, self.role, self.recipient_id)

    @property
    def matched(self) -> VolunteerMatched | None:
        """What `match` says. Raises brobyg_kit.event.UndecodableEvent when it breaks its schema."""
        return self.match.decode(VolunteerMatched) if self.match else None


def thread_of(appointment_id: str, role: Role, recipient_id: str) -> str:
    """Names the messages to one recipient about one appointment, sent in the order of causes."""
    return f"{appointment_id}/{role}/{recipient_id}"


def calendar_uid(appointment_id: str, role: Role, recipient_id: str) -> str:
    """The UID (RFC 5545, RFC 7986) of the recipient's calendar entry for the appointment.

    The same from the first invitation to the cancellation.
    """
    return f"{derived_id('calendar', appointment_id, role, recipient_id)}@brobyg.dk"
