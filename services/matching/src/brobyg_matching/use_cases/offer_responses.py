"""A volunteer answers an offer or takes an acceptance back; a coordinator reopens a search.

One transaction under the match's lock; the volunteer is locked after it.
"""

from typing import Literal

from brobyg_kit.database import Database, Transaction

from brobyg_matching.domain import transitions
from brobyg_matching.domain.change import Change
from brobyg_matching.domain.match import PROMISED, Context, Match
from brobyg_matching.errors import DoubleBooking, NotAllowed, UnknownMatch, UnknownOffer
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Matches, Volunteers
from brobyg_matching.use_cases.working_set import Step, working_set

Answer = Literal["accept", "decline"]


class OfferResponses:
    """Takes answers. Of two at the same instant the second finds what the first left."""

    def __init__(
        self, database: Database, store: Matches, volunteers: Volunteers, metrics: MatchingMetrics
    ) -> None:
        """Store the arguments."""
        self._database, self._store, self._volunteers = database, store, volunteers
        self._metrics = metrics

    async def answer(self, offer_id: str, answer: Answer) -> Literal["accepted", "declined"]:
        """Take the answer and return the offer's state; the same answer again has no effect.

        Raises UnknownOffer, NotAllowed when it can't be taken (any more), or one of
        DATABASE_ERRORS.
        """
        state: Literal["accepted", "declined"] = "accepted" if answer == "accept" else "declined"
        try:
            async with self._database.transaction() as tx:
                await self._answer(tx, offer_id, state)
        except DoubleBooking as error:
            self._metrics.refusals.labels("elsewhere").inc()
            raise NotAllowed("elsewhere") from error
        except NotAllowed as error:
            self._metrics.refusals.labels(error.objection).inc()
            raise
        return state

    async def _answer(
        self, tx: Transaction, offer_id: str, state: Literal["accepted", "declined"]
    ) -> None:
        found = await self._store.offer(tx, offer_id)
        if found is None:
            raise UnknownOffer
        offer, loaded = found
        match = loaded.matches[offer.appointment_id]
        if not transitions.check_open(offer, state, tx.now):
            return
        # Locked before the snapshot is read: another answer of theirs may just have been taken.
        volunteer = await self._volunteers.lock(tx, offer.volunteer_id)
        if volunteer is None:
            raise UnknownOffer
        working = await working_set(tx, self._store, loaded)
        context = working.context(match.referral_id)
        if state == "accepted":
            working.apply(transitions.accepted(match, offer, volunteer, context))
            # Other offers to them belong to other matches, which must not be locked after the
            # volunteer: a timer takes care of those at once.
            tx.schedule(PROMISED, offer.volunteer_id, tx.now)
        else:
            working.apply(transitions.declined(match, offer, context))
        await working.save(tx, self._store, self._metrics)

    async def release(self, appointment_id: str, volunteer_id: str | None) -> None:
        """Whoever accepted can't after all; with `volunteer_id`, only that volunteer's match.

        Raises UnknownMatch; NotAllowed when nobody is matched, or it has begun.
        """

        def released(match: Match, context: Context) -> Change:
            if volunteer_id is not None and match.volunteer_id != volunteer_id:
                raise UnknownMatch
            return transitions.volunteer_withdrew(match, context)

        await self._step(appointment_id, released)

    async def reopen(self, appointment_id: str) -> None:
        """Search once more for what is with the coordinator.

        Raises UnknownMatch; NotAllowed when it isn't, or when it is too late.
        """
        await self._step(appointment_id, transitions.reopened)

    async def _step(self, appointment_id: str, step: Step) -> None:
        async with self._database.transaction() as tx:
            loaded = await self._store.load(tx, appointments=(appointment_id,))
            if not loaded.matches:
                raise UnknownMatch
            working = await working_set(tx, self._store, loaded)
            working.step(step, loaded.matches.values())
            await working.save(tx, self._store, self._metrics)
