"""Referring a citizen, consent given and withdrawn, and telling who may know how to reach somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from brobyg_contracts import ConsentGiven, ConsentWithdrawn, Needs, ReferralCreated
from brobyg_contracts.places import POSTCODES
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.ids import new_id
from brobyg_kit.problems import NOT_FOUND, FieldError, Problem

from brobyg_referral.adapters.citizens import Citizens, Referrals
from brobyg_referral.adapters.secrets import Hasher
from brobyg_referral.domain.contact import Contact
from brobyg_referral.domain.referral import Pathway, Referral, ReferrerKind, shielded
from brobyg_referral.metrics import ReferralMetrics

#: How far a referrer's clock may be ahead of ours.
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NewReferral:
    """What a referrer asks. `needs` are as told, before protection is heeded; `fingerprint` is the request's bytes in one agreed form, to know a repeat by."""

    cpr: str
    contact: Contact
    pathway: Pathway
    department: str
    referrer_kind: ReferrerKind
    needs: Needs
    consent_given_at: datetime
    idempotency_key: str | None
    fingerprint: bytes


class ReferralDesk:
    """What can be done with referrals. Every method is one transaction's work and raises Problem when it is refused."""

    def __init__(
        self, citizens: Citizens, referrals: Referrals, hasher: Hasher, metrics: ReferralMetrics
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._hasher, self._metrics = (
            citizens,
            referrals,
            hasher,
            metrics,
        )

    async def create(self, tx: Transaction, caller: Caller, asked: NewReferral) -> Referral:
        """A new referral, active at once. A repeat by Idempotency-Key gets the first one. 403 for another department's coordinator, 409 while the citizen
        has an active one of the pathway, 422 where consent lies in the future or before it was last withdrawn.
        """
        organisation = _organisation(caller)
        if "referrer" not in caller.roles and not _coordinates(caller, [asked.department]):
            raise Problem(403, "This is another department's", "refer to your own department")
        _check_given(asked.consent_given_at, tx.clock.now(), "/consent/given_at")
        citizen_id = await self._citizens.lock(
            tx, self._hasher.cpr(asked.cpr), new_id(tx.clock), asked.contact
        )
        if repeated := await self._repeated(tx, organisation, asked):
            if repeated.citizen_id != citizen_id:
                # The same request finds another citizen only when the first was erased: a late repeat must not bring the data back.
                raise _erased()
            return repeated
        if active := await self._referrals.active_of(tx, citizen_id, asked.pathway):
            whose = (
                f"referral {active.referral_id}"
                if may_see(caller, active)
                else "made by another organisation"
            )
            raise Problem(409, "The citizen has an active referral of this pathway already", whose)
        for earlier in await self._referrals.of_citizen(tx, citizen_id):
            if earlier.pathway == asked.pathway:
                _check_still_said(
                    asked.consent_given_at, earlier.consent_withdrawn_at, "/consent/given_at"
                )
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
            created_at=tx.clock.now(),
        )
        await self._referrals.insert(tx, referral)
        if asked.idempotency_key:
            key_hash = self._hasher.idempotency_key(asked.idempotency_key)
            request_hash = self._hasher.request(asked.fingerprint)
            await self._referrals.remember(
                tx, organisation, key_hash, request_hash, referral.referral_id, referral.created_at
            )
        tx.emit(_created(referral), subject=referral.referral_id)
        tx.emit(
            ConsentGiven(referral_id=referral.referral_id, citizen_id=citizen_id),
            subject=referral.referral_id,
        )
        self._metrics.referrals.inc()
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
            raise Problem(
                422,
                "This Idempotency-Key was used for another request",
                "use a new key for a new referral",
            )
        return await self._referrals.get(tx, referral_id)

    async def get(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """One that the caller may see; 404 otherwise, whether or not it exists."""
        referral = await self._referrals.get(tx, referral_id)
        if referral is None or not may_see(caller, referral):
            raise Problem(404, "There is no such referral")
        return referral

    async def give_consent(
        self, tx: Transaction, caller: Caller, referral_id: str, at: datetime
    ) -> Referral:
        """The citizen says yes again. No effect while consent is there; 409 when the citizen has another active referral meanwhile,
        410 when the citizen's data was erased, 422 where it lies in the future or before the no.
        """
        _check_given(at, tx.clock.now(), "/given_at")
        referral = await self.get(tx, caller, referral_id)
        given = referral.give_consent(at)
        if given is referral:
            return referral
        if await self._citizens.is_erased(tx, referral.citizen_id):
            raise _erased()
        _check_still_said(at, referral.consent_withdrawn_at, "/given_at")
        if await self._referrals.active_of(tx, referral.citizen_id, referral.pathway):
            raise Problem(409, "The citizen has another active referral of this pathway")
        await self._referrals.save_consent(tx, given)
        tx.emit(
            ConsentGiven(referral_id=given.referral_id, citizen_id=given.citizen_id),
            subject=given.referral_id,
        )
        return given

    async def withdraw_consent(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """The citizen says no: what was kept of the hospital's appointments is deleted, and what the hospital sends from now on is dropped.

        No appointment.cancelled follows: the hospital's appointment stands, and consent.withdrawn itself releases whoever would have come along.
        """
        referral = await self.get(tx, caller, referral_id)
        withdrawn = referral.withdraw_consent(tx.clock.now())
        if withdrawn is referral:
            return referral
        await self._referrals.save_consent(tx, withdrawn)
        await self._referrals.forget_appointments(tx, referral_id)
        tx.emit(
            ConsentWithdrawn(referral_id=referral_id, citizen_id=referral.citizen_id),
            subject=referral_id,
        )
        self._metrics.consents_withdrawn.inc()
        return withdrawn

    async def erase(self, tx: Transaction, caller: Caller, citizen_id: str) -> None:
        """Delete what names the citizen. No effect when it was done before. 404 unless a department of the caller's has referred the citizen, 409 while a
        referral is active: withdrawing consent is what releases whoever would have come along, and what forgets the appointments.
        """
        erased = await self._citizens.is_erased(tx, citizen_id)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        if erased is None or not _coordinates(caller, [one.department for one in referrals]):
            raise _no_such_citizen()
        if any(one.status == "active" for one in referrals):
            raise Problem(
                409,
                "The citizen has an active referral",
                "withdraw the consent of each referral first",
            )
        if not erased:
            await self._citizens.erase(tx, citizen_id)

    async def contact(
        self, tx: Transaction, caller: Caller, citizen_id: str, purpose: str
    ) -> Contact:
        """How to reach the citizen, recorded with `purpose` and who asked: a service, or a coordinator of a department that has referred the citizen.
        404 unknown or another department's, 410 erased.
        """
        if "service" not in caller.roles:
            referrals = await self._referrals.of_citizen(tx, citizen_id)
            if not _coordinates(caller, [one.department for one in referrals]):
                raise _no_such_citizen()
        try:
            contact = await self._citizens.contact(tx, citizen_id)
        except LookupError:
            raise _no_such_citizen() from None
        if contact is None:
            raise _erased()
        await self._citizens.record_access(
            tx, citizen_id, purpose, caller.subject, caller.organisation
        )
        self._metrics.contact_reads.inc()
        return contact


def may_see(caller: Caller, referral: Referral) -> bool:
    """Referrers of the organisation that referred, and coordinators of the department that runs it, which may share its organisation with others; one
    whose token names no department is head office and sees all.
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


def _check_given(given_at: datetime, now: datetime, pointer: str) -> None:
    if given_at > now + CLOCKS_DIFFER:
        error = FieldError(
            pointer, "expected a time that has been: consent is recorded when it was given"
        )
        raise Problem(422, "Some of what was sent is not as it should be", errors=[error])


def _check_still_said(given_at: datetime, withdrawn_at: datetime | None, pointer: str) -> None:
    """A yes that is older than the no was taken back by it: a late repeat must not bring it to life again."""
    if withdrawn_at is not None and given_at < withdrawn_at:
        error = FieldError(
            pointer,
            "expected a time after consent was withdrawn: the citizen must have said yes since",
        )
        raise Problem(422, "Some of what was sent is not as it should be", errors=[error])


def _no_such_citizen() -> Problem:
    return Problem(404, "There is no such citizen", type=NOT_FOUND)


def _erased() -> Problem:
    return Problem(410, "The citizen's data was erased", type=NOT_FOUND)


def _organisation(caller: Caller) -> str:
    if not caller.organisation:
        raise Problem(
            403,
            "The token names no organisation",
            "a referral belongs to the organisation that makes it",
        )
    return caller.organisation


def _created(referral: Referral) -> ReferralCreated:
    return ReferralCreated(
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        pathway=referral.pathway,
        department=referral.department,
        municipality_code=referral.municipality_code,
        referrer_kind=referral.referrer_kind,
        needs=referral.needs,
    )
