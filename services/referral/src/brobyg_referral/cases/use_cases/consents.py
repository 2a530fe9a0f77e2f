"""Giving and withdrawing consent, a scope at a time."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from brobyg_contracts.consent import Consequence, catalogue
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction

from brobyg_referral.cases.domain.consent import (
    Actor,
    Consent,
    TakenConsent,
    check_guardian,
    check_own,
    check_text,
    of_scope,
    scope_named,
    standing,
)
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import ConsentStore, ReferenceSource, ReferralStore
from brobyg_referral.cases.use_cases.access import (
    check_none_active,
    check_unrestricted,
    reaches,
    reaching,
)
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.timers import OWN_CONSENT
from brobyg_referral.errors import CitizenErased, NoSuchReferral, RequestRefused
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.ports import CitizenStore

#: How far a referrer's clock may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


class Consents:
    """What can be done with consent. Every method is one transaction's work.

    Whoever changes consent locks the citizen first and then the referral.
    """

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        consents: ConsentStore,
        ending: Ending,
        reference: ReferenceSource,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._consents = citizens, referrals, consents
        self._ending, self._reference = ending, reference

    async def give(
        self, tx: Transaction, caller: Caller, referral_id: str, taken: TakenConsent
    ) -> Referral:
        """Record consent. No effect while it stands, unless in another text or form now.

        Raises NoSuchReferral, CitizenErased, CitizenRestricted, ReferralActive when it is to the
        help and the citizen has another active referral meanwhile, and RequestRefused where it lies
        in the future or before the withdrawal, another text was in use, or another must give it.
        """
        reference = await self._reference.get(tx)
        referral = await self._lock(tx, caller, "give-consent", referral_id, reference)
        contact = await self._citizens.contact(tx, referral.citizen_id)
        if contact is None:
            raise CitizenErased
        known = await self._consents.of_citizen(tx, referral.citizen_id)
        check(taken, referral.pathway, contact, tx.now)
        by = actor(caller, "give-consent", [referral], reference)
        scope = scope_named(taken.scope, taken.scope_pointer, catalogue())
        earlier = of_scope(known, scope, referral_id)
        stands = standing(earlier)
        if stands:
            check_own(taken, stands, contact)
        if (stands and not taken.renews(stands)) or (taken.implied and earlier):
            return referral
        await check_unrestricted(tx, referral.citizen_id)
        if stands:
            await self._consents.save(tx, replace(stands, replaced_at=tx.now))
            if stands.by_guardian:
                tx.schedule(OWN_CONSENT, referral.citizen_id, tx.now)
            # Events about one consent stay in order, so it stays where it was recorded first.
            await self.record(tx, by, stands.referral_id, referral.citizen_id, taken)
            return referral
        check_not_withdrawn_since(taken, earlier)
        if "help" in scope.allows:
            others = await self._referrals.of_citizen(tx, referral.citizen_id)
            check_none_active(others, referral.pathway, caller, reference)
            referral = referral.give_consent(taken.given_at)
            await self._referrals.save_status(tx, referral)
        await self.record(tx, by, referral_id, referral.citizen_id, taken)
        if "help" in scope.allows and (need := referral.need(referral.department)):
            tx.emit(need.opened(), subject=need.about_id)
        return referral

    async def record(
        self,
        tx: Transaction,
        by: Actor,
        referral_id: str,
        citizen_id: str,
        taken: TakenConsent,
    ) -> None:
        """Store consent that was checked, and tell of it."""
        consent = Consent(
            citizen_id=citizen_id,
            referral_id=referral_id,
            scope=taken.scope,
            given_at=taken.given_at,
            by_guardian=taken.by_guardian,
            text_id=taken.text_id,
            text_version=taken.text_version,
            how=taken.how,
            taken_by=by.subject,
            taken_role=by.role,
        )
        await self._consents.insert(tx, consent)
        if consent.by_guardian:
            tx.schedule(OWN_CONSENT, citizen_id, tx.now)
        tx.emit(consent.given_event(), subject=referral_id)

    async def withdraw(
        self, tx: Transaction, caller: Caller, referral_id: str, scope: str
    ) -> Referral:
        """Withdraw consent. Again has no further effect. See `Ending.end` for what ends with it.

        Raises NoSuchReferral, and RequestRefused for a scope that there is not.
        """
        reference = await self._reference.get(tx)
        referral = await self._lock(tx, caller, "withdraw-consent", referral_id, reference)
        named = scope_named(scope, "path/scope", catalogue())
        known = await self._consents.of_citizen(tx, referral.citizen_id)
        if stands := standing(of_scope(known, named, referral_id)):
            by = actor(caller, "withdraw-consent", [referral], reference)
            await self._ending.end(tx, stands, reference, "consent_withdrawn", by)
        return await self._get(tx, caller, "withdraw-consent", referral_id, reference)

    async def listed(self, tx: Transaction, caller: Caller, referral_id: str) -> list[Consent]:
        """All that was recorded at the referral, and what holds for its citizen wherever it was.

        The oldest record first. Raises NoSuchReferral.
        """
        reference = await self._reference.get(tx)
        referral = await self._get(tx, caller, "read-consent", referral_id, reference)
        known, scopes = await self._consents.of_citizen(tx, referral.citizen_id), catalogue().scopes
        return [
            one
            for one in known
            if one.scope in scopes and one in of_scope([one], scopes[one.scope], referral_id)
        ]

    async def recorded_at(
        self, tx: Transaction, citizen_id: str, referral_ids: Collection[str]
    ) -> list[Consent]:
        """Consents to the help that were recorded at these referrals, the oldest first."""
        known = await self._consents.of_citizen(tx, citizen_id)
        return [
            one
            for one in known
            if one.referral_id in referral_ids and catalogue().allows(one.scope, "help")
        ]

    async def allow(self, tx: Transaction, citizen_id: str, what: Consequence) -> bool:
        """Whether a consent of the citizen that stands allows this."""
        known = await self._consents.of_citizen(tx, citizen_id)
        return any(one.stands and catalogue().allows(one.scope, what) for one in known)

    async def _get(
        self, tx: Transaction, caller: Caller, act: str, referral_id: str, reference: Reference
    ) -> Referral:
        """The referral, as one of the department that has it now. Raises NoSuchReferral."""
        found = await self._referrals.get(tx, referral_id)
        if found is None or not reaches(caller, act, [found], reference):
            raise NoSuchReferral
        return replace(found, department=reference.present_department(found.department))

    async def _lock(
        self, tx: Transaction, caller: Caller, act: str, referral_id: str, reference: Reference
    ) -> Referral:
        """The referral, locked after its citizen."""
        seen = await self._get(tx, caller, act, referral_id, reference)
        await self._citizens.lock(tx, seen.citizen_id)
        await self._referrals.lock(tx, referral_id)
        return await self._get(tx, caller, act, referral_id, reference)


def actor(
    caller: Caller, name: str, referrals: Collection[Referral], reference: Reference
) -> Actor:
    """Who does this to the citizen who has these referrals, and in the role by which they may.

    Raises NoSuchReferral where they may in none.
    """
    role = reaching(caller, name, referrals, reference)
    if role is None:
        raise NoSuchReferral
    return Actor(actor_of(caller.subject), role)


def check(taken: TakenConsent, pathway: str, contact: Contact, now: datetime) -> None:
    """Raise RequestRefused unless it may be recorded as it was taken."""
    scope = scope_named(taken.scope, taken.scope_pointer, catalogue())
    if taken.given_at > now + CLOCK_TOLERANCE:
        raise RequestRefused(
            f"{taken.pointer}/given_at",
            "expected a time that is not in the future: when consent was given",
        )
    day = taken.given_at.astimezone(LOCAL_ZONE).date()
    check_text(taken, catalogue(), pathway, day)
    check_guardian(taken, scope, contact, day)


def check_not_withdrawn_since(taken: TakenConsent, earlier: Sequence[Consent]) -> None:
    """Consent older than its withdrawal is no longer given: a late repeat must not restore it."""
    if any(one.withdrawn_at and taken.given_at < one.withdrawn_at for one in earlier):
        raise RequestRefused(
            f"{taken.pointer}/given_at",
            "expected a time after consent was withdrawn: the citizen must have consented since",
        )
