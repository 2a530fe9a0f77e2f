"""A coordinator blocks a volunteer from a citizen, or pauses a volunteer.

What is open between them ends in the same transaction. Locks are taken as by an answer: first the
matches, then the volunteer. Which matches those are is found before anything is locked, and looked
up again under the volunteer's lock: from then on no answer of theirs can be taken, and one that
waits for the lock finds the block.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from brobyg_contracts import VolunteerPaused
from brobyg_kit.database import Database, Transaction

from brobyg_matching.domain import transitions
from brobyg_matching.domain import volunteer as domain
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.errors import ConcurrentChanges, UnknownCitizen, UnknownVolunteer
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Loaded, Matches, Volunteers
from brobyg_matching.use_cases.working_set import about, working_set

#: Each further attempt means that the volunteer was asked, or answered, within the few
#: milliseconds of the one before.
ATTEMPTS = 8

ResultT = TypeVar("ResultT")
#: Whether the caller may change this volunteer.
Allowed = Callable[[Volunteer], bool]


class _Outdated(Exception):
    """Another match came between them after the matches were locked; try again."""


class Restrictions:
    """Blocks and pauses. Every method may raise one of DATABASE_ERRORS."""

    def __init__(
        self, database: Database, store: Matches, volunteers: Volunteers, metrics: MatchingMetrics
    ) -> None:
        """Store the arguments."""
        self._database, self._store, self._volunteers = database, store, volunteers
        self._metrics = metrics

    async def block(
        self, volunteer_id: str, citizen_id: str, asked_by: str, allowed: Allowed
    ) -> None:
        """Never bring the two together again.

        Open offers between them are withdrawn, matches that have not begun are searched anew.
        Again has no further effect. Raises UnknownVolunteer, UnknownCitizen (a mistyped id must
        not look like a block), ConcurrentChanges.
        """

        async def attempt(tx: Transaction) -> None:
            loaded, _ = await self._lock(tx, volunteer_id, citizen_id, allowed)
            if not await self._store.knows_citizen(tx, citizen_id):
                raise UnknownCitizen
            await self._volunteers.block(tx, volunteer_id, citizen_id, asked_by)
            working = await working_set(tx, self._store, loaded)
            working.step(about(volunteer_id, transitions.blocked), loaded.matches.values())
            await working.save(tx, self._store, self._metrics)

        await self._carry_out(attempt)

    async def pause(self, volunteer_id: str, allowed: Allowed) -> Volunteer:
        """Ask the volunteer for nothing new; what was accepted stands. Return them as paused.

        Open offers are withdrawn. Again has no further effect. Raises UnknownVolunteer, NotAllowed,
        ConcurrentChanges.
        """

        async def attempt(tx: Transaction) -> Volunteer:
            loaded, volunteer = await self._lock(tx, volunteer_id, None, allowed)
            # Read before the volunteer changes: the store remembers the roster it reads, and this
            # transaction may still be rolled back. Having been asked, the volunteer is passed over
            # by the search all the same.
            working = await working_set(tx, self._store, loaded)
            paused = domain.paused(volunteer)
            if volunteer.status != "paused":
                await self._volunteers.update(tx, paused)
                tx.emit(VolunteerPaused(volunteer_id=volunteer_id), subject=volunteer_id)
            working.step(about(volunteer_id, transitions.volunteer_paused), loaded.matches.values())
            await working.save(tx, self._store, self._metrics)
            return paused

        return await self._carry_out(attempt)

    async def _carry_out(self, attempt: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
        for _ in range(ATTEMPTS):
            with suppress(_Outdated):
                async with self._database.transaction() as tx:
                    result = await attempt(tx)
                return result
        raise ConcurrentChanges

    async def _lock(
        self, tx: Transaction, volunteer_id: str, citizen_id: str | None, allowed: Allowed
    ) -> tuple[Loaded, Volunteer]:
        found = await self._store.appointments_of(tx, volunteer_id, citizen_id)
        loaded = await self._store.load(tx, appointments=found)
        volunteer = await self._volunteers.lock(tx, volunteer_id)
        if volunteer is None or not allowed(volunteer):
            raise UnknownVolunteer
        if not await self._store.appointments_of(tx, volunteer_id, citizen_id) <= {*loaded.matches}:
            raise _Outdated
        return loaded, volunteer
