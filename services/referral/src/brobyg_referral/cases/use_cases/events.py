"""The events that tell of appointments and referrals."""

from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ReferralCreated,
)

from brobyg_referral.cases.domain.appointment import AppointmentChange
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import StoredAppointment

AppointmentEvent = (
    AppointmentBooked
    | AppointmentRescheduled
    | AppointmentCancelled
    | AppointmentCompleted
    | AppointmentMissed
)


def appointment_event(change: AppointmentChange, stored: StoredAppointment) -> AppointmentEvent:
    """The event that tells of `change`; the times and the place are those after it."""
    plan = stored.state.content.plan
    ids = {
        "referral_id": stored.referral.referral_id,
        "citizen_id": stored.referral.citizen_id,
        "appointment_id": stored.appointment_id,
    }
    if change == "cancelled":
        return AppointmentCancelled(**ids)
    if change == "missed":
        return AppointmentMissed(**ids)
    # The domain announces these only with times: app-3 for completed, a complete plan for the
    # others.
    assert plan.starts_at is not None
    assert plan.ends_at is not None
    if change == "completed":
        return AppointmentCompleted(**ids, starts_at=plan.starts_at, ends_at=plan.ends_at)
    assert plan.location_id is not None
    kind = AppointmentBooked if change == "booked" else AppointmentRescheduled
    return kind(**ids, starts_at=plan.starts_at, ends_at=plan.ends_at, location_id=plan.location_id)


def referral_created(referral: Referral) -> ReferralCreated:
    """The event that tells of a new referral."""
    return ReferralCreated(
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        pathway=referral.pathway,
        department=referral.department,
        municipality_code=referral.municipality_code,
        referrer_kind=referral.referrer_kind,
        needs=referral.needs,
    )
