"""What is consumed and what is done on it, and what is emitted.

The table is small because most of what this service does is asked for over HTTP (`entrypoints/` of
each package); what each request emits is in `EMITS` too. The hospital's messages by HTTP and by
Kafka are both taken in by `hospital.use_cases.intake.Intake.take`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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
    CitizenErased,
    CitizenRecorded,
    CitizenRestricted,
    CitizenUnrestricted,
    ConsentGiven,
    ConsentWithdrawn,
    ErasureAcknowledged,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    ReferralCreated,
)
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData
from brobyg_kit.handling import Handler
from brobyg_kit.subscription import BatchHandler

from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.hospital.use_cases.hospital_records import (
    HOSPITAL_TOPIC,
    REJECTED_TOPIC,
    HospitalRecords,
)
from brobyg_referral.reference.domain.entries import KINDS as REFERENCE_KINDS


@dataclass(frozen=True, slots=True)
class Reactions:
    """What can be done on an event."""

    records: HospitalRecords
    erasing: Erasing


#: Handles all the events of its row in a batch.
Function: TypeAlias = Callable[[Reactions, Transaction, Sequence[Event]], Awaitable[None]]


async def records_sent(do: Reactions, tx: Transaction, events: Sequence[Event]) -> None:
    """The hospital has told of appointments."""
    await do.records.take(tx, events)


async def erasure_acknowledged(do: Reactions, tx: Transaction, events: Sequence[Event]) -> None:
    """Services hold nothing more of a citizen who was erased, or of another owner's person."""
    await do.erasing.acknowledged(tx, events)


#: Nothing is loaded before: the intake loads for a request over HTTP in the same way.
HANDLERS: tuple[Handler[Function, None], ...] = (
    Handler(HOSPITAL_TOPIC, records_sent, loads=None),
    Handler(
        ErasureAcknowledged,
        erasure_acknowledged,
        loads=None,
        sources=("matching", "notification"),
    ),
)


def handle_with(reactions: Reactions) -> BatchHandler:
    """The batch handler: each row of the table is given its events, in order.

    No two rows are about the same thing, so their order among each other says nothing. Types that
    are in no row have no effect.
    """

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        for row in HANDLERS:
            kind = row.event if isinstance(row.event, str) else row.event.EVENT_TYPE
            if of_row := [one for one in events if one.type == kind]:
                await row.function(reactions, tx, of_row)

    return handle


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
    CitizenErased,
    CitizenRestricted,
    CitizenUnrestricted,
    *REFERENCE_KINDS.values(),
    REJECTED_TOPIC,
)
