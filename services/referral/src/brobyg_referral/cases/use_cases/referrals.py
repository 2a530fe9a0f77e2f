"""Referring a citizen, giving and withdrawing consent, erasure, and access to contact data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from brobyg_contracts import ConsentGiven, ConsentWithdrawn, Needs, Pathway, ReferrerKind
from brobyg_contracts.places import POSTCODES
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.ids import new_id

from brobyg_referral.cases.domain.referral import Referral, shielded
from brobyg_referral.cases.ports import AppointmentStore, CitizenStore, ReferralStore
from brobyg_referral.cases.use_cases.events import referral_created
from brobyg_referral.errors import (
    CitizenActive,
    CitizenErased,
    ConsentTimeRefused,
    DepartmentDiffers,
    IdempotencyKeyReused,
    NoSuchCitizen,
    NoSuchReferral,
    OrganisationMissing,
    ReferralActive,
)
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.hashing import Hasher

#: How far a referrer's clock may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NewReferral:
    """What a referrer asks."""

    cpr: str
    contact: Contact
    pathway: Pathway
    department: str
    referrer_kind: ReferrerKind
    #: As sent, before what a protected address hides is left out.
    needs: Needs
    consent_given_at: datetime
    idempotency_key: str | None
    #: The request in canonical form, by which a repeat is recognised.
    fingerprint: bytes


class Referrals:
    """What can be done with referrals and citizens. Every method is one transaction's work.

    Whoever changes consent locks the citizen first and then the referral.
    """

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        appointments: AppointmentStore,
        hasher: Hasher,
        metrics: ReferralMetrics,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._appointments = citizens, referrals, appointments
        self._hasher, self._metrics = hasher, metrics

    async def create(self, tx: Transaction, caller: Caller, asked: NewReferral) -> Referral:
        """A new referral, active at once. A repeat by Idempotency-Key gets the first one.

        Raises DepartmentDiffers for another department's coordinator, OrganisationMissing,
        ReferralActive while the citizen has an active one of the pathway, ConsentTimeRefused where
        consent lies in the future or before it was last withdrawn, IdempotencyKeyReused, and
        CitizenErased for a repeat of a request whose citizen was erased meanwhile.
        """
        organisation = _organisation(caller)
        if "referrer" not in caller.roles and not _coordinates(caller, [asked.department]):
            raise DepartmentDiffers("refer to your own department")
        _check_not_ahead(asked.consent_given_at, tx.now)
        citizen_id = await self._citizens.find_or_add(
            tx, self._hasher.cpr(asked.cpr), new_id(tx.clock), asked.contact
        )
        if repeated := await self._repeated(tx, organisation, asked):
            if repeated.citizen_id != citizen_id:
                # The same request finds another citizen only when the first was erased: a late
                # repeat must not bring the data back.
                raise CitizenErased
            return repeated
        earlier = await self._referrals.of_citizen(tx, citizen_id)
        if active := _active(earlier, asked.pathway):
            seen = may_see(caller, active)
            raise ReferralActive(
                f"referral {active.referral_id}" if seen else "made by another organisation"
            )
        for one in earlier:
            if one.pathway == asked.pathway:
                _check_not_withdrawn_since(asked.consent_given_at, one)
        known = await self._citizens.contact(tx, citizen_id)
        contact = known.renewed(asked.contact) if known else asked.contact
        await self._citizens.renew(tx, citizen_id, contact)
        needs = shielded(asked.needs, asked.department) if contact.is_protected else asked.needs
        referral = Referral(
            referral_id=new_id(tx.clock),
            citizen_id=citizen_id,
            pathway=asked.pathway,
            department=asked.department,
            municipality_code=POSTCODES[needs.postcode].municipality_code,
            referrer_kind=asked.referrer_kind,
            organisation=organisation,
            needs=needs,
            consent_given_at=asked.consent_given_at,
            created_at=tx.now,
        )
        await self._referrals.insert(tx, referral)
        if asked.idempotency_key:
            key_hash = self._hasher.idempotency_key(asked.idempotency_key)
            request_hash = self._hasher.request(asked.fingerprint)
            await self._referrals.remember(tx, organisation, key_hash, request_hash, referral)
        tx.emit(referral_created(referral), subject=referral.referral_id)
        _emit_consent_given(tx, referral)
        tx.after_commit(self._metrics.referrals.inc)
        return referral

    async def _repeated(
        self, tx: Transaction, organisation: str, asked: NewReferral
    ) -> Referral | None:
        if not asked.idempotency_key:
            return None
        key_hash = self._hasher.idempotency_key(asked.idempotency_key)
        answered = await self._referrals.answered(tx, organisation, key_hash)
        if answered is None:
            return None
        referral_id, request_hash = answered
        if request_hash != self._hasher.request(asked.fingerprint):
            raise IdempotencyKeyReused("use a new key for a new referral")
        return await self._referrals.get(tx, referral_id)

    async def get(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """One that the caller may see. Else raises NoSuchReferral, whether or not it exists."""
        return _visible(caller, await self._referrals.get(tx, referral_id))

    async def _lock(
        self, tx: Transaction, caller: Caller, referral_id: str
    ) -> tuple[Referral, bool]:
        """The referral, locked after its citizen; whether the citizen was erased."""
        seen = await self.get(tx, caller, referral_id)
        erased = await self._citizens.lock(tx, seen.citizen_id)
        return _visible(caller, await self._referrals.lock(tx, referral_id)), bool(erased)

    async def give_consent(
        self, tx: Transaction, caller: Caller, referral_id: str, at: datetime
    ) -> Referral:
        """Record consent given again. No effect while there is consent.

        Raises NoSuchReferral, ReferralActive when the citizen has another active referral
        meanwhile, CitizenErased, and ConsentTimeRefused where it lies in the future or before the
        withdrawal.
        """
        _check_not_ahead(at, tx.now)
        referral, erased = await self._lock(tx, caller, referral_id)
        given = referral.give_consent(at)
        if given is referral:
            return referral
        if erased:
            raise CitizenErased
        _check_not_withdrawn_since(at, referral)
        if _active(await self._referrals.of_citizen(tx, referral.citizen_id), referral.pathway):
            raise ReferralActive("made after this one")
        await self._referrals.save_consent(tx, given)
        _emit_consent_given(tx, given)
        return given

    async def withdraw_consent(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """Withdraw consent. Again has no further effect. Raises NoSuchReferral.

        What was kept of the hospital's appointments is deleted, and what the hospital sends from
        now on is dropped. No appointment.cancelled follows: the hospital's appointment is not
        cancelled, and consent.withdrawn itself releases the volunteers.
        """
        referral, _ = await self._lock(tx, caller, referral_id)
        withdrawn = referral.withdraw_consent(tx.now)
        if withdrawn is referral:
            return referral
        await self._referrals.save_consent(tx, withdrawn)
        await self._appointments.forget(tx, referral_id)
        event = ConsentWithdrawn(referral_id=referral_id, citizen_id=referral.citizen_id)
        tx.emit(event, subject=referral_id)
        tx.after_commit(self._metrics.consents_withdrawn.inc)
        return withdrawn

    async def erase(self, tx: Transaction, caller: Caller, citizen_id: str) -> None:
        """Delete what names the citizen. No effect when it was done before.

        Raises NoSuchCitizen unless a department of the caller's has referred the citizen, and
        CitizenActive while a referral is active: withdrawing consent is what releases the
        volunteers and deletes the appointments.
        """
        erased = await self._citizens.lock(tx, citizen_id)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        if erased is None or not _coordinates(caller, [one.department for one in referrals]):
            raise NoSuchCitizen
        if any(one.status == "active" for one in referrals):
            raise CitizenActive("withdraw the consent of each referral first")
        if not erased:
            await self._citizens.erase(tx, citizen_id)

    async def contact(
        self, tx: Transaction, caller: Caller, citizen_id: str, purpose: str
    ) -> Contact:
        """How to reach the citizen, recorded with `purpose` and who asked.

        Told to a service, or to a coordinator of a department that has referred the citizen. Raises
        NoSuchCitizen for an unknown one or another department's, and CitizenErased.
        """
        if "service" not in caller.roles:
            referrals = await self._referrals.of_citizen(tx, citizen_id)
            if not _coordinates(caller, [one.department for one in referrals]):
                raise NoSuchCitizen
        contact = await self._citizens.contact(tx, citizen_id)
        if contact is None:
            raise CitizenErased
        await self._citizens.record_access(
            tx, citizen_id, purpose, caller.subject, caller.organisation
        )
        tx.after_commit(self._metrics.contact_reads.inc)
        return contact


def may_see(caller: Caller, referral: Referral) -> bool:
    """Whether the caller may see the referral.

    Referrers of the organisation that referred may, and coordinators of the department that runs
    it, which may share its organisation with others. A coordinator whose token names no department
    is head office and sees all.
    """
    if (
        "referrer" in caller.roles
        and caller.organisation is not None
        and caller.organisation == referral.organisation
    ):
        return True
    return _coordinates(caller, [referral.department])


def _coordinates(caller: Caller, departments: Sequence[str]) -> bool:
    """Whether the caller is a coordinator of one of them, or of head office."""
    return "coordinator" in caller.roles and (
        caller.department is None or caller.department in departments
    )


def _active(referrals: Sequence[Referral], pathway: Pathway) -> Referral | None:
    """The active one of the pathway."""
    return next(
        (one for one in referrals if (one.pathway, one.status) == (pathway, "active")), None
    )


def _visible(caller: Caller, referral: Referral | None) -> Referral:
    if referral is None or not may_see(caller, referral):
        raise NoSuchReferral
    return referral


def _check_not_ahead(given_at: datetime, now: datetime) -> None:
    if given_at > now + CLOCK_TOLERANCE:
        raise ConsentTimeRefused(
            "expected a time that is not in the future: when consent was given"
        )


def _check_not_withdrawn_since(given_at: datetime, earlier: Referral) -> None:
    """Consent older than its withdrawal is no longer given: a late repeat must not restore it."""
    if earlier.consent_withdrawn_at is not None and given_at < earlier.consent_withdrawn_at:
        raise ConsentTimeRefused(
            "expected a time after consent was withdrawn: the citizen must have consented since"
        )


def _organisation(caller: Caller) -> str:
    if not caller.organisation:
        raise OrganisationMissing("a referral belongs to the organisation that makes it")
    return caller.organisation


def _emit_consent_given(tx: Transaction, referral: Referral) -> None:
    event = ConsentGiven(referral_id=referral.referral_id, citizen_id=referral.citizen_id)
    tx.emit(event, subject=referral.referral_id)
