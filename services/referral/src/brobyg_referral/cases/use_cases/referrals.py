"""Referring a citizen, and access to contact data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from brobyg_contracts import pathways
from brobyg_contracts.access import reaching_role
from brobyg_contracts.consent import Consequence
from brobyg_contracts.events import Meeting, Pathway, ReferrerKind
from brobyg_contracts.purposes import purposes
from brobyg_contracts.reference import Reference
from brobyg_kit import access_log
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.errors import PersonKeyLost
from brobyg_kit.ids import new_id
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.domain import departments
from brobyg_referral.cases.domain.consent import Actor, TakenConsent
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import ReferenceSource, ReferralStore
from brobyg_referral.cases.use_cases.access import (
    check_none_active,
    check_unrestricted,
    organisation_of,
    reaches,
    visible,
)
from brobyg_referral.cases.use_cases.attention import tell_of_emergency
from brobyg_referral.cases.use_cases.consents import (
    Consents,
    actor,
    check,
    check_not_withdrawn_since,
)
from brobyg_referral.cases.use_cases.events import referral_created
from brobyg_referral.cases.use_cases.repeats import Keyed, Repeats
from brobyg_referral.cases.use_cases.visits import known_reference
from brobyg_referral.errors import (
    CitizenErased,
    ContactNotConsented,
    ContactRestricted,
    DepartmentDiffers,
    NoSuchCitizen,
    PurposeOfOthers,
    RequestRefused,
)
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.domain.contact import Contact, GuardianRecord
from brobyg_referral.people.domain.cpr import born
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.record import CitizenRecord
from brobyg_referral.people.ports import CitizenStore

#: What a service needs a citizen's contact for: to write to them, or to tell a helper whom to meet.
Use = Literal["write", "meet"]


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
    #: To the help.
    consent: TakenConsent
    #: To what else the citizen has agreed.
    further: Sequence[TakenConsent]
    keyed: Keyed


@dataclass(frozen=True, slots=True)
class ToldContact:
    """How to reach a citizen, as it may be told."""

    contact: Contact
    #: Where the citizen wishes to meet a helper; at the place of care where that is not known.
    meeting: Meeting
    #: The address; None where it is protected or unknown.
    meeting_point: str | None
    #: Whether all of it may be told, and not only what a message needs.
    whole: bool


class Referrals:
    """What can be done with referrals and citizens. Every method is one transaction's work."""

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        consents: Consents,
        repeats: Repeats,
        reference: ReferenceSource,
        hasher: Hasher,
        metrics: ReferralMetrics,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._consents = citizens, referrals, consents
        self._repeats, self._reference = repeats, reference
        self._hasher, self._metrics = hasher, metrics

    async def create(self, tx: Transaction, caller: Caller, asked: NewReferral) -> Referral:
        """A new referral, active at once. A repeat by Idempotency-Key gets the first one.

        Raises DepartmentDiffers for another department's coordinator, OrganisationMissing,
        ReferralActive while the citizen has an active one of the pathway, RequestRefused for what
        the reference data or the pathways don't have and for consent that may not be recorded (see
        `Consents.give`), ReferenceMissing, IdempotencyKeyReused, CitizenRestricted, and
        CitizenErased for a repeat of a request whose citizen was erased meanwhile.
        """
        organisation = organisation_of(caller)
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
        await check_unrestricted(tx, citizen_id)
        department = _department(reference, asked)
        role = reaching_role(
            caller,
            "refer",
            departments=[department],
            organisations=[organisation],
            reference=reference,
        )
        if role is None:
            raise DepartmentDiffers("refer to your own department")
        await self._check_earlier(tx, caller, citizen_id, asked, reference)
        sender = Actor(actor_of(caller.subject), role)
        record = await self._renew_citizen(tx, citizen_id, asked, reference, sender)
        referral = Referral(
            referral_id=new_id(tx.clock),
            citizen_id=citizen_id,
            pathway=asked.pathway,
            department=department,
            municipality_code=reference.postcode(record.postcode).municipality_code,
            referrer_kind=asked.referrer_kind,
            organisation=organisation,
            consent_given_at=asked.consent.given_at,
            created_at=tx.now,
        )
        await self._referrals.insert(tx, referral)
        await self._repeats.remember(tx, organisation, asked.keyed, referral.referral_id)
        tx.emit(referral_created(referral), subject=referral.referral_id)
        by = actor(caller, "give-consent", [referral], reference)
        await self._consents.record(tx, by, referral.referral_id, citizen_id, asked.consent)
        if need := referral.need(referral.department):
            tx.emit(need.opened(), subject=need.about_id)
        for further in asked.further:
            await self._consents.give(tx, caller, referral.referral_id, further)
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
        check_none_active(earlier, asked.pathway, caller, reference)
        of_pathway = [one.referral_id for one in earlier if one.pathway == asked.pathway]
        check_not_withdrawn_since(
            asked.consent, await self._consents.recorded_at(tx, citizen_id, of_pathway)
        )

    async def _renew_citizen(
        self,
        tx: Transaction,
        citizen_id: str,
        asked: NewReferral,
        reference: Reference,
        by: Actor,
    ) -> CitizenRecord:
        """Store what is now known of the citizen, and publish what helpers must know if it is new.

        Returns that, without what a protected address hides. Whose key was lost may have been
        protected, and is from now on. Raises RequestRefused for consent to the help that may not be
        recorded of this citizen.
        """
        try:
            known = await self._citizens.contact(tx, citizen_id)
        except PersonKeyLost:
            contact = msgspec.structs.replace(asked.contact, is_protected=True)
        else:
            _check_guardian_as_recorded(known, asked.contact)
            contact = known.renewed(asked.contact) if known else asked.contact
        if asked.contact.has_guardian and not contact.guardian_records:
            contact = contact.recorded(GuardianRecord(True, tx.now, by.subject, by.role))
        check(asked.consent, asked.pathway, contact, tx.now)
        record = asked.record.shielded(reference) if contact.is_protected else asked.record
        if record != await self._citizens.record(tx, citizen_id):
            tx.emit(record.event(citizen_id), subject=citizen_id)
        await self._citizens.renew(tx, citizen_id, contact, record, born(asked.cpr))
        return record

    async def get(self, tx: Transaction, caller: Caller, referral_id: str) -> Referral:
        """One that the caller may see. Else raises NoSuchReferral, whether or not it exists."""
        reference = await self._reference.get(tx)
        return visible(
            caller, "read-referral", await self._referrals.get(tx, referral_id), reference
        )

    async def contact(
        self,
        tx: Transaction,
        caller: Caller,
        citizen_id: str,
        purpose: str,
        use: Use,
        emergency: str | None = None,
    ) -> ToldContact:
        """How to reach the citizen, recorded with `purpose` and who asked.

        In an `emergency` also for whom it is not theirs to see; the citizen's departments are told.

        Raises NoSuchCitizen for an unknown one or one that is not the caller's to see,
        PurposeOfOthers, CitizenErased, and to who may but reach them ContactRestricted, and
        ContactNotConsented where it is to write to who did not agree to messages, or to help who
        did not agree to the help. Who tells a helper whom to meet gets no address to write to.
        """
        reference = await self._reference.get(tx)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        whole = reaches(caller, "open-citizen-identity", referrals, reference)
        if whole or not reaches(caller, "open-citizen-identity-in-emergency", referrals, reference):
            emergency = None
        whole = whole or emergency is not None
        if not (whole or reaches(caller, "reach-citizen", referrals, reference)):
            raise NoSuchCitizen
        if purpose not in (own := purposes().said_by("person" if whole else "service")):
            raise PurposeOfOthers(f"say one of: {', '.join(own)}")
        contact = await self._citizens.contact(tx, citizen_id)
        if contact is None:
            raise CitizenErased
        if not whole:
            if await restriction_of(tx, citizen_id):
                raise ContactRestricted
            wanted: Consequence = "help" if use == "meet" else "messages"
            if not await self._consents.allow(tx, citizen_id, wanted):
                raise ContactNotConsented
            if use == "meet":
                contact = msgspec.structs.replace(contact, email=None, phone=None)
        await access_log.record(tx, caller, [citizen_id], purpose, emergency)
        if emergency is not None:
            await tell_of_emergency(tx, caller, referrals, emergency, reference)
        tx.after_commit(self._metrics.contact_reads.inc)
        record = await self._citizens.record(tx, citizen_id)
        wish = record.meeting if record and not contact.is_protected else "at_location"
        return ToldContact(contact, wish, contact.meeting_point(reference), whole)


def _check_guardian_as_recorded(known: Contact | None, told: Contact) -> None:
    """Raise RequestRefused where a referral tells of a guardian who is recorded as gone."""
    if known is not None and known.has_guardian is False and told.has_guardian:
        raise RequestRefused(
            "/citizen/has_guardian",
            "expected what is recorded, or nothing: a coordinator records that it has changed",
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
