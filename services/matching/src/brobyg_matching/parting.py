"""A coordinator blocks two from each other, or pauses a volunteer; what stood open between them ends in the same transaction.

Locks are taken as by an answer: first the matches, then the volunteer. Which matches those are is found before there is a lock, so it is
looked up again under the volunteer's: from there on no answer of theirs can be taken, and one that waits for the lock finds the block.
"""

from collections.abc import Awaitable, Callable

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.database import Database, Transaction

from brobyg_matching.domain import transitions
from brobyg_matching.domain import volunteer as domain
from brobyg_matching.domain.match import Change, Context, Match
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Roster, World
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Partings, Touched

#: Every new attempt means that the volunteer was asked, or answered, within the few milliseconds of the one before.
ATTEMPTS = 8

#: Whether the caller may change this volunteer.
Allowed = Callable[[Volunteer], bool]
_Step = Callable[[Match, str, Context], Change | None]


class UnknownVolunteer(LookupError):
    """There is no such volunteer, or none that the caller may change."""


class UnknownCitizen(LookupError):
    """No referral of such a citizen has been heard of."""


class Busy(Exception):
    """Something new stood between them at every attempt; nothing was changed."""


class _Moved(Exception):
    """Something has come between them since the matches were locked; begin again."""


class Parting:
    """Ends what is open between volunteers and appointments. Raises an asyncpg error or OSError when the database is in the way."""

    def __init__(self, database: Database, store: Partings, metrics: MatchingMetrics) -> None:
        """Keeps nothing of its own."""
        self._database, self._store, self._metrics = database, store, metrics

    async def block(
        self, volunteer_id: str, citizen_id: str, asked_by: str, allowed: Allowed
    ) -> None:
        """Never bring the two together again: questions between them are withdrawn, matches that have not begun are searched anew.

        Again has no further effect. Raises UnknownVolunteer, UnknownCitizen (a slip must not look like a block), Busy.
        """

        async def attempt(tx: Transaction) -> list[Change]:
            touched, _ = await self._lock(tx, volunteer_id, citizen_id, allowed)
            if not await self._store.knows(tx, citizen_id):
                raise UnknownCitizen
            await self._store.block(tx, volunteer_id, citizen_id, asked_by)
            return self._apply(
                tx, touched, volunteer_id, transitions.blocked, await self._world(tx, touched)
            )

        await self._carry_out(attempt)

    async def pause(self, volunteer_id: str, allowed: Allowed) -> Volunteer:
        """Ask the volunteer for nothing new; open questions are withdrawn, what was accepted stands. Again has no further effect.

        Raises UnknownVolunteer, NotReady, Busy.
        """
        paused: list[Volunteer] = []

        async def attempt(tx: Transaction) -> list[Change]:
            touched, volunteer = await self._lock(tx, volunteer_id, None, allowed)
            # Read before the volunteer changes: the store remembers the roster it reads, and this transaction may still come to nothing.
            # The search passes over the volunteer all the same, who has been asked already.
            world = await self._world(tx, touched)
            paused[:] = [domain.paused(volunteer)]
            if volunteer.status != "paused":
                await self._store.pause(tx, paused[0])
            return self._apply(tx, touched, volunteer_id, transitions.volunteer_paused, world)

        await self._carry_out(attempt)
        return paused[0]

    async def _carry_out(self, attempt: Callable[[Transaction], Awaitable[list[Change]]]) -> None:
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction() as tx:
                    changes = await attempt(tx)
                    await self._store.save(tx, (), [(change, None) for change in changes])
            except _Moved:
                continue
            self._metrics.observe(changes)
            return
        raise Busy

    async def _lock(
        self, tx: Transaction, volunteer_id: str, citizen_id: str | None, allowed: Allowed
    ) -> tuple[Touched, Volunteer]:
        between = await self._store.between(tx, volunteer_id, citizen_id)
        touched = await self._store.load(tx, (), between, ())
        volunteer = await self._store.volunteer(tx, volunteer_id)
        if volunteer is None or not allowed(volunteer):
            raise UnknownVolunteer
        if not await self._store.between(tx, volunteer_id, citizen_id) <= touched.matches.keys():
            raise _Moved
        return touched, volunteer

    async def _world(self, tx: Transaction, touched: Touched) -> World:
        matches = touched.matches.values()
        if not matches:
            return World(Roster(()))
        days = sorted({match.starts_at.astimezone(LOCAL_ZONE).date() for match in matches})
        return await self._store.world(tx, {match.citizen_id for match in matches}, days)

    @staticmethod
    def _apply(
        tx: Transaction, touched: Touched, volunteer_id: str, step: _Step, world: World
    ) -> list[Change]:
        changes: list[Change] = []
        for match in touched.matches.values():
            referral = touched.referrals[match.referral_id]
            change = step(
                match, volunteer_id, Context(tx.now, policy_of(referral.pathway), referral, world)
            )
            if change is not None:
                changes.append(change)
        return changes
