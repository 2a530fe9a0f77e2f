"""Referring a citizen, giving and withdrawing consent, and access to contact data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from brobyg_contracts import pathways
from brobyg_contracts.events import (
    ConsentGiven,
    Meeting,
    Pathway,
    ReferrerKind,
)
from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.ids import new_id

from brobyg_referral.cases.domain import departments
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import ReferenceSource, ReferralStore
from brobyg_referral.cases.use_cases.access import (
    coordinates,
    may_see,
    organisation_of,
    visible,
)
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.events import referral_created
from brobyg_referral.cases.use_cases.repeats import Keyed, Repeats
from brobyg_referral.cases.use_cases.visits import known_reference
from brobyg_referral.errors import (
    CitizenErased,
    DepartmentDiffers,
    NoSuchCitizen,
    ReferralActive,
    RequestRefused,
)
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.cpr import born
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.record import CitizenRecord
from brobyg_referral.people.ports import CitizenStore

#: How far a referrer's clock may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NewReferral:
    """What a referrer asks."""

    cpr: str
    contact: Contact
    pathway: Pathway
    #: None: the one that is responsible where the citizen lives.
    department: str | None
    referrer_kind: ReferrerKind
    #: As sent, before what a protected address hides is left out.
    record: CitizenRecord
    consent_given_at: datetime
    keyed: Keyed


@dataclass(frozen=True, slots=True)
class ToldContact:
    """How to reach a citizen, as it may be told."""

    contact: Contact
    #: Where the citizen wishes to meet a helper; at the place of care where that is not known.
    meeting: Meeting
    #: The address; None where it is protected or unknown.
    meeting_point: str | None


class Referrals:
    """What can be done with referrals and citizens. Every method is one transaction's work.

    Whoever changes consent locks the citizen first and then the referral.
    """

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        ending: Ending,
        repeats: Repeats,
        reference: ReferenceSource,
        hasher: Hasher,
        metrics: ReferralMetrics,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._ending = citizens, referrals, ending
        self._repeats, self._reference = repeats, reference
        self._hasher, self._metrics = hasher, metrics

    async def create(self, tx: Transaction, caller: Caller, asked: NewReferral) -> Referral:
        """A new referral, active at once. A repeat by Idempotency-Key gets the first one.

        Raises DepartmentDiffers for another department's coordinator, OrganisationMissing,
        ReferralActive while the citizen has an active one of the pathway, RequestRefused for what
        the reference data or the pathways don't have and where consent lies in the future or before
        it was last withdrawn, ReferenceMissing, IdempotencyKeyReused, and CitizenErased for a
        repeat of a request whose citizen was erased meanwhile.
        """
        organisation = organisation_of(caller)
        _check_not_ahead(asked.consent_given_at, tx.now, "/consent/given_at")
        citizen_id = await self._citizens.find_or_add(
            tx, self._hasher.cpr(asked.cpr), new_id(tx.clock), asked.contact
        )
        reference = await known_reference(self._reference, tx)
        if made_id := await self._repeats.made_by(tx, organisation, asked.keyed):
            repeated = await self._referrals.get(tx, made_id)
            if repeated is None or repeated.citizen_id != citizen_id:
                # The same request finds another citizen only when the first was erased: a late
                # repeat must not bring the data back.
                raise CitizenErased
            now = reference.present_department(repeated.department)
            return replace(repeated, department=now)
        department = _department(reference, asked)
        if "referrer" not in caller.roles and not coordinates(caller, [department], reference):
            raise DepartmentDiffers("refer to your own department")
        await self._check_earlier(tx, caller, citizen_id, asked, reference)
        record = await self._renew_citizen(tx, citizen_id, asked, reference)
        referral = Referral(
            referral_id=new_id(tx.clock),
            citizen_id=citizen_id,
            pathway=asked.pathway,
            department=department,
            municipality_code=reference.postcode(record.postcode).municipality_code,
            referrer_kind=asked.referrer_kind,
            organisation=organisation,
            consent_given_at=asked.consent_given_at,
            created_at=tx.now,
        )
        await self._referrals.insert(tx, referral)
        await self._repeats.remember(tx, organisation, asked.keyed, referral.referral_id)
        tx.emit(referral_created(referral), subject=referral.referral_id)
        _tell_consent_given(tx, referral)
        tx.after_commit(self._metrics.referrals.inc)
        return referral

    async def _check_earlier(
        self,
        tx: Transaction,
        caller: Caller,
        citizen_id: str,
        asked: NewReferral,
        reference: Reference,
    ) -> None:
        """Raise ReferralActive or RequestRefused for what the citizen's earlier referrals say."""
        earlier = await self._referrals.of_citizen(tx, citizen_id)
        _check_none_active(earlier, asked.pathway, caller, reference)
        for one in earlier:
            if one.pathway == asked.pathway:
                _check_not_withdrawn_since(asked.consent_given_at, one, "/consent/given_at")

    async def _renew_citizen(
        self, tx: Transaction, citizen_id: str, asked: NewReferral, reference: Reference
    ) -> CitizenRecord:
        """Store what is now known of the citizen, and publish what helpers must know if it is new.

        Returns that, without what a protected address hides.
        """
        known = await self._citizens.contact(tx, citizen_id)
        contact = known.renewed(asked.contact) if known else asked.contact
        record = asked.record.shielded(reference) if contact.is_protected else asked.record
        if record != await self._citizens.record(tx, citizen_id):
            tx.emit(record.event(citizen_id), subject=citizen_id)
        await self._citizens.renew(tx, citizen_id, contact, record, born(asked.cpr))
        return record

    async def get(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """One that the caller may see. Else raises NoSuchReferral, whether or not it exists."""
        reference = await self._reference.get(tx)
        return visible(caller, await self._referrals.get(tx, referral_id), reference)

    async def _lock(
        self, tx: Transaction, caller: Caller, referral_id: str, reference: Reference
    ) -> tuple[Referral, bool]:
        """The referral, locked after its citizen; whether the citizen was erased."""
        seen = visible(caller, await self._referrals.get(tx, referral_id), reference)
        erased = await self._citizens.lock(tx, seen.citizen_id)
        locked = await self._referrals.lock(tx, referral_id)
        return visible(caller, locked, reference), bool(erased)

    async def give_consent(
        self, tx: Transaction, caller: Caller, referral_id: str, at: datetime
    ) -> Referral:
        """Record consent given again. No effect while there is consent.

        Raises NoSuchReferral, ReferralActive when the citizen has another active referral
        meanwhile, CitizenErased, and RequestRefused where it lies in the future or before the
        withdrawal.
        """
        _check_not_ahead(at, tx.now, "/given_at")
        reference = await self._reference.get(tx)
        referral, erased = await self._lock(tx, caller, referral_id, reference)
        given = referral.give_consent(at)
        if given is referral:
            return referral
        if erased:
            raise CitizenErased
        _check_not_withdrawn_since(at, referral, "/given_at")
        others = await self._referrals.of_citizen(tx, referral.citizen_id)
        _check_none_active(others, referral.pathway, caller, reference)
        await self._referrals.save_consent(tx, given)
        _tell_consent_given(tx, given)
        return given

    async def withdraw_consent(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """Withdraw consent. Again has no further effect. Raises NoSuchReferral.

        See `Ending.end` for what ends with it.
        """
        reference = await self._reference.get(tx)
        referral, _ = await self._lock(tx, caller, referral_id, reference)
        return await self._ending.end(tx, referral, reference, "consent_withdrawn")

    async def contact(
        self, tx: Transaction, caller: Caller, citizen_id: str, purpose: str
    ) -> ToldContact:
        """How to reach the citizen, recorded with `purpose` and who asked.

        Told to a service, or to a coordinator of a department that has referred the citizen. Raises
        NoSuchCitizen for an unknown one or another department's, and CitizenErased.
        """
        reference = await self._reference.get(tx)
        if "service" not in caller.roles:
            referrals = await self._referrals.of_citizen(tx, citizen_id)
            if not coordinates(caller, [one.department for one in referrals], reference):
                raise NoSuchCitizen
        contact = await self._citizens.contact(tx, citizen_id)
        if contact is None:
            raise CitizenErased
        await self._citizens.record_access(
            tx, citizen_id, purpose, caller.subject, caller.organisation
        )
        tx.after_commit(self._metrics.contact_reads.inc)
        record = await self._citizens.record(tx, citizen_id)
        wish = record.meeting if record and not contact.is_protected else "at_location"
        return ToldContact(contact, wish, contact.meeting_point(reference))


def _check_none_active(
    referrals: Sequence[Referral], pathway: Pathway, caller: Caller, reference: Reference
) -> None:
    """Raise ReferralActive when one of the pathway is; it is named to who may see it."""
    for one in referrals:
        if (one.pathway, one.status) == (pathway, "active"):
            seen = may_see(caller, one, reference)
            raise ReferralActive(
                f"referral {one.referral_id}" if seen else "made by another organisation"
            )


def _department(reference: Reference, asked: NewReferral) -> str:
    """The id of the department that is to run it. Raises RequestRefused."""
    known = [
        name
        for name, policy in pathways.pathways().items()
        if policy.need.about in ("appointment", "referral")
    ]
    if asked.pathway not in known:
        raise RequestRefused("/pathway", f"expected one of {', '.join(sorted(known))}")
    postcode = reference.postcodes.get(asked.record.postcode)
    if postcode is None or postcode.withdrawn:
        raise RequestRefused("/needs/postcode", "expected a Danish postcode that is in use")
    if asked.department is None:
        found = departments.responsible(reference, asked.record.postcode, asked.pathway)
    else:
        found = departments.named(reference, asked.department, asked.pathway)
    if found is None:
        running = departments.running(reference, asked.pathway)
        raise RequestRefused(
            "/department",
            f"expected a department that runs this pathway: {', '.join(running) or 'none does'}",
        )
    if asked.contact.language not in found.languages:
        written = ", ".join(found.languages)
        raise RequestRefused("/citizen/language", f"expected one that is written there: {written}")
    return found.id


def _check_not_ahead(given_at: datetime, now: datetime, pointer: str) -> None:
    if given_at > now + CLOCK_TOLERANCE:
        raise RequestRefused(
            pointer, "expected a time that is not in the future: when consent was given"
        )


def _check_not_withdrawn_since(given_at: datetime, earlier: Referral, pointer: str) -> None:
    """Consent older than its withdrawal is no longer given: a late repeat must not restore it."""
    if earlier.consent_withdrawn_at is not None and given_at < earlier.consent_withdrawn_at:
        raise RequestRefused(
            pointer,
            "expected a time after consent was withdrawn: the citizen must have consented since",
        )


def _tell_consent_given(tx: Transaction, referral: Referral) -> None:
    """Publish it, and what the referral itself wants from now on."""
    event = ConsentGiven(referral_id=referral.referral_id, citizen_id=referral.citizen_id)
    tx.emit(event, subject=referral.referral_id)
    if need := referral.need(referral.department):
        tx.emit(need.opened(), subject=need.about_id)
