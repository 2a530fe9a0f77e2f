"""Restricting a citizen (GDPR art. 18): all is kept, nothing is done until that is lifted."""

from dataclasses import replace

from brobyg_contracts.events import CitizenRestricted as Restricted
from brobyg_contracts.events import CitizenUnrestricted as Unrestricted
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import Restriction, lift, restrict, restriction_of

from brobyg_referral.cases.domain.appointment import take_up, withhold
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import (
    AppointmentStore,
    ReferenceSource,
    ReferralStore,
    StoredAppointment,
)
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.access import reaches
from brobyg_referral.cases.use_cases.attention import AttentionChange
from brobyg_referral.cases.use_cases.events import need_of, tell_of_appointment
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
        reference: ReferenceSource,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals = citizens, referrals
        self._appointments, self._reference = appointments, reference

    async def restrict(
        self, tx: Transaction, caller: Caller, citizen_id: str, reason: str
    ) -> Restriction:
        """Close the citizen's open needs and do nothing more for them; nothing is deleted.

        Again has no further effect: the first reason stays. Raises NoSuchCitizen for one with
        whom the caller may not do this, and CitizenErased.
        """
        active, reference = await self._lock(tx, caller, "restrict-citizen", citizen_id)
        if await restrict(tx, citizen_id, reason, actor_of(caller.subject)):
            for referral in active:
                await self._withhold(tx, referral, reference)
            told = Restricted(citizen_id=citizen_id, reason=reason)
            tx.emit(told, subject=citizen_id)
        found = await restriction_of(tx, citizen_id)
        assert found is not None  # it was stored
        return found

    async def lift(self, tx: Transaction, caller: Caller, citizen_id: str) -> None:
        """Go on from what is stored now: what is still to come is told anew.

        Again has no further effect. Raises as `restrict`.
        """
        active, reference = await self._lock(tx, caller, "lift-citizen-restriction", citizen_id)
        if await lift(tx, citizen_id):
            tx.emit(Unrestricted(citizen_id=citizen_id), subject=citizen_id)
            for referral in active:
                await self._take_up(tx, referral, reference)

    async def _lock(
        self, tx: Transaction, caller: Caller, act: str, citizen_id: str
    ) -> tuple[list[Referral], Reference]:
        """The citizen's referrals with consent, each as one of the department that has it now."""
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
        return [
            replace(one, department=reference.present_department(one.department))
            for one in locked
            if one is not None and one.status == "active"
        ], reference

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
        await attention.settle_all(tx, [one.appointment_id for one in appointments])
        if own := referral.need(referral.department):
            tx.emit(own.closed("restricted"), subject=own.about_id)

    async def _take_up(self, tx: Transaction, referral: Referral, reference: Reference) -> None:
        changed: list[StoredAppointment] = []
        declined: list[AttentionChange] = []
        for stored in await self._appointments.of_referral(tx, referral.referral_id):
            found = take_up(stored.state, tx.now)
            now = replace(stored, state=found.appointment)
            if found.changed:
                changed.append(now)
            if found.change:
                tell_of_appointment(tx, found.change, now, reference)
            if now.state.content.is_declined:
                declined.append(AttentionChange("patient_declined", now, needed=True, cause=None))
        await self._appointments.save(tx, changed, ())
        await attention.tell(tx, declined, reference)
        if own := referral.need(referral.department):
            tx.emit(own.opened(), subject=own.about_id)
