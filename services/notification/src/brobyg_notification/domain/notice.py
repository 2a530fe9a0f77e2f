"""A notice: one message to one recipient because of one event. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from brobyg_contracts import VolunteerMatched
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id

#: The recipient's.
Role = Literal["helper", "citizen", "coordinator"]
CalendarMethod = Literal["REQUEST", "CANCEL"]
#: What a message is about. Its text is that of the pathway and the helper's role, or the default.
#: The last two are of no event, and no notice: see `use_cases.sign_in_links`.
Template = Literal[
    "offer",
    "matched_helper",
    "matched_citizen",
    "released_helper",
    "released_citizen",
    "released_citizen_searching",
    "escalated",
    "escalated_citizen",
    "unreachable_citizen",
    "sign_in",
    "passkey_added",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Who is told what, and why. Names nobody: what is personal is asked for when it is sent."""

    template: Template
    role: Role
    #: The helper_id, the citizen_id, or for a coordinator the department.
    recipient_id: str
    need_id: str
    #: None for a need that is nobody's referral.
    referral_id: str | None
    pathway: str
    department: str
    #: The role of the helper's seat; None where the message is about no seat.
    seat_role: str | None
    cause: Event
    #: When what it tells of starts and ends; None for a need without a span.
    starts_at: datetime | None
    ends_at: datetime | None
    #: The match that it tells of: its cause, or what the recipient was last to be told of.
    match: Event | None = None
    #: Why what it tells of has ended.
    release_reason: str | None = None
    #: What it does to the recipient's calendar entry; None for a message without one.
    calendar: CalendarMethod | None = None
    #: The SEQUENCE of its calendar file.
    sequence: int | None = None

    @property
    def notification_id(self) -> str:
        """The same for the same cause and recipient, however often it is planned."""
        return derived_id("notification", self.cause.id, self.role, self.recipient_id)

    @property
    def thread(self) -> str:
        """Names the messages to one recipient about one need, sent in the order of causes."""
        return f"{self.need_id}/{self.role}/{self.recipient_id}"

    @property
    def matched(self) -> VolunteerMatched | None:
        """What `match` says. Raises brobyg_kit.event.UndecodableEvent when it breaks its schema."""
        return decode_match(self.match) if self.match else None


def decode_match(event: Event) -> VolunteerMatched:
    """What volunteer.matched and staff.matched say: both have one shape."""
    return event.decode(VolunteerMatched)


def calendar_uid(need_id: str, role: Role, recipient_id: str) -> str:
    """The UID (RFC 5545, RFC 7986) of the recipient's calendar entry for the need.

    The same from the first invitation to the cancellation.
    """
    return f"{derived_id('calendar', need_id, role, recipient_id)}@brobyg.dk"
