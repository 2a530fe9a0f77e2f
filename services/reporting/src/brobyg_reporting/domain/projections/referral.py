"""Where each referral stands: who sent it where, whether the citizen says yes, and how much has happened since."""

from datetime import datetime
from typing import Literal

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

from brobyg_reporting.domain.projection import Projection


class ReferralRow(msgspec.Struct, kw_only=False, gc=False):
    """One referral. The three groups are written by the three topics, and no field by two."""

    referral_id: str
    # brobyg.referral.v1
    citizen_id: str | None = None
    pathway: str | None = None
    department: str | None = None
    municipality_code: str | None = None
    referrer_kind: str | None = None
    created_at: datetime | None = None
    consent: Literal["none", "given", "withdrawn"] = "none"
    consent_given_at: datetime | None = None
    consent_withdrawn_at: datetime | None = None
    appointments_booked: int = 0
    appointments_rescheduled: int = 0
    appointments_cancelled: int = 0
    appointments_completed: int = 0
    appointments_missed: int = 0
    referral_changed_at: datetime | None = None
    # brobyg.matching.v1
    offers_made: int = 0
    matches_made: int = 0
    matches_released: int = 0
    escalations: int = 0
    matching_changed_at: datetime | None = None
    # brobyg.notification.v1
    notifications_sent: int = 0
    notifications_failed: int = 0
    notified_at: datetime | None = None


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
