"""What is consumed and what is done on it, and what is emitted.

The table is small because most of what this service does is asked for over HTTP (`entrypoints/` of
each package); what each request emits is in `EMITS` too. The hospital's messages by HTTP and by
Kafka are both taken in by `hospital.use_cases.intake.Intake.take`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    AttentionClaimed,
    AttentionRaised,
    AttentionSettled,
    CitizenRecorded,
    ConsentGiven,
    ConsentWithdrawn,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    ReferralCreated,
)
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData
from brobyg_kit.handling import Handler

from brobyg_referral.hospital.use_cases.hospital_records import (
    HOSPITAL_TOPIC,
    REJECTED_TOPIC,
    HospitalRecords,
)
from brobyg_referral.reference.domain.entries import KINDS as REFERENCE_KINDS

#: Takes all the records of a batch.
Function: TypeAlias = Callable[[HospitalRecords, Transaction, Sequence[Event]], Awaitable[None]]

#: Nothing is loaded before: the intake loads for a request over HTTP in the same way.
HANDLERS: tuple[Handler[Function, None], ...] = (
    Handler(HOSPITAL_TOPIC, HospitalRecords.take, loads=None),
)
EMITS: tuple[type[EventData] | str, ...] = (
    ReferralCreated,
    ConsentGiven,
    ConsentWithdrawn,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    NeedOpened,
    NeedChanged,
    NeedClosed,
    AttentionRaised,
    AttentionClaimed,
    AttentionSettled,
    CitizenRecorded,
    *REFERENCE_KINDS.values(),
    REJECTED_TOPIC,
)
