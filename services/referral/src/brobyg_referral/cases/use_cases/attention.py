"""What of an appointment needs a coordinator, and when it no longer does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from brobyg_contracts.events import AttentionClaimed, AttentionRaised, AttentionSettled
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import Attention, actor_of, attention_id
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.retention import WARNED_AHEAD
from brobyg_kit.timers import DueTimer
from msgspec import UNSET

from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import (
    AppointmentStore,
    OpenItems,
    StoredAppointment,
    WithheldItems,
)
from brobyg_referral.cases.use_cases.timers import AGAIN, APPOINTMENT_OVER

#: The patient has declined; it was cancelled, or a change of it was refused, because the message
#: named another patient than it was booked for; the hospital has made it other than somebody
#: entered it here.
AttentionReason: TypeAlias = Literal[
    "patient_declined",
    "cancelled_for_another",
    "refused_for_another",
    "entered_appointment_changed",
]
#: The reasons coded in the event, by kind, where the change has none of its own.
_REASONS: dict[AttentionReason, tuple[str, ...]] = {
    "patient_declined": ("patient_declined",),
    "cancelled_for_another": ("other_patient",),
    "refused_for_another": ("other_patient",),
    "entered_appointment_changed": (),
}
#: An appointment that starts within this time is looked at at once.
_SOON = timedelta(hours=24)
#: Nothing is heard of a citizen, who is erased soon unless something is.
SILENT = "citizen_silent"
#: Somebody whose it was not to see opened in an emergency who the citizen is.
OPENED = "identity_opened"
ATTENTION = Attention("referral", AttentionClaimed, AttentionSettled, "no_longer_so")


@dataclass(frozen=True, slots=True)
class AttentionChange:
    """That an appointment needs a coordinator, or no longer does."""

    kind: AttentionReason
    stored: StoredAppointment
    needed: bool
    cause: Event | None
    #: Coded, where the kind does not say it.
    reasons: tuple[str, ...] = ()


async def tell(tx: Transaction, changes: Sequence[AttentionChange], reference: Reference) -> None:
    """Raise and settle the items; of several changes of one item the last counts."""
    last = {(one.kind, one.stored.appointment_id): one for one in changes}
    needed = [one for one in last.values() if one.needed and not _is_over(one.stored, tx.now)]
    await ATTENTION.raise_(tx, [(_item(one, reference, tx.now), one.cause) for one in needed])
    await ATTENTION.settle_own(
        tx,
        {
            attention_id(kind, about): one.cause
            for (kind, about), one in last.items()
            if not one.needed
        },
    )
    for one in needed:
        ends_at = one.stored.state.content.plan.ends_at
        if ends_at is not None:
            tx.schedule(APPOINTMENT_OVER, one.stored.appointment_id, ends_at)


async def settle_all(tx: Transaction, appointment_ids: Iterable[str]) -> None:
    """Settle whatever these appointments needed."""
    ids = sorted(appointment_ids)
    items = (attention_id(kind, about) for about in ids for kind in _REASONS)
    await ATTENTION.settle_own(tx, dict.fromkeys(items))
    for about in ids:
        tx.unschedule(APPOINTMENT_OVER, about)


async def withhold_all(
    tx: Transaction, withheld: WithheldItems, appointment_ids: Iterable[str]
) -> None:
    """Settle whatever these appointments needed, and keep it until a restriction is lifted."""
    ids = list(appointment_ids)
    items = {attention_id(kind, about): (kind, about) for about in ids for kind in _REASONS}
    await withheld.keep_open(tx, items)
    await settle_all(tx, ids)


async def tell_of_silence(
    tx: Transaction, referrals: Iterable[Referral], reference: Reference
) -> None:
    """Tell the department of each of a citizen's active referrals that they are erased soon."""
    items = [
        AttentionRaised(
            attention_id=attention_id(SILENT, one.referral_id),
            kind=SILENT,
            urgency="later",
            department=reference.present_department(one.department),
            reasons=(SILENT,),
            referral_id=one.referral_id,
            citizen_id=one.citizen_id,
            due_at=tx.now + WARNED_AHEAD,
        )
        for one in referrals
        if one.status == "active"
    ]
    await ATTENTION.raise_(tx, [(one, None) for one in items])


async def settle_silence(tx: Transaction, referral_ids: Iterable[str]) -> None:
    """The citizen of these referrals is silent no longer, or erased."""
    await ATTENTION.settle_own(tx, dict.fromkeys(attention_id(SILENT, one) for one in referral_ids))


async def tell_of_emergency(
    tx: Transaction,
    caller: Caller,
    referrals: Iterable[Referral],
    emergency: str,
    reference: Reference,
) -> None:
    """Tell each of the citizen's departments that somebody else has opened who they are, and why.

    Once for each who does; a second time it is the same item, open anew.
    """
    departments = {reference.present_department(one.department): one for one in referrals}
    items = [
        AttentionRaised(
            attention_id=attention_id(OPENED, one.citizen_id, department, actor_of(caller.subject)),
            kind=OPENED,
            urgency="today",
            department=department,
            reasons=(emergency,),
            citizen_id=one.citizen_id,
        )
        for department, one in sorted(departments.items())
    ]
    await ATTENTION.raise_(tx, [(one, None) for one in items])


async def settle_opened(tx: Transaction, items: Iterable[str]) -> None:
    """The citizen of whom these items tell is erased."""
    await ATTENTION.settle_own(tx, dict.fromkeys(items))


class AppointmentsOver:
    """Settles what appointments needed that are over."""

    def __init__(self, store: AppointmentStore, items: OpenItems) -> None:
        """No state of its own."""
        self._store, self._items = store, items

    async def fire(self, tx: Transaction, due: Sequence[DueTimer]) -> None:
        """The end of these has come, unless they were moved meanwhile. Raises database errors.

        It waits for nobody: whoever has an item may wait for its timer, which is claimed here.
        """
        ids = [one.subject for one in due]
        ends = await self._store.ends_of(tx, ids)
        later = {about: at for about, at in ends.items() if at is not None and at > tx.now}
        items = {
            attention_id(kind, about): about
            for about in ids
            for kind in _REASONS
            if about not in later
        }
        found = await self._items.lock_free(tx, items)
        await ATTENTION.settle_own(tx, {item: None for item in found if found[item]})
        later |= {items[item]: tx.now + AGAIN for item in found if not found[item]}
        for about, at in later.items():
            tx.schedule(APPOINTMENT_OVER, about, at)


def _is_over(stored: StoredAppointment, now: datetime) -> bool:
    ends_at = stored.state.content.plan.ends_at
    return ends_at is not None and ends_at <= now


def _item(change: AttentionChange, reference: Reference, now: datetime) -> AttentionRaised:
    stored = change.stored
    referral, starts_at = stored.referral, stored.state.content.plan.starts_at
    soon = starts_at is not None and starts_at - now < _SOON
    return AttentionRaised(
        attention_id=attention_id(change.kind, stored.appointment_id),
        kind=change.kind,
        urgency="now" if soon else "today",
        department=reference.present_department(referral.department),
        reasons=change.reasons or _REASONS[change.kind],
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        need_id=stored.appointment_id,
        due_at=starts_at or UNSET,
    )
