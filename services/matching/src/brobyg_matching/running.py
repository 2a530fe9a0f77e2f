"""Carries out batches of events and of timers: load what is touched once, apply in order in memory, write once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.timers import DueTimer

from brobyg_matching.batch import Batch, Read
from brobyg_matching.domain import transitions
from brobyg_matching.domain.match import PROMISED, WAVE, Change, Context, Match
from brobyg_matching.domain.world import Roster, World
from brobyg_matching.handlers import CONSUMES
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Store

#: When a timer finds its match held by somebody else it comes back this much later.
COME_BACK = timedelta(seconds=10)

#: Events applied before others in this process get a turn.
BREATH = 100

Step = Callable[[Match, Context], Change | None]

_BY_TYPE = {kind.EVENT_TYPE: reaction for kind, reaction in CONSUMES.items()}


class Running:
    """The service's reactions to events and to time, on a store."""

    def __init__(self, store: Store, metrics: MatchingMetrics) -> None:
        """Keeps nothing of its own."""
        self._store, self._metrics = store, metrics

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Apply a batch in its order, all or nothing. Types that the table does not name have no effect here.

        Raises UndecodableEvent, UnknownReferral, and whatever the database raises.
        """
        reads = [_BY_TYPE[event.type].read(event) for event in events if event.type in _BY_TYPE]
        if not reads:
            return
        touched = await self._store.load(
            tx,
            {read.referral_id for read in reads},
            {read.appointment_id for read in reads if read.appointment_id is not None},
            {read.referral_id for read in reads if read.touches_all},
        )
        batch = Batch(
            tx.clock.now(), touched.referrals, touched.matches, await self._world(tx, reads)
        )
        changes: list[tuple[Change, Event | None]] = []
        for number, read in enumerate(reads, 1):
            if number % BREATH == 0:
                await asyncio.sleep(0)  # a long batch must not keep those waiting who ask over HTTP
            changes += [
                (batch.take(change), read.event)
                for change in read.apply(batch)
                if change is not None
            ]
        await self._store.save(tx, batch.changed_referrals.values(), changes)
        self._metrics.observe(change for change, _ in changes)

    async def _world(self, tx: Transaction, reads: Sequence[Read]) -> World:
        """The world, where an event of the batch may start a search; an empty one where none does."""
        searches = [read.searches for read in reads if read.searches is not None]
        if not searches:
            return World(Roster(()))
        days = sorted({search.starts_at.astimezone(LOCAL_ZONE).date() for search in searches})
        return await self._store.world(tx, {search.citizen_id for search in searches}, days)

    async def waves_over(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """The time of these waves is over. A search that somebody holds this instant is looked at again a moment later."""
        subjects = [timer.subject for timer in timers]
        for held in await self._move(tx, subjects, transitions.wave_over):
            tx.schedule(WAVE, held, tx.now + COME_BACK)

    async def promises_made(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """These volunteers have promised something: what is open to them and can't be any more is withdrawn, and those searches go on.

        A question that is being asked this very instant may be missed; it ends with its wave, and a yes to it is refused.
        """
        for timer in timers:
            volunteer_id = timer.subject
            asked = sorted(await self._store.between(tx, volunteer_id, None))
            step = partial(_promised, volunteer_id)
            if await self._move(tx, asked, step):
                tx.schedule(PROMISED, volunteer_id, tx.now + COME_BACK)

    async def _move(self, tx: Transaction, appointment_ids: Sequence[str], step: Step) -> list[str]:
        """Apply the step to these searches, and return those that somebody else holds this instant, untouched.

        Waiting for their locks instead could be for ever: who holds the match may want to move the very timer that is claimed here.
        """
        touched = await self._store.load(tx, (), appointment_ids, (), wait=False)
        if touched.matches:
            matches = touched.matches.values()
            days = sorted({match.starts_at.astimezone(LOCAL_ZONE).date() for match in matches})
            world = await self._store.world(tx, {match.citizen_id for match in matches}, days)
            batch = Batch(tx.now, touched.referrals, touched.matches, world)
            changes: list[tuple[Change, Event | None]] = []
            for match in [
                touched.matches[one] for one in appointment_ids if one in touched.matches
            ]:
                change = step(match, batch.context(match.referral_id))
                if change is not None:
                    changes.append((batch.take(change), None))
            await self._store.save(tx, (), changes)
            self._metrics.observe(change for change, _ in changes)
        return [one for one in appointment_ids if one not in touched.matches]


def _promised(volunteer_id: str, match: Match, context: Context) -> Change | None:
    return transitions.volunteer_promised(match, volunteer_id, context)
