"""Each appointment: what the hospital says of it, and how the search for company went.

Its municipality and department are the referral's and are joined in the views, because a fold sees its own thing only.
"""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    MatchEscalated,
    MatchReleased,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    VolunteerMatched,
)

from brobyg_reporting.domain.projection import Projection


class AppointmentRow(msgspec.Struct, gc=False):
    """One appointment. `state` is the hospital's (referral topic); `match_state` is the search's (matching topic).

    `volunteer_id` and `minutes` are those of who comes along now. When the hospital moves what has ended to a later day, it did not take place
    before by the hospital's word: nobody is counted for that day, and whoever is matched to the later one is counted once it has been. Who
    walked along in vain is left in the event log: a release that is later than the end it tells of.
    """

    appointment_id: str
    # brobyg.referral.v1
    referral_id: str | None = None
    citizen_id: str | None = None
    state: Literal["booked", "cancelled", "completed", "missed"] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    location_id: str | None = None
    booked_at: datetime | None = None
    times_rescheduled: int = 0
    closed_at: datetime | None = None
    # brobyg.matching.v1
    match_state: Literal["offered", "matched", "released", "escalated"] | None = None
    offers_made: int = 0
    offers_accepted: int = 0
    offers_declined: int = 0
    offers_expired: int = 0
    offers_withdrawn: int = 0
    waves: int = 0
    first_offered_at: datetime | None = None
    first_matched_at: datetime | None = None
    matched_at: datetime | None = None
    volunteer_id: str | None = None
    minutes: int | None = None
    times_released: int = 0
    release_reason: str | None = None
    escalated_at: datetime | None = None
    escalated_reason: str | None = None
    escalated_asked: int | None = None


APPOINTMENT = Projection("appointment", AppointmentRow)


@APPOINTMENT.on(AppointmentBooked)
def _booked(row: AppointmentRow, event: AppointmentBooked, time: datetime) -> None:
    row.referral_id = event.referral_id
    row.citizen_id = event.citizen_id
    row.state = "booked"
    row.starts_at, row.ends_at, row.location_id = event.starts_at, event.ends_at, event.location_id
    row.booked_at = row.booked_at or time
    row.closed_at = None


@APPOINTMENT.on(AppointmentRescheduled)
def _rescheduled(row: AppointmentRow, event: AppointmentRescheduled, time: datetime) -> None:
    row.referral_id = event.referral_id
    row.citizen_id = event.citizen_id
    row.state = "booked"
    row.starts_at, row.ends_at, row.location_id = event.starts_at, event.ends_at, event.location_id
    row.booked_at = row.booked_at or time
    row.times_rescheduled += 1
    row.closed_at = None


@APPOINTMENT.on(AppointmentCancelled)
def _cancelled(row: AppointmentRow, event: AppointmentCancelled, time: datetime) -> None:
    row.referral_id = event.referral_id
    row.state = "cancelled"
    row.closed_at = time


@APPOINTMENT.on(AppointmentCompleted)
def _completed(row: AppointmentRow, event: AppointmentCompleted, time: datetime) -> None:
    row.referral_id = event.referral_id
    row.state = "completed"
    row.starts_at, row.ends_at = event.starts_at, event.ends_at
    row.closed_at = time


@APPOINTMENT.on(AppointmentMissed)
def _missed(row: AppointmentRow, event: AppointmentMissed, time: datetime) -> None:
    row.referral_id = event.referral_id
    row.state = "missed"
    row.closed_at = time


@APPOINTMENT.on(OfferMade)
def _offer_made(row: AppointmentRow, event: OfferMade, time: datetime) -> None:
    row.offers_made += 1
    row.waves = max(row.waves, event.wave)
    row.first_offered_at = row.first_offered_at or time
    row.match_state = "offered"


@APPOINTMENT.on(OfferAccepted)
def _offer_accepted(row: AppointmentRow, event: OfferAccepted, time: datetime) -> None:
    row.offers_accepted += 1


@APPOINTMENT.on(OfferDeclined)
def _offer_declined(row: AppointmentRow, event: OfferDeclined, time: datetime) -> None:
    row.offers_declined += 1


@APPOINTMENT.on(OfferExpired)
def _offer_expired(row: AppointmentRow, event: OfferExpired, time: datetime) -> None:
    row.offers_expired += 1


@APPOINTMENT.on(OfferWithdrawn)
def _offer_withdrawn(row: AppointmentRow, event: OfferWithdrawn, time: datetime) -> None:
    row.offers_withdrawn += 1


@APPOINTMENT.on(VolunteerMatched)
def _matched(row: AppointmentRow, event: VolunteerMatched, time: datetime) -> None:
    row.match_state = "matched"
    row.first_matched_at = row.first_matched_at or time
    row.matched_at = time
    row.volunteer_id = event.volunteer_id
    row.minutes = event.minutes


@APPOINTMENT.on(MatchReleased)
def _released(row: AppointmentRow, event: MatchReleased, time: datetime) -> None:
    row.match_state = "released"
    row.times_released += 1
    row.release_reason = event.reason
    row.matched_at = row.volunteer_id = row.minutes = None


@APPOINTMENT.on(MatchEscalated)
def _escalated(row: AppointmentRow, event: MatchEscalated, time: datetime) -> None:
    row.match_state = "escalated"
    row.escalated_at = time
    row.escalated_reason = event.reason
    row.escalated_asked = event.asked
