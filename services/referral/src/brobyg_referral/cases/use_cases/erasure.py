"""Erasing a citizen, in one step, and what is kept as a proof of it."""

from collections.abc import Sequence

from brobyg_contracts.events import CitizenErased, CitizenRecorded, ErasureAcknowledged
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.erasure import Erasures, ErasureStatus, status
from brobyg_kit.event import Event
from brobyg_kit.restriction import lift

from brobyg_referral.cases.domain.consent import Actor
from brobyg_referral.cases.ports import (
    CitizenItems,
    CourseStore,
    ReferenceSource,
    ReferralStore,
    RequestStore,
)
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.access import reaches
from brobyg_referral.cases.use_cases.attention import OPENED
from brobyg_referral.cases.use_cases.consents import actor
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.guardians import settle_asked
from brobyg_referral.errors import NoSuchCitizen
from brobyg_referral.people.ports import CitizenStore

#: Reporting is not waited for: it holds the history, which is about ids alone.
ERASURES = Erasures(
    "referral",
    ErasureAcknowledged,
    kinds=(CitizenErased,),
    expected=("matching", "notification"),
    topic=CitizenRecorded.TOPIC,
)


class Erasing:
    """Erases citizens. Every method is one transaction's work.

    Locks as everybody does: the citizen, then referrals by id, then their appointments.
    """

    def __init__(
        self,
        citizens: CitizenStore,
        referrals: ReferralStore,
        requests: RequestStore,
        courses: CourseStore,
        items: CitizenItems,
        reference: ReferenceSource,
        ending: Ending,
    ) -> None:
        """No state of its own."""
        self._citizens, self._referrals, self._requests = citizens, referrals, requests
        self._courses, self._items = courses, items
        self._reference, self._ending = reference, ending

    async def erase(
        self, tx: Transaction, caller: Caller, citizen_id: str, reason: str
    ) -> ErasureStatus:
        """End all that is done for the citizen, destroy all that finds them, and tell everybody.

        Again has no further effect: the first reason stays. Raises NoSuchCitizen for one whom the
        caller may not erase.
        """
        known = await self._citizens.lock(tx, citizen_id)
        if known is None or not await self.may_see(tx, caller, citizen_id):
            raise NoSuchCitizen
        found = await status(tx.connection, citizen_id)
        if found is None:
            told = CitizenErased(citizen_id=citizen_id, reason=reason)
            referrals = await self._referrals.of_citizen(tx, citizen_id)
            by = actor(caller, "erase-citizen", referrals, await self._reference.get(tx))
            await self._destroy(tx, told, None, by)
            await ERASURES.begin(tx, citizen_id, reason, by.subject, tx.now)
            found = await status(tx.connection, citizen_id)
        assert found is not None  # it was begun
        return found

    async def over(self, tx: Transaction, citizen_id: str) -> None:
        """Erase a citizen, locked and not erased yet, whose time is over."""
        told = CitizenErased(citizen_id=citizen_id, reason="retention_over")
        await self._destroy(tx, told, None, None)
        await ERASURES.begin(tx, citizen_id, told.reason, ERASURES.service, tx.now)

    async def again(self, tx: Transaction, event: Event) -> None:
        """Erase whom a restored backup has again; all others do so again too.

        The request is the first one's, which this database does not have.
        """
        told = event.decode(CitizenErased)
        await self._citizens.lock(tx, told.citizen_id)
        await self._destroy(tx, told, event, None)
        await ERASURES.begin(tx, told.citizen_id, told.reason, ERASURES.service, event.time)

    async def may_see(self, tx: Transaction, caller: Caller, citizen_id: str) -> bool:
        """Whether the caller may erase the citizen, and see how far it has come."""
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        reference = await self._reference.get(tx)
        return reaches(caller, "erase-citizen", referrals, reference)

    async def may(self, tx: Transaction, caller: Caller, act: str, citizen_id: str) -> bool:
        """Whether the caller may do this with the citizen's data, by the table of access."""
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        reference = await self._reference.get(tx)
        return reaches(caller, act, referrals, reference, citizen_id)

    async def acknowledged(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Services have deleted what they had. Raises UndecodableEvent."""
        said = [one.decode(ErasureAcknowledged) for one in events]
        await ERASURES.note(tx, [(one.person_id, one.service) for one in said])

    async def _destroy(
        self, tx: Transaction, told: CitizenErased, cause: Event | None, by: Actor | None
    ) -> None:
        citizen_id, reference = told.citizen_id, await self._reference.get(tx)
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        await self._requests.forget(tx, [one.referral_id for one in referrals])
        await self._ending.end_all(tx, citizen_id, reference, "citizen_erased", by)
        await self._courses.forget(tx, citizen_id)
        await attention.settle_silence(tx, [one.referral_id for one in referrals])
        await settle_asked(tx, self._items, citizen_id)
        await attention.settle_opened(tx, await self._items.open_of(tx, OPENED, citizen_id))
        await self._citizens.erase(tx, citizen_id)
        await lift(tx, citizen_id)
        tx.emit(told, subject=citizen_id, cause=cause)
