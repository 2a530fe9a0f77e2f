"""Restricting a citizen (GDPR art. 18): all is kept, nothing is done until that is lifted."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from brobyg_contracts.events import CitizenRestricted as Restricted
from brobyg_contracts.events import CitizenUnrestricted as Unrestricted
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import Restriction, lift, restrict, restriction_of

from brobyg_referral.cases.domain.appointment import AppointmentChange, take_up, withhold
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import (
    AppointmentStore,
    CitizenItems,
    CourseStore,
    ReferenceSource,
    ReferralStore,
    StoredAppointment,
    WithheldItems,
)
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.access import reaches
from brobyg_referral.cases.use_cases.attention import AttentionChange
from brobyg_referral.cases.use_cases.entered import without_doubles
from brobyg_referral.cases.use_cases.events import need_of, tell_of_appointment
from brobyg_referral.cases.use_cases.guardians import settle_asked
from brobyg_referral.cases.use_cases.timers import OWN_CONSENT
from brobyg_referral.errors import CitizenErased, NoSuchCitizen
from brobyg_referral.people.ports import CitizenStore


class Restricting:
    """Restricts citizens and lifts it. Every method is one transaction's work.

    Locks as everybody does: the citizen, then referrals by id, then their appointments.
    """

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        appointments: AppointmentStore,
        withheld: WithheldItems,
        items: CitizenItems,
        courses: CourseStore,
        reference: ReferenceSource,
    ) -> None:
        """No state of its own."""
        self._withheld, self._items, self._courses = withheld, items, courses
        self._citizens, self._referrals = citizens, referrals
        self._appointments, self._reference = appointments, reference

    async def restrict(
        self, tx: Transaction, caller: Caller, citizen_id: str, reason: str
    ) -> Restriction:
        """Close the citizen's open needs and do nothing more for them; nothing is deleted.

        Again has no further effect: the first reason stays. Raises NoSuchCitizen for one with
        whom the caller may not do this, and CitizenErased.
        """
        active, ended, reference = await self._lock(tx, caller, "restrict-citizen", citizen_id)
        if await restrict(tx, citizen_id, reason, actor_of(caller.subject)):
            for referral in active:
                await self._withhold(tx, referral, reference)
            # Nobody is asked about them meanwhile; that it is lifted is heard of them.
            await attention.settle_silence(tx, [one.referral_id for one in (*active, *ended)])
            await settle_asked(tx, self._items, citizen_id)
            told = Restricted(citizen_id=citizen_id, reason=reason)
            tx.emit(told, subject=citizen_id)
        found = await restriction_of(tx, citizen_id)
        assert found is not None  # it was stored
        return found

    async def lift(self, tx: Transaction, caller: Caller, citizen_id: str) -> None:
        """Go on from what is stored now: what is still to come is told anew.

        What was kept of a referral without consent, which was withdrawn meanwhile, is deleted.
        Again has no further effect. Raises as `restrict`.
        """
        active, ended, reference = await self._lock(
            tx, caller, "lift-citizen-restriction", citizen_id
        )
        if await lift(tx, citizen_id):
            tx.emit(Unrestricted(citizen_id=citizen_id), subject=citizen_id)
            await self._courses.lifted(tx, citizen_id)
            for referral in ended:
                await self._appointments.forget(tx, referral.referral_id)
            await self._take_up(tx, active, reference)
            tx.schedule(OWN_CONSENT, citizen_id, tx.now)

    async def _lock(
        self, tx: Transaction, caller: Caller, act: str, citizen_id: str
    ) -> tuple[list[Referral], list[Referral], Reference]:
        """The citizen's referrals with consent and without, each of its present department."""
        erased = await self._citizens.lock(tx, citizen_id)
        reference = await self._reference.get(tx)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        if erased is None or not reaches(caller, act, referrals, reference):
            raise NoSuchCitizen
        if erased:
            raise CitizenErased
        locked = [
            await self._referrals.lock(tx, one)
            for one in sorted(one.referral_id for one in referrals)
        ]
        present = [
            replace(one, department=reference.present_department(one.department))
            for one in locked
            if one is not None
        ]
        active = [one for one in present if one.status == "active"]
        return active, [one for one in present if one not in active], reference

    async def _withhold(self, tx: Transaction, referral: Referral, reference: Reference) -> None:
        appointments = await self._appointments.of_referral(tx, referral.referral_id)
        withheld: list[StoredAppointment] = []
        for stored in appointments:
            state = withhold(stored.state, tx.now)
            if state is not stored.state:
                need = need_of(stored, reference)
                tx.emit(need.closed("restricted"), subject=need.about_id)
                withheld.append(replace(stored, state=state))
        await self._appointments.save(tx, withheld, ())
        about = [one.appointment_id for one in appointments]
        await attention.withhold_all(tx, self._withheld, about)
        if own := referral.need(referral.department):
            tx.emit(own.closed("restricted"), subject=own.about_id)

    async def _take_up(
        self, tx: Transaction, referrals: Sequence[Referral], reference: Reference
    ) -> None:
        stored = [
            one
            for referral in referrals
            for one in await self._appointments.of_referral(tx, referral.referral_id)
        ]
        before = {one.appointment_id: one for one in stored}
        kept = await self._withheld.take(tx, before)
        changed: list[StoredAppointment] = []
        looked_at: list[AttentionChange] = []
        for one in without_doubles(stored, tx.now):
            found = take_up(one.state, tx.now)
            now, was = replace(one, state=found.appointment), before[one.appointment_id]
            if now != was:
                changed.append(now)
            if found.change:
                tell_of_appointment(tx, found.change, now, reference)
            kinds = {kind for kind, about in kept if about == now.appointment_id}
            if now.is_entered and not was.is_entered:
                kinds.add("entered_appointment_changed")
            looked_at += _still_needed(now, found.change, kinds)
        await self._appointments.save(tx, changed, ())
        await attention.tell(tx, looked_at, reference)
        for referral in referrals:
            if own := referral.need(referral.department):
                tx.emit(own.opened(), subject=own.about_id)


def _still_needed(
    now: StoredAppointment, change: AppointmentChange | None, kinds: Collection[str]
) -> list[AttentionChange]:
    """What a coordinator would have been told meanwhile and is so still."""
    content = now.state.content
    found = []
    if content.is_declined:
        found.append(AttentionChange("patient_declined", now, needed=True, cause=None))
    if "cancelled_for_another" in kinds and content.is_cancelled:
        found.append(AttentionChange("cancelled_for_another", now, needed=True, cause=None))
    if "refused_for_another" in kinds and not content.is_over:
        found.append(AttentionChange("refused_for_another", now, needed=True, cause=None))
    took_place = content.is_over and not content.is_cancelled
    if "entered_appointment_changed" in kinds and not (content.is_declined or took_place):
        reason = f"appointment_{change or 'cancelled'}"
        found.append(AttentionChange("entered_appointment_changed", now, True, None, (reason,)))
    return found
