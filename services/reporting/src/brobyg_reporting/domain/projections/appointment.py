"""Each appointment: what the hospital says of it, and how the search for a volunteer went.

Its municipality and department are the referral's and are joined in the views, because a fold sees
its own thing only.
"""

from datetime import datetime
from typing import Annotated, Literal

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
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class AppointmentRow(msgspec.Struct, gc=False):
    """One appointment. `state` is what the hospital says, `match_state` how the search stands.

    `volunteer_id` and `minutes` are those of the present volunteer. When the hospital moves an
    appointment that has ended to a later day, it says that it did not take place: no volunteer is
    counted for the first day, and whoever is matched to the later one is counted once it has
    ended. A volunteer who came for nothing is seen in the event log alone: the match was released
    after the appointment's end.
    """

    appointment_id: Annotated[str, Doc("The appointment.")]
    # brobyg.referral.v1
    referral_id: Annotated[str | None, Doc("The referral it belongs to.")] = None
    citizen_id: Annotated[str | None, Doc("Opaque id of the citizen.")] = None
    state: Annotated[
        Literal["booked", "cancelled", "completed", "missed"] | None,
        Doc("booked, cancelled, completed or missed, as the hospital says."),
    ] = None
    starts_at: Annotated[datetime | None, Doc("Start, UTC.")] = None
    ends_at: Annotated[datetime | None, Doc("End, UTC.")] = None
    location_id: Annotated[str | None, Doc("Where it takes place.")] = None
    booked_at: Annotated[datetime | None, Doc("When its booking was first heard of, UTC.")] = None
    times_rescheduled: Annotated[int, Doc("Times it was moved.")] = 0
    closed_at: Annotated[
        datetime | None, Doc("When it was cancelled, completed or missed, UTC; null while booked.")
    ] = None
    # brobyg.matching.v1
    match_state: Annotated[
        Literal["offered", "matched", "released", "escalated"] | None,
        Doc("offered, matched, released or escalated; null before the first offer."),
    ] = None
    offers_made: Annotated[int, Doc("Offers made.")] = 0
    offers_accepted: Annotated[int, Doc("Offers accepted.")] = 0
    offers_declined: Annotated[int, Doc("Offers declined.")] = 0
    offers_expired: Annotated[int, Doc("Offers that ran out in silence.")] = 0
    offers_withdrawn: Annotated[int, Doc("Offers taken back.")] = 0
    waves: Annotated[int, Doc("Highest wave of offers.")] = 0
    first_offered_at: Annotated[datetime | None, Doc("First offer, UTC.")] = None
    first_matched_at: Annotated[
        datetime | None, Doc("First time a volunteer was found, UTC; kept when released.")
    ] = None
    matched_at: Annotated[
        datetime | None, Doc("When the present volunteer was found, UTC; null when there is none.")
    ] = None
    volunteer_id: Annotated[str | None, Doc("The present volunteer; null when there is none.")] = (
        None
    )
    minutes: Annotated[
        int | None,
        Doc(
            "The volunteer's whole time in minutes: travel, escort, waiting, the appointment and"
            " the way back."
        ),
    ] = None
    times_released: Annotated[int, Doc("Times a match was undone.")] = 0
    release_reason: Annotated[str | None, Doc("Why the latest match was undone.")] = None
    escalated_at: Annotated[datetime | None, Doc("Latest escalation, UTC.")] = None
    escalated_reason: Annotated[
        str | None, Doc("nobody_available, nobody_answered or too_late.")
    ] = None
    escalated_asked: Annotated[
        int | None, Doc("Volunteers asked before the latest escalation.")
    ] = None


APPOINTMENT = Projection("appointment", AppointmentRow)


def _planned(
    row: AppointmentRow, event: AppointmentBooked | AppointmentRescheduled, time: datetime
) -> None:
    row.referral_id = event.referral_id
    row.citizen_id = event.citizen_id
    row.state = "booked"
    row.starts_at, row.ends_at, row.location_id = event.starts_at, event.ends_at, event.location_id
    row.booked_at = row.booked_at or time
    row.closed_at = None


@APPOINTMENT.on(AppointmentBooked)
def _booked(row: AppointmentRow, event: AppointmentBooked, time: datetime) -> None:
    _planned(row, event, time)


@APPOINTMENT.on(AppointmentRescheduled)
def _rescheduled(row: AppointmentRow, event: AppointmentRescheduled, time: datetime) -> None:
    _planned(row, event, time)
    row.times_rescheduled += 1


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
