"""What is done on which event. All of it on one screen.

A function takes the event and the calendars of its need's people, and returns the notices it leads
to (`domain/planning.py`). Delivering them is `use_cases/delivery.py`.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from brobyg_contracts import (
    AttentionClaimed,
    AttentionRaised,
    AttentionSettled,
    CitizenErased,
    CitizenRestricted,
    CitizenUnrestricted,
    ErasureAcknowledged,
    HelperErased,
    HelperRestricted,
    HelperUnrestricted,
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    NotificationFailed,
    NotificationSent,
    OfferMade,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_kit.handling import Handler

from brobyg_notification.domain import planning
from brobyg_notification.domain.calendar_status import Calendars, CalendarUpdate

#: What is loaded before an event is handled: nothing, or the calendars of the need's people, which
#: nobody else changes until the commit. With nothing, the function is given empty calendars.
Loads: TypeAlias = Literal["nothing", "calendars"]
Row: TypeAlias = Handler[Callable[[Event, Calendars], CalendarUpdate], Loads]

HANDLERS: tuple[Row, ...] = (
    # The helper is asked.
    Handler(OfferMade, planning.offer_made, "nothing"),
    # Helper and citizen are invited.
    Handler(VolunteerMatched, planning.matched, "calendars"),
    Handler(StaffMatched, planning.matched, "calendars"),
    # The helper is cancelled; the citizen too, or is told that a new helper is searched for.
    Handler(MatchReleased, planning.match_released, "calendars"),
    # The department's coordinator is told; the citizen too, after an earlier match.
    Handler(MatchEscalated, planning.match_escalated, "calendars"),
    # A citizen who is still invited, though no match is left to release, is cancelled.
    Handler(NeedChanged, planning.need_changed, "calendars"),
    Handler(NeedClosed, planning.need_closed, "calendars"),
    # How long what was told of it is kept counts from when it was closed, and not opened since.
    Handler(NeedOpened, planning.need_opened, "nothing"),
    # What waits for them is not sent; what comes later of them is dropped.
    Handler(CitizenErased, planning.citizen_erased, "nothing"),
    Handler(HelperErased, planning.helper_erased, "nothing"),
    # What was told of them is not deleted until that is lifted.
    Handler(CitizenRestricted, planning.citizen_restricted, "nothing"),
    Handler(CitizenUnrestricted, planning.citizen_unrestricted, "nothing"),
    Handler(HelperRestricted, planning.helper_restricted, "nothing"),
    Handler(HelperUnrestricted, planning.helper_unrestricted, "nothing"),
)
EMITS = (
    # A message was sent, or can never arrive.
    NotificationSent,
    NotificationFailed,
    # Somebody is to be told by phone; a department has no address.
    AttentionRaised,
    AttentionClaimed,
    AttentionSettled,
    # Nothing more waits for somebody who was erased.
    ErasureAcknowledged,
)
