"""Who decides for a citizen: a guardian that is recorded, and the citizen from a certain age on.

What a guardian has consented to stands until the citizen was asked, who decides from then on: the
help goes on, and a coordinator is told on the day (Sundhedsloven § 17).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from brobyg_contracts.consent import catalogue
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.events import AttentionRaised
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of, attention_id
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of
from brobyg_kit.timers import DueTimer

from brobyg_referral.cases.domain.consent import Consent, own_from
from brobyg_referral.cases.ports import (
    CitizenItems,
    ConsentStore,
    ReferenceSource,
    ReferralStore,
)
from brobyg_referral.cases.use_cases.access import check_unrestricted, reaching
from brobyg_referral.cases.use_cases.attention import ATTENTION
from brobyg_referral.cases.use_cases.timers import AGAIN, OWN_CONSENT
from brobyg_referral.errors import CitizenErased, NoSuchCitizen
from brobyg_referral.people.domain.contact import Contact, GuardianRecord
from brobyg_referral.people.ports import UNREADABLE, CitizenStore

#: The kind of the item: a citizen is to be asked whether they consent themself.
KIND = "own_consent_due"
#: After so long it is looked again at one who could not be opened.
_LATER = timedelta(days=1)


class Guardians:
    """Records guardians, and has citizens asked who have come to decide themselves."""

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        consents: ConsentStore,
        items: CitizenItems,
        reference: ReferenceSource,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._consents = citizens, referrals, consents
        self._items, self._reference = items, reference

    async def record(
        self, tx: Transaction, caller: Caller, citizen_id: str, has_guardian: bool
    ) -> None:
        """Record that the citizen has a guardian, or no longer. Again has no further effect.

        Raises NoSuchCitizen, CitizenErased and CitizenRestricted.
        """
        erased = await self._citizens.lock(tx, citizen_id)
        reference = await self._reference.get(tx)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        role = reaching(caller, "record-guardian", referrals, reference)
        if erased is None or role is None:
            raise NoSuchCitizen
        contact = await self._citizens.contact(tx, citizen_id)
        record = await self._citizens.record(tx, citizen_id)
        if contact is None or record is None:
            raise CitizenErased
        if contact.has_guardian == has_guardian:
            return
        await check_unrestricted(tx, citizen_id)
        by = GuardianRecord(has_guardian, tx.now, actor_of(caller.subject), role)
        contact = contact.recorded(by)
        await self._citizens.renew(tx, citizen_id, contact, record, contact.born)
        tx.schedule(OWN_CONSENT, citizen_id, tx.now)

    async def fire(self, tx: Transaction, due: Sequence[DueTimer]) -> None:
        """Raise and settle what is to be asked of these citizens. It waits for no citizen."""
        reference = await self._reference.get(tx)
        for one in due:
            again = await self._look(tx, one.subject, reference)
            if again is not None:
                tx.schedule(OWN_CONSENT, one.subject, again)

    async def _look(
        self, tx: Transaction, citizen_id: str, reference: Reference
    ) -> datetime | None:
        """When to look again; None for never."""
        if await self._citizens.lock(tx, citizen_id, wait=False) is None:
            return tx.now + AGAIN
        if await restriction_of(tx, citizen_id):
            return None  # whoever lifts that has it looked at
        try:
            contact = await self._citizens.contact(tx, citizen_id)
        except UNREADABLE:
            return tx.now + _LATER
        known = await self._consents.of_citizen(tx, citizen_id)
        days = _days(contact, known) if contact else {}
        today = tx.now.astimezone(LOCAL_ZONE).date()
        since = contact.guarded_since if contact else None
        due = {
            attention_id(KIND, referral, str(day), *([since.isoformat()] if since else ())): (
                referral,
                scopes,
            )
            for (referral, day), scopes in days.items()
            if day <= today
        }
        await self._tell(tx, citizen_id, due, reference)
        later = [day for _, day in days if day > today]
        return datetime.combine(min(later), time(), LOCAL_ZONE) if later else None

    async def _tell(
        self,
        tx: Transaction,
        citizen_id: str,
        due: Mapping[str, tuple[str, list[str]]],
        reference: Reference,
    ) -> None:
        """`due` is by the item's id: the referral and the scopes."""
        told = await self._items.open_of(tx, KIND, citizen_id)
        await ATTENTION.settle_own(tx, dict.fromkeys(told - due.keys()))
        settled = await self._items.settled_by(tx, due.keys())
        departments = {
            one.referral_id: reference.present_department(one.department)
            for one in await self._referrals.of_citizen(tx, citizen_id)
        }
        raised = [
            AttentionRaised(
                attention_id=item,
                kind=KIND,
                urgency="today",
                department=departments[referral],
                reasons=tuple(scopes),
                referral_id=referral,
                citizen_id=citizen_id,
            )
            for item, (referral, scopes) in due.items()
            # What somebody has settled is not asked again; an open one says what is so now.
            if settled.get(item, ATTENTION.source) == ATTENTION.source
        ]
        await ATTENTION.raise_(tx, [(one, None) for one in raised])


async def settle_asked(tx: Transaction, items: CitizenItems, citizen_id: str) -> None:
    """Nothing is to be asked of the citizen, locked, who is restricted or erased."""
    await ATTENTION.settle_own(tx, dict.fromkeys(await items.open_of(tx, KIND, citizen_id)))
    tx.unschedule(OWN_CONSENT, citizen_id)


def _days(contact: Contact, known: Sequence[Consent]) -> dict[tuple[str, date], list[str]]:
    """The scopes a guardian agreed to, by referral and the day from which the citizen decides."""
    days: dict[tuple[str, date], list[str]] = {}
    for one in known:
        scope = catalogue().scopes.get(one.scope)
        if one.stands and scope and (day := own_from(one, scope, contact)):
            days.setdefault((one.referral_id, day), []).append(one.scope)
    return days
