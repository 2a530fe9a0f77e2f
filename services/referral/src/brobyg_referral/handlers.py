"""What comes in and what goes out, and the way between: both doors for hospital messages lead to `Intake.take`.

The table is small because most of what this service does is asked for over HTTP (entrypoints/); what each request emits is in `EMITS` too.
"""

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

from brobyg_referral.domain.appointment import Change
from brobyg_referral.ports import Kept

HOSPITAL_TOPIC = "hospital.appointment.v1"
REJECTED_TOPIC = "hospital.appointment.rejected.v1"

#: Topic -> what handles it (`kafka_door.KafkaDoor.handle`, wired in bootstrap.py).
CONSUMES = (HOSPITAL_TOPIC,)
EMITS = (
    ReferralCreated,
    ConsentGiven,
    ConsentWithdrawn,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    REJECTED_TOPIC,
)

AppointmentEvent = (
    AppointmentBooked
    | AppointmentRescheduled
    | AppointmentCancelled
    | AppointmentCompleted
    | AppointmentMissed
)


def event_of(change: Change, kept: Kept) -> AppointmentEvent:
    """The event that tells of `change`; the times and the place are those after it."""
    referral, appointment_id, plan = kept.referral, kept.appointment_id, kept.state.plan
    ids = {
        "referral_id": referral.referral_id,
        "citizen_id": referral.citizen_id,
        "appointment_id": appointment_id,
    }
    if change == "cancelled":
        return AppointmentCancelled(**ids)
    if change == "missed":
        return AppointmentMissed(**ids)
    # The domain announces these only with times (app-3 for completed, a complete plan for the others).
    assert plan.starts_at is not None
    assert plan.ends_at is not None
    if change == "completed":
        return AppointmentCompleted(**ids, starts_at=plan.starts_at, ends_at=plan.ends_at)
    assert plan.location_id is not None
    kind = AppointmentBooked if change == "booked" else AppointmentRescheduled
    return kind(**ids, starts_at=plan.starts_at, ends_at=plan.ends_at, location_id=plan.location_id)
