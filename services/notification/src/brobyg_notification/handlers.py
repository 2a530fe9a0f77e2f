"""What is done on which event. All of it on one screen.

A function takes the event and the calendars of its referral's people, and returns the notices it
leads to (`domain/planning.py`). Delivering them is `use_cases/delivery.py`.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    NotificationFailed,
    NotificationSent,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_kit.handling import Handler

from brobyg_notification.domain import planning
from brobyg_notification.domain.calendar_status import Calendars, CalendarUpdate

#: What is loaded before an event is handled: nothing, or the calendars of the referral's people,
#: which nobody else changes until the commit. With nothing, the function is given empty calendars.
Loads: TypeAlias = Literal["nothing", "calendars"]
Row: TypeAlias = Handler[Callable[[Event, Calendars], CalendarUpdate], Loads]

HANDLERS: tuple[Row, ...] = (
    # The volunteer is asked.
    Handler(OfferMade, planning.offer_made, "nothing"),
    # Volunteer and citizen are invited.
    Handler(VolunteerMatched, planning.volunteer_matched, "calendars"),
    # The volunteer is cancelled; the citizen too, or is told that a new volunteer is searched for.
    Handler(MatchReleased, planning.match_released, "calendars"),
    # The department's coordinator is told; the citizen too, after an earlier match.
    Handler(MatchEscalated, planning.match_escalated, "calendars"),
    # A citizen who is still invited, though no match is left to release, is cancelled.
    Handler(AppointmentCancelled, planning.appointment_cancelled, "calendars"),
    Handler(AppointmentRescheduled, planning.appointment_rescheduled, "calendars"),
    Handler(ConsentWithdrawn, planning.consent_withdrawn, "calendars"),
)
#: Emitted when a message was sent, or can never arrive.
EMITS = (NotificationSent, NotificationFailed)
