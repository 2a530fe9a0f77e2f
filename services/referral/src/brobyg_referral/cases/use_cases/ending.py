"""What ends with a consent: of that to the help, its needs and what was kept of appointments."""

from dataclasses import replace

from brobyg_contracts.consent import catalogue
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.domain.appointment import Announced
from brobyg_referral.cases.domain.consent import Actor, Consent
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import AppointmentStore, ConsentStore, ReferralStore
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.events import need_of
from brobyg_referral.cases.use_cases.timers import OWN_CONSENT
from brobyg_referral.metrics import ReferralMetrics


class Ending:
    """Ends consents. The citizen is locked."""

    def __init__(
        self,
        referrals: ReferralStore,
        consents: ConsentStore,
        appointments: AppointmentStore,
        metrics: ReferralMetrics,
    ) -> None:
        """No state of its own."""
        self._referrals, self._consents = referrals, consents
        self._appointments, self._metrics = appointments, metrics

    async def end_all(
        self, tx: Transaction, citizen_id: str, reference: Reference, reason: str, by: Actor | None
    ) -> None:
        """Withdraw every consent of the citizen that stands, by referral, and keep nothing."""
        known = await self._consents.of_citizen(tx, citizen_id)
        for one in sorted(known, key=lambda one: one.referral_id):
            if one.stands:
                await self.end(tx, one, reference, reason, by)
        for referral_id in sorted({one.referral_id for one in known}):
            # What a restriction has kept of an earlier one goes too.
            await self._appointments.forget(tx, referral_id)

    async def end(
        self,
        tx: Transaction,
        consent: Consent,
        reference: Reference,
        reason: str,
        by: Actor | None,
    ) -> None:
        """Withdraw a consent that stands, and end what the table says ends with it.

        With that to the help: what was kept of the hospital's appointments is deleted, of somebody
        restricted once that is lifted (GDPR art. 18(2)), and what the hospital sends from now on is
        dropped. Each open need is closed with `reason`. No appointment.cancelled follows: the
        hospital's appointment is not cancelled.
        """
        withdrawn = consent.withdrawn(tx.now, by)
        await self._consents.save(tx, withdrawn)
        tx.emit(withdrawn.withdrawn_event(), subject=consent.referral_id)
        tx.after_commit(self._metrics.consents_withdrawn.inc)
        if consent.by_guardian:
            tx.schedule(OWN_CONSENT, consent.citizen_id, tx.now)
        if not catalogue().ends(consent.scope, "help"):
            return
        referral = await self._referrals.lock(tx, consent.referral_id)
        assert referral is not None  # the consent refers to it
        await self._referrals.save_status(tx, referral.withdraw_consent(tx.now))
        await self._close_needs(tx, referral, reference, reason)

    async def _close_needs(
        self, tx: Transaction, referral: Referral, reference: Reference, reason: str
    ) -> None:
        referral = replace(referral, department=reference.present_department(referral.department))
        appointments = await self._appointments.of_referral(tx, referral.referral_id)
        needs = [
            need_of(one, reference)
            for one in appointments
            if one.state.announced is Announced.BOOKED
        ]
        restricted = await restriction_of(tx, referral.citizen_id)
        own = referral.need(referral.department)
        if own and not restricted:  # else closed already
            needs.append(own)
        for need in needs:
            tx.emit(need.closed(reason), subject=need.about_id)
        await attention.settle_all(tx, [one.appointment_id for one in appointments])
        if not restricted:
            await self._appointments.forget(tx, referral.referral_id)
