"""The whole service on one screen: what is done on which event, and what is emitted.

How events are carried out in batches is in `use_cases/event_processing.py`.
"""

from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ConsentGiven,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    ReferralCreated,
    VolunteerActivated,
    VolunteerMatched,
    VolunteerPaused,
    VolunteerRegistered,
)
from brobyg_kit.event import EventData
from brobyg_kit.handling import Handler

from brobyg_matching.use_cases import referral_events as events
from brobyg_matching.use_cases.event_processing import Function, Loads

_REFERRAL, _APPOINTMENT, _ALL = Loads.REFERRAL, Loads.APPOINTMENT, Loads.ALL_APPOINTMENTS

HANDLERS: tuple[Handler[Function, Loads], ...] = (
    Handler(ReferralCreated, events.referral_created, _REFERRAL),
    Handler(ConsentGiven, events.consent_given, _REFERRAL),
    Handler(ConsentWithdrawn, events.consent_withdrawn, _ALL),
    Handler(AppointmentBooked, events.appointment_booked, _APPOINTMENT, searches=True),
    Handler(AppointmentRescheduled, events.appointment_booked, _APPOINTMENT, searches=True),
    Handler(AppointmentCancelled, events.appointment_cancelled, _APPOINTMENT),
    Handler(AppointmentCompleted, events.appointment_completed, _APPOINTMENT),
    Handler(AppointmentMissed, events.appointment_missed, _APPOINTMENT),
)
EMITS: tuple[type[EventData], ...] = (
    OfferMade, OfferAccepted, OfferDeclined, OfferExpired, OfferWithdrawn, VolunteerMatched,
    MatchReleased, MatchEscalated, VolunteerRegistered, VolunteerActivated, VolunteerPaused,
)  # fmt: skip
