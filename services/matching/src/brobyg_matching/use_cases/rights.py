"""What a helper may ask: that nothing is done with their data, and that it is erased.

Each ends what was agreed by a timer at once, which waits for nobody: until then what was offered
can't be accepted any more.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from brobyg_contracts import HelperErased as Erased
from brobyg_contracts import HelperRestricted, HelperUnrestricted
from brobyg_kit.database import Database, Transaction
from brobyg_kit.erasure import Erasures, ErasureStatus, status
from brobyg_kit.event import Event
from brobyg_kit.restriction import Restriction, lift, restrict, restriction_of

from brobyg_matching.domain.helper import Helper, erased, restricted, unrestricted
from brobyg_matching.domain.need import CAPACITY, ENDED, RECHECK
from brobyg_matching.domain.neighbours import asked_of
from brobyg_matching.errors import HelperErased, UnknownHelper
from brobyg_matching.use_cases.boards import Boards

#: Whether the caller may change a helper of this department.
Allowed = Callable[[str], bool]
#: An offer that was being made at that very moment is found by then.
AFTERWARDS = timedelta(minutes=1)


class HelperRights:
    """Restricts and erases helpers. Every method may raise one of DATABASE_ERRORS."""

    def __init__(self, database: Database, boards: Boards, erasures: Erasures) -> None:
        """Store the arguments."""
        self._database, self._boards, self._helpers = database, boards, boards.helpers
        self._erasures = erasures

    async def restrict(
        self, helper_id: str, reason: str, actor: str, allowed: Allowed
    ) -> Restriction:
        """Do nothing more with what is known of the helper; all of it is kept.

        Again has no further effect: the first reason stays. Raises UnknownHelper, also where the
        caller is not `allowed` to change them, and HelperErased.
        """
        async with self._database.transaction() as tx:
            helper = await self._known(tx, helper_id, allowed)
            if await restrict(tx, helper_id, reason, actor):
                await self._helpers.update(tx, helper, restricted(helper))
                told = HelperRestricted(helper_id=helper_id, reason=reason)
                tx.emit(told, subject=helper_id)
                _end(tx, helper_id)
            found = await restriction_of(tx, helper_id)
        assert found is not None  # it was stored
        return found

    async def lift(self, helper_id: str, allowed: Allowed) -> None:
        """The helper is as before, and asked again if they are active. Again has no further effect.

        Raises as `restrict`.
        """
        async with self._database.transaction() as tx:
            helper = await self._known(tx, helper_id, allowed)
            if not await lift(tx, helper_id):
                return
            now = unrestricted(helper)
            await self._helpers.update(tx, helper, now)
            tx.emit(HelperUnrestricted(helper_id=helper_id), subject=helper_id)
            if now.status == "active":
                reference = await self._boards.reference(tx)
                for department in map(reference.present_department, now.departments):
                    for one in (department, *asked_of(department, reference)):
                        tx.schedule(CAPACITY, one, tx.now)

    async def erase(
        self, helper_id: str, reason: str, actor: str, allowed: Allowed
    ) -> ErasureStatus:
        """Destroy all that is known of the helper but the id, and tell everybody.

        Again has no further effect: the first reason stays. Raises UnknownHelper, also where the
        caller is not `allowed` to change them.
        """
        async with self._database.transaction() as tx:
            helper = await self._known(tx, helper_id, allowed, erased_too=True)
            found = await status(tx.connection, helper_id)
            if found is None:
                told = Erased(helper_id=helper_id, reason=reason)
                await self._destroy(tx, helper, told, None)
                await self._erasures.begin(tx, helper_id, reason, actor, tx.now)
                found = await status(tx.connection, helper_id)
        assert found is not None  # it was begun
        return found

    async def over(self, tx: Transaction, before: datetime, most: int) -> int:
        """Erase up to `most` who have not been active since before; how many."""
        left = await self._helpers.left(tx, before, most)
        for helper in left.values():
            told = Erased(helper_id=helper.helper_id, reason="retention_over")
            await self._destroy(tx, helper, told, None)
            service = self._erasures.service
            await self._erasures.begin(tx, helper.helper_id, told.reason, service, tx.now)
        return len(left)

    async def again(self, tx: Transaction, event: Event) -> None:
        """Erase whom a restored backup has again; all others do so again too."""
        told = event.decode(Erased)
        helper = (await self._helpers.lock(tx, (told.helper_id,))).get(told.helper_id)
        await self._destroy(tx, helper, told, event)
        service = self._erasures.service
        await self._erasures.begin(tx, told.helper_id, told.reason, service, event.time)

    async def may_see(self, tx: Transaction, helper_id: str, allowed: Allowed) -> bool:
        """Whether the helper is known, and of a department for which it is `allowed`."""
        helper = (await self._helpers.lock(tx, (helper_id,))).get(helper_id)
        return helper is not None and any(map(allowed, helper.departments))

    async def _destroy(
        self, tx: Transaction, helper: Helper | None, told: Erased, cause: Event | None
    ) -> None:
        if helper is not None:
            await self._helpers.erase(tx, helper, erased(helper))
            await lift(tx, helper.helper_id)
            _end(tx, helper.helper_id)
        tx.emit(told, subject=told.helper_id, cause=cause)

    async def _known(
        self, tx: Transaction, helper_id: str, allowed: Allowed, *, erased_too: bool = False
    ) -> Helper:
        helper = (await self._helpers.lock(tx, (helper_id,))).get(helper_id)
        if helper is None or not any(map(allowed, helper.departments)):
            raise UnknownHelper
        if helper.status == "erased" and not erased_too:
            raise HelperErased
        return helper


def _end(tx: Transaction, helper_id: str) -> None:
    """What they were offered and have agreed to ends at once."""
    tx.schedule(ENDED, helper_id, tx.now)
    tx.schedule(RECHECK, helper_id, tx.now + AFTERWARDS)
