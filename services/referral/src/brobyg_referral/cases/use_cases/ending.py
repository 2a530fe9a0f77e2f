"""What ends with a referral: its consent, its needs, and what was kept of its appointments."""

from brobyg_contracts.events import ConsentWithdrawn
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.domain.appointment import Announced
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import AppointmentStore, ReferralStore
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.events import need_of
from brobyg_referral.metrics import ReferralMetrics


class Ending:
    """Ends referrals. Citizen and referral are locked."""

    def __init__(
        self, referrals: ReferralStore, appointments: AppointmentStore, metrics: ReferralMetrics
    ) -> None:
        """No state of its own."""
        self._referrals, self._appointments, self._metrics = referrals, appointments, metrics

    async def end(
        self, tx: Transaction, referral: Referral, reference: Reference, reason: str
    ) -> Referral:
        """The referral without consent from now on; no effect where it had none.

        What was kept of the hospital's appointments is deleted, and what the hospital sends from
        now on is dropped. Each open need is closed with `reason`. No appointment.cancelled follows:
        the hospital's appointment is not cancelled.
        """
        withdrawn = referral.withdraw_consent(tx.now)
        if withdrawn is referral:
            return referral
        await self._referrals.save_consent(tx, withdrawn)
        event = ConsentWithdrawn(referral_id=referral.referral_id, citizen_id=referral.citizen_id)
        tx.emit(event, subject=referral.referral_id)
        await self._close_needs(tx, withdrawn, reference, reason)
        tx.after_commit(self._metrics.consents_withdrawn.inc)
        return withdrawn

    async def _close_needs(
        self, tx: Transaction, referral: Referral, reference: Reference, reason: str
    ) -> None:
        appointments = await self._appointments.of_referral(tx, referral.referral_id)
        needs = [
            need_of(one, reference)
            for one in appointments
            if one.state.announced is Announced.BOOKED
        ]
        own = referral.need(referral.department)
        if own and not await restriction_of(tx, referral.citizen_id):  # else closed already
            needs.append(own)
        for need in needs:
            tx.emit(need.closed(reason), subject=need.about_id)
        await attention.settle_all(tx, [one.appointment_id for one in appointments])
        await self._appointments.forget(tx, referral.referral_id)
