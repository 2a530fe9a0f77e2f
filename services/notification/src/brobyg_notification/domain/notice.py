"""Who is told what, and because of which event: the rules, pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    MatchEscalated,
    MatchReleased,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from msgspec import UNSET

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
#: What a citizen is told of a match; when it can't arrive, the coordinator is told to phone.
_OF_A_MATCH = frozenset({"matched_citizen", "released_citizen", "released_citizen_searching"})


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one recipient because of one event. Names nobody: what is personal is fetched when it is sent."""

    template: Template
    role: Role
    recipient_id: str
    referral_id: str
    appointment_id: str
    cause: Event
    calendar: CalendarMethod | None = None

    @property
    def notification_id(self) -> str:
        """The same for the same cause, appointment and recipient, however often it is planned."""
        return derived_id(
            "notification", self.cause.id, self.appointment_id, self.role, self.recipient_id
        )

    @property
    def lane(self) -> str:
        """What keeps its order: all that one recipient is told about one appointment."""
        return lane(self.appointment_id, self.role, self.recipient_id)


Plan = Callable[[Event], list[Notice]]
"""The notices an event leads to. Raises brobyg_kit.event.UndecodableEvent when its data breaks the schema."""


def lane(appointment_id: str, role: Role, recipient_id: str) -> str:
    """The lane of a recipient's messages about an appointment."""
    return f"{appointment_id}/{role}/{recipient_id}"


def calendar_uid(appointment_id: str, role: Role, recipient_id: str) -> str:
    """The UID (RFC 5545, RFC 7986) of the recipient's calendar entry for the appointment; the same from first invitation to cancellation."""
    return f"{derived_id('calendar', appointment_id, role, recipient_id)}@brobyg.dk"


def of_offer_made(cause: Event) -> list[Notice]:
    """The volunteer is asked."""
    made = cause.decode(OfferMade)
    return [
        Notice(
            "offer", "volunteer", made.volunteer_id, made.referral_id, made.appointment_id, cause
        )
    ]


def of_volunteer_matched(cause: Event) -> list[Notice]:
    """Both get the appointment in their calendar."""
    match = cause.decode(VolunteerMatched)
    about = (match.referral_id, match.appointment_id, cause)
    return [
        Notice("matched_volunteer", "volunteer", match.volunteer_id, *about, "REQUEST"),
        Notice("matched_citizen", "citizen", match.citizen_id, *about, "REQUEST"),
    ]


def of_match_released(cause: Event) -> list[Notice]:
    """The volunteer's entry is cancelled. The citizen's stays only when the appointment stands as it was.

    A moved appointment cancels the citizen's entry too: the event knows only the old time, and an entry at the old time sends
    somebody to the hospital on the wrong day. The next match invites again under the same UID with a higher SEQUENCE. One that is said only after
    the end agreed is for those who count: nobody is written to about the past.
    """
    released = cause.decode(MatchReleased)
    if released.ends_at <= cause.time:
        return []
    about = (released.referral_id, released.appointment_id, cause)
    volunteer = Notice("released_volunteer", "volunteer", released.volunteer_id, *about, "CANCEL")
    if released.reason in ("volunteer_withdrew", "blocked"):  # the appointment stands
        return [
            volunteer,
            Notice("released_citizen_searching", "citizen", released.citizen_id, *about, "REQUEST"),
        ]
    return [volunteer, Notice("released_citizen", "citizen", released.citizen_id, *about, "CANCEL")]


def of_match_escalated(cause: Event) -> list[Notice]:
    """The department's coordinator is told while there is still time to act, and the citizen, who may have been promised company before."""
    escalated = cause.decode(MatchEscalated)
    about = (escalated.referral_id, escalated.appointment_id, cause)
    return [
        Notice("escalated", "coordinator", escalated.department, *about),
        Notice("escalated_citizen", "citizen", escalated.citizen_id, *about),
    ]


def of_unreachable_citizen(failed: Notice, match: VolunteerMatched | None) -> list[Notice]:
    """The coordinator of the match's department phones a citizen whom no e-mail reaches. `match` is the one that `failed` tells of.

    Only for what a citizen is told of a match: a coordinator's message that fails leads to no other. Nobody is told when the match does not say
    its department (an event of an earlier version), for to write to one would be a guess; `notification.failed` still says it.
    """
    if (
        failed.role != "citizen"
        or failed.template not in _OF_A_MATCH
        or match is None
        or match.department is UNSET
    ):
        return []
    about = (failed.referral_id, failed.appointment_id, failed.cause)
    return [Notice("unreachable_citizen", "coordinator", match.department, *about)]


def appointment_called_off(cause: Event) -> str | None:
    """The appointment that a cancellation or a move is about; None for a withdrawn consent, which is about all of the referral's."""
    if cause.type == AppointmentCancelled.EVENT_TYPE:
        return cause.decode(AppointmentCancelled).appointment_id
    if cause.type == AppointmentRescheduled.EVENT_TYPE:
        return cause.decode(AppointmentRescheduled).appointment_id
    return None
