"""Erases citizens whose time is over: one a transaction, and nobody whom somebody is busy with."""

from collections.abc import Callable, Iterable
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.domain.retention import Course
from brobyg_referral.cases.ports import CourseStore
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.people.ports import CitizenStore

#: As many are looked at for each who is erased; others may have some of them in hand.
_LOOKED_AT = 20


class CitizensOver:
    """What a timer does each day. It waits for no lock, as it has claimed other timers too."""

    def __init__(self, courses: CourseStore, citizens: CitizenStore, erasing: Erasing) -> None:
        """No state of its own."""
        self._courses, self._citizens, self._erasing = courses, citizens, erasing

    async def ended(self, tx: Transaction, before: datetime, most: int) -> int:
        """Erase up to `most` whose last consent was withdrawn before; how many."""
        found = await self._courses.ended(tx, before, most * _LOOKED_AT)
        return await self._erase(tx, found, most, lambda course: _is(course.ended_at, before))

    async def silent(self, tx: Transaction, before: datetime, most: int) -> int:
        """Erase up to `most` of whom nothing was heard since, though a consent stands; how many."""
        found = await self._courses.silent(tx, before, most * _LOOKED_AT)
        return await self._erase(tx, found, most, lambda course: _is(course.silent_since, before))

    async def _erase(
        self, tx: Transaction, found: Iterable[str], most: int, is_over: Callable[[Course], bool]
    ) -> int:
        erased = 0
        for citizen_id in found:
            if erased == most:
                break
            # Asked again under the locks: a referral may have come since they were found.
            if await self._citizens.lock(tx, citizen_id, wait=False) is not False:
                continue
            if await restriction_of(tx, citizen_id):
                continue
            course = await self._courses.course(tx, citizen_id)
            if course is not None and is_over(course):
                await self._erasing.over(tx, citizen_id)
                erased += 1
        return erased


def _is(at: datetime | None, before: datetime) -> bool:
    return at is not None and at < before
