"""Where each referral stands: who referred, the citizen's consent, how much has happened since."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
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
    NotificationFailed,
    NotificationSent,
    OfferMade,
    ReferralCreated,
    VolunteerMatched,
)
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class ReferralRow(msgspec.Struct, gc=False):
    """One referral. The three groups are written by the three topics, and no field by two."""

    referral_id: Annotated[str, Doc("The referral.")]
    # brobyg.referral.v1
    citizen_id: Annotated[
        str | None,
        Doc("Opaque id of the citizen; the identity is kept by the referral service only."),
    ] = None
    pathway: Annotated[str | None, Doc("Kind of help, e.g. escort.")] = None
    department: Annotated[str | None, Doc("Department that runs the referral.")] = None
    municipality_code: Annotated[
        str | None, Doc("The citizen's municipality (official four-digit code).")
    ] = None
    referrer_kind: Annotated[
        str | None, Doc("Who referred: gp, hospital, municipality or citizen.")
    ] = None
    created_at: Annotated[datetime | None, Doc("When it was created, UTC.")] = None
    consent: Annotated[Literal["none", "given", "withdrawn"], Doc("none, given or withdrawn.")] = (
        "none"
    )
    consent_given_at: Annotated[datetime | None, Doc("Latest time consent was given, UTC.")] = None
    consent_withdrawn_at: Annotated[
        datetime | None, Doc("Latest time consent was withdrawn, UTC.")
    ] = None
    appointments_booked: Annotated[int, Doc("Appointments ever booked.")] = 0
    appointments_rescheduled: Annotated[int, Doc("Times an appointment was moved.")] = 0
    appointments_cancelled: Annotated[int, Doc("Cancellations.")] = 0
    appointments_completed: Annotated[int, Doc("Appointments that took place.")] = 0
    appointments_missed: Annotated[int, Doc("Appointments the citizen did not come to.")] = 0
    referral_changed_at: Annotated[
        datetime | None, Doc("Time of the latest event from the referral service, UTC.")
    ] = None
    # brobyg.matching.v1
    offers_made: Annotated[int, Doc("Offers made to volunteers.")] = 0
    matches_made: Annotated[int, Doc("Times a volunteer was found.")] = 0
    matches_released: Annotated[int, Doc("Times a match was undone.")] = 0
    escalations: Annotated[int, Doc("Times the coordinator was asked to step in.")] = 0
    matching_changed_at: Annotated[
        datetime | None, Doc("Time of the latest offer, match, release or escalation, UTC.")
    ] = None
    # brobyg.notification.v1
    notifications_sent: Annotated[int, Doc("Messages sent about it.")] = 0
    notifications_failed: Annotated[int, Doc("Messages given up for a permanent reason.")] = 0
    notified_at: Annotated[datetime | None, Doc("Time of the latest message sent, UTC.")] = None


REFERRAL = Projection("referral", ReferralRow)


@REFERRAL.on(ReferralCreated)
def _created(row: ReferralRow, event: ReferralCreated, time: datetime) -> None:
    row.citizen_id = event.citizen_id
    row.pathway = event.pathway
    row.department = event.department
    row.municipality_code = event.municipality_code
    row.referrer_kind = event.referrer_kind
    row.created_at = row.referral_changed_at = time


@REFERRAL.on(ConsentGiven)
def _consent_given(row: ReferralRow, event: ConsentGiven, time: datetime) -> None:
    row.consent = "given"
    row.consent_given_at = row.referral_changed_at = time


@REFERRAL.on(ConsentWithdrawn)
def _consent_withdrawn(row: ReferralRow, event: ConsentWithdrawn, time: datetime) -> None:
    row.consent = "withdrawn"
    row.consent_withdrawn_at = row.referral_changed_at = time


@REFERRAL.on(AppointmentBooked)
def _booked(row: ReferralRow, event: AppointmentBooked, time: datetime) -> None:
    row.appointments_booked += 1
    row.referral_changed_at = time


@REFERRAL.on(AppointmentRescheduled)
def _rescheduled(row: ReferralRow, event: AppointmentRescheduled, time: datetime) -> None:
    row.appointments_rescheduled += 1
    row.referral_changed_at = time


@REFERRAL.on(AppointmentCancelled)
def _cancelled(row: ReferralRow, event: AppointmentCancelled, time: datetime) -> None:
    row.appointments_cancelled += 1
    row.referral_changed_at = time


@REFERRAL.on(AppointmentCompleted)
def _completed(row: ReferralRow, event: AppointmentCompleted, time: datetime) -> None:
    row.appointments_completed += 1
    row.referral_changed_at = time


@REFERRAL.on(AppointmentMissed)
def _missed(row: ReferralRow, event: AppointmentMissed, time: datetime) -> None:
    row.appointments_missed += 1
    row.referral_changed_at = time


@REFERRAL.on(OfferMade)
def _offer_made(row: ReferralRow, event: OfferMade, time: datetime) -> None:
    row.offers_made += 1
    row.matching_changed_at = time


@REFERRAL.on(VolunteerMatched)
def _matched(row: ReferralRow, event: VolunteerMatched, time: datetime) -> None:
    row.matches_made += 1
    row.matching_changed_at = time


@REFERRAL.on(MatchReleased)
def _released(row: ReferralRow, event: MatchReleased, time: datetime) -> None:
    row.matches_released += 1
    row.matching_changed_at = time


@REFERRAL.on(MatchEscalated)
def _escalated(row: ReferralRow, event: MatchEscalated, time: datetime) -> None:
    row.escalations += 1
    row.matching_changed_at = time


@REFERRAL.on(NotificationSent)
def _sent(row: ReferralRow, event: NotificationSent, time: datetime) -> None:
    row.notifications_sent += 1
    row.notified_at = time


@REFERRAL.on(NotificationFailed)
def _failed(row: ReferralRow, event: NotificationFailed, time: datetime) -> None:
    row.notifications_failed += 1
