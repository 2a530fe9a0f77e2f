"""The events that tell of appointments and referrals, and of the needs that they lead to."""

from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ReferralCreated,
)
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_referral.cases.domain.appointment import AppointmentChange
from brobyg_referral.cases.domain.need import Need, NeedEvent
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
    plan = stored.state.announced_plan
    assert plan is not None  # a change is announced with it
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


def tell_of_appointment(
    tx: Transaction,
    change: AppointmentChange,
    stored: StoredAppointment,
    reference: Reference,
    cause: Event | None = None,
) -> None:
    """Publish what has become of an appointment, and of the need for company that it is."""
    referral_id = stored.referral.referral_id
    tx.emit(appointment_event(change, stored), subject=referral_id, cause=cause)
    need = need_of(stored, reference)
    tx.emit(_need_event(change, need), subject=need.about_id, cause=cause)


def need_of(stored: StoredAppointment, reference: Reference) -> Need:
    """What an appointment wants, at the time and place that were last published."""
    referral, plan = stored.referral, stored.state.announced_plan
    return Need(
        about="appointment",
        about_id=stored.appointment_id,
        pathway=referral.pathway,
        department=reference.present_department(referral.department),
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        location_id=plan.location_id if plan else None,
        starts_at=plan.starts_at if plan else None,
        ends_at=plan.ends_at if plan else None,
    )


def _need_event(change: AppointmentChange, need: Need) -> NeedEvent:
    if change == "booked":
        return need.opened()
    if change == "rescheduled":
        return need.changed()
    return need.closed("appointment_cancelled" if change == "cancelled" else change)


def referral_created(referral: Referral) -> ReferralCreated:
    """The event that tells of a new referral."""
    return ReferralCreated(
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        pathway=referral.pathway,
        department=referral.department,
        municipality_code=referral.municipality_code,
        referrer_kind=referral.referrer_kind,
    )
