"""Each referral: who referred, the citizen's consent, and what the hospital has planned.

How the search for helpers went stands with its needs, and is summed over them in a view.
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
    ConsentGiven,
    ConsentWithdrawn,
    ReferralCreated,
)
from brobyg_contracts.consent import HELP_SCOPE, RESEARCH_SCOPE, scope_of
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class ReferralRow(msgspec.Struct, gc=False):
    """One referral, all of it from brobyg.referral.v1 (key referral_id)."""

    referral_id: Annotated[str, Doc("The referral.")]
    citizen_id: Annotated[
        str | None,
        Doc("Opaque id of the citizen; the identity is kept by the referral service only."),
    ] = None
    pathway: Annotated[str | None, Doc("Kind of help.")] = None
    department: Annotated[str | None, Doc("Department that runs the referral.")] = None
    municipality_code: Annotated[
        str | None, Doc("The citizen's municipality (official four-digit code).")
    ] = None
    referrer_kind: Annotated[
        str | None, Doc("Who referred: gp, hospital, municipality, citizen or another.")
    ] = None
    created_at: Annotated[datetime | None, Doc("When it was created, UTC.")] = None
    consent: Annotated[
        Literal["none", "given", "withdrawn"],
        Doc("none, given or withdrawn, to the help that was referred for."),
    ] = "none"
    consent_given_at: Annotated[datetime | None, Doc("Latest time consent was given, UTC.")] = None
    consent_withdrawn_at: Annotated[
        datetime | None, Doc("Latest time consent was withdrawn, UTC.")
    ] = None
    research: Annotated[
        Literal["none", "given", "withdrawn"],
        Doc(
            "none, given or withdrawn, to research, as it was recorded at this referral; it holds"
            " for the citizen, whose latest word is in research_consent."
        ),
    ] = "none"
    research_at: Annotated[datetime | None, Doc("When that was told, UTC.")] = None
    appointments_booked: Annotated[int, Doc("Appointments ever booked.")] = 0
    appointments_rescheduled: Annotated[int, Doc("Times an appointment was moved.")] = 0
    appointments_cancelled: Annotated[int, Doc("Cancellations.")] = 0
    appointments_completed: Annotated[int, Doc("Appointments that took place.")] = 0
    appointments_missed: Annotated[int, Doc("Appointments the citizen did not come to.")] = 0
    changed_at: Annotated[datetime | None, Doc("Time of the referral's own latest event, UTC.")] = (
        None
    )


REFERRAL = Projection("referral", ReferralRow)


@REFERRAL.on(ReferralCreated)
def _created(row: ReferralRow, event: ReferralCreated, time: datetime) -> None:
    row.citizen_id = event.citizen_id
    row.pathway = event.pathway
    row.department = event.department
    row.municipality_code = event.municipality_code
    row.referrer_kind = event.referrer_kind
    row.created_at = row.changed_at = time


@REFERRAL.on(ConsentGiven)
def _consent_given(row: ReferralRow, event: ConsentGiven, time: datetime) -> None:
    row.changed_at = time
    scope = scope_of(event)
    if scope == HELP_SCOPE:
        row.consent, row.consent_given_at = "given", time
    elif scope == RESEARCH_SCOPE:
        row.research, row.research_at = "given", time


@REFERRAL.on(ConsentWithdrawn)
def _consent_withdrawn(row: ReferralRow, event: ConsentWithdrawn, time: datetime) -> None:
    row.changed_at = time
    scope = scope_of(event)
    if scope == HELP_SCOPE:
        row.consent, row.consent_withdrawn_at = "withdrawn", time
    elif scope == RESEARCH_SCOPE:
        row.research, row.research_at = "withdrawn", time


@REFERRAL.on(AppointmentBooked)
def _booked(row: ReferralRow, event: AppointmentBooked, time: datetime) -> None:
    row.appointments_booked += 1
    row.changed_at = time


@REFERRAL.on(AppointmentRescheduled)
def _rescheduled(row: ReferralRow, event: AppointmentRescheduled, time: datetime) -> None:
    row.appointments_rescheduled += 1
    row.changed_at = time


@REFERRAL.on(AppointmentCancelled)
def _cancelled(row: ReferralRow, event: AppointmentCancelled, time: datetime) -> None:
    row.appointments_cancelled += 1
    row.changed_at = time


@REFERRAL.on(AppointmentCompleted)
def _completed(row: ReferralRow, event: AppointmentCompleted, time: datetime) -> None:
    row.appointments_completed += 1
    row.changed_at = time


@REFERRAL.on(AppointmentMissed)
def _missed(row: ReferralRow, event: AppointmentMissed, time: datetime) -> None:
    row.appointments_missed += 1
    row.changed_at = time
