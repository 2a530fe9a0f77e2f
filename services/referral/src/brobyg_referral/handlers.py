"""What is consumed and what is done on it, and what is emitted.

The table is small because most of what this service does is asked for over HTTP (`entrypoints/`);
what each request emits is in `EMITS` too. Both ways in for the hospital's messages, HTTP and Kafka,
lead to `use_cases.intake.Intake.take`.
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
from brobyg_kit.handling import Handler

from brobyg_referral.reference.domain.entries import KINDS as REFERENCE_KINDS
from brobyg_referral.use_cases.hospital_records import (
    HOSPITAL_TOPIC,
    REJECTED_TOPIC,
    HospitalRecords,
)

#: What is done on each record, called with all of a batch. `loads`: what is read for it before.
HANDLERS = (
    Handler(
        HOSPITAL_TOPIC,
        HospitalRecords.take,
        loads=("active referrals, locked", "appointments named"),
    ),
)
EMITS = (
    ReferralCreated,
    ConsentGiven,
    ConsentWithdrawn,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    *REFERENCE_KINDS.values(),
    REJECTED_TOPIC,
)
