"""Erases citizens whose time is over: one a transaction, and nobody whom somebody is busy with."""

from collections.abc import Callable, Iterable
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of
from brobyg_kit.retention import WARNED_AHEAD

from brobyg_referral.cases.domain.retention import Course
from brobyg_referral.cases.ports import CourseStore, ReferenceSource, ReferralStore
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.people.ports import CitizenStore

#: As many are looked at for each who is erased; others may have some of them in hand.
_LOOKED_AT = 20


class CitizensOver:
    """What a timer does each day. It waits for no citizen: somebody else may be busy with one."""

    def __init__(
        self,
        courses: CourseStore,
        citizens: CitizenStore,
        referrals: ReferralStore,
        reference: ReferenceSource,
        erasing: Erasing,
    ) -> None:
        """No state of its own."""
        self._courses, self._citizens, self._erasing = courses, citizens, erasing
        self._referrals, self._reference = referrals, reference

    async def ended(self, tx: Transaction, before: datetime, most: int) -> int:
        """Erase up to `most` whose last consent was withdrawn before; how many."""
        found = await self._courses.ended(tx, before, most * _LOOKED_AT)
        return await self._erase(tx, found, most, lambda course: _is(course.ended_at, before))

    async def silent(self, tx: Transaction, before: datetime, most: int) -> int:
        """Erase up to `most` of whom nothing was heard since, though a consent stands; how many.

        Nobody of whom a coordinator was not told in time.
        """
        told = await self._courses.told(tx, tx.now - WARNED_AHEAD, most * _LOOKED_AT)
        return await self._erase(tx, told, most, lambda course: _is(course.silent_since, before))

    async def tell_of_silent(self, tx: Transaction, before: datetime, most: int) -> int:
        """Tell coordinators of up to `most` of whom nothing was heard since; how many.

        Of whom something was heard since they were told, they are told no longer.
        """
        heard = await self._courses.heard(tx, most)
        for citizen_id in heard:
            await attention.settle_silence(tx, await self._of(tx, citizen_id))
        reference, silent = await self._reference.get(tx), []
        for citizen_id in await self._courses.silent(tx, before, most):
            course = await self._free(tx, citizen_id)
            if course is not None and _is(course.silent_since, before):
                await attention.tell_of_silence(tx, course.referrals, reference)
                silent.append(citizen_id)
        await self._courses.tell(tx, silent)
        return max(len(heard), len(silent))

    async def _of(self, tx: Transaction, citizen_id: str) -> list[str]:
        return [one.referral_id for one in await self._referrals.of_citizen(tx, citizen_id)]

    async def _free(self, tx: Transaction, citizen_id: str) -> Course | None:
        """All that was done for the citizen, asked under their locks; None where nothing ends."""
        if await self._citizens.lock(tx, citizen_id, wait=False) is not False:
            return None
        if await restriction_of(tx, citizen_id):
            return None
        return await self._courses.course(tx, citizen_id)

    async def _erase(
        self, tx: Transaction, found: Iterable[str], most: int, is_over: Callable[[Course], bool]
    ) -> int:
        erased = 0
        for citizen_id in found:
            if erased == most:
                break
            # Asked again under the locks: a referral may have come since they were found.
            course = await self._free(tx, citizen_id)
            if course is not None and is_over(course):
                await self._erasing.over(tx, citizen_id)
                erased += 1
        return erased


def _is(at: datetime | None, before: datetime) -> bool:
    return at is not None and at < before
