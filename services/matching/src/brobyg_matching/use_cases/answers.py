"""A helper answers an offer, takes an acceptance back or takes a seat; a coordinator steps in.

One transaction under the locks of the need and its citizen; helpers are locked after them.
"""

from collections.abc import Callable
from typing import Literal

from brobyg_kit.database import Database, Transaction

from brobyg_matching.domain import answers
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.need import Facts, Need, Offer
from brobyg_matching.errors import (
    ConcurrentChanges,
    DoubleBooking,
    NotAllowed,
    UnknownCitizen,
    UnknownHelper,
    UnknownMatch,
    UnknownNeed,
    UnknownOffer,
)
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Loaded
from brobyg_matching.use_cases.boards import Boards

Answer = Literal["accept", "decline", "withdraw"]
AnswerState = Literal["accepted", "declined", "withdrawn"]
_STATES: dict[Answer, AnswerState] = {
    "accept": "accepted", "decline": "declined", "withdraw": "withdrawn",
}  # fmt: skip
#: What is done to a need.
Step = Callable[[Draft], None]
#: How often a block is tried while others take whoever would be found instead.
ATTEMPTS = 3


class Answers:
    """Takes answers and commands. Of two at the same instant the second finds what the first left.

    Every method may raise one of DATABASE_ERRORS.
    """

    def __init__(self, database: Database, boards: Boards, metrics: MatchingMetrics) -> None:
        """Store the arguments."""
        self._database, self._boards, self._metrics = database, boards, metrics

    async def answer(self, offer_id: str, answer: Answer, by: Actor | None = None) -> AnswerState:
        """Take the answer and return the offer's state; the same answer again has no effect.

        The helper who was asked gives it, unless `by` says who does. Raises UnknownOffer, or
        NotAllowed when it can't be taken (any more).
        """
        try:
            async with self._database.transaction() as tx:
                await self._answer(tx, offer_id, answer, by)
        except DoubleBooking as error:
            self._metrics.refusals.labels("elsewhere").inc()
            raise NotAllowed("elsewhere") from error
        except NotAllowed as error:
            self._metrics.refusals.labels(error.objection).inc()
            raise
        return _STATES[answer]

    async def _answer(
        self, tx: Transaction, offer_id: str, answer: Answer, by: Actor | None
    ) -> None:
        known = await self._boards.needs.offer(tx, offer_id)
        if known is None:
            raise UnknownOffer
        loaded = await self._boards.load(tx, needs=(known.need_id,))
        need = loaded.needs[known.need_id]
        offer = next((one for one in need.offers if one.offer_id == offer_id), None)
        if offer is None:
            # Answered or withdrawn before, or while this one waited for the lock.
            offer = await self._boards.needs.offer(tx, offer_id) or known
        if not answers.is_open(offer, answer, tx.now):
            return
        searched = () if answer == "accept" else _searched(loaded, need)

        async def work(board: Board) -> None:
            draft = Draft(board, need)
            match answer:
                case "accept":
                    answers.accepted(draft, offer, by)
                case "decline":
                    answers.declined(draft, offer, by)
                case "withdraw":
                    _withdraw(draft, offer, by)

        await self._boards.carry_out(tx, loaded, work, searched=searched, named=(offer.helper_id,))

    async def sign_off(self, need_id: str, match_id: str) -> None:
        """The helper of this match can't after all; the same again has no effect.

        Raises UnknownNeed; NotAllowed when the match is gone for another reason, or it has begun.
        """
        try:
            await self._step(need_id, lambda draft: answers.signed_off(draft, match_id))
        except NotAllowed as error:
            self._metrics.refusals.labels(error.objection).inc()
            raise

    async def hold(self, need_id: str, by: Actor) -> None:
        """Stop the asking. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, lambda draft: answers.hold(draft, by))

    async def resume(self, need_id: str, by: Actor) -> None:
        """Let the asking go on. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, lambda draft: answers.resume(draft, by))

    async def reopen(self, need_id: str, by: Actor) -> None:
        """Search once more for what is with the coordinator. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, lambda draft: answers.reopen(draft, by))

    async def assign(
        self, need_id: str, no: int, helper_id: str, by: Actor, *, clash_confirmed: bool = False
    ) -> None:
        """Give the seat to the helper. Raises UnknownNeed, UnknownHelper, NotAllowed, Clash."""

        def assign(draft: Draft) -> None:
            answers.assign(draft, no, helper_id, by, clash_confirmed=clash_confirmed)

        await self._step(need_id, assign, helper_id)

    async def claim(self, need_id: str, no: int, helper_id: str, by: Actor) -> None:
        """The helper takes the seat. Raises UnknownNeed, UnknownHelper, NotAllowed."""
        await self._step(need_id, lambda draft: answers.claim(draft, no, helper_id, by), helper_id)

    async def release(self, need_id: str, no: int, by: Actor) -> None:
        """Whoever has the seat can't after all; a helper says so only of their own.

        Raises UnknownNeed, UnknownMatch; NotAllowed when nobody has it, or it has begun.
        """

        def release(draft: Draft) -> None:
            seat = draft.need.seat(no)
            if seat is None or (by.role == "helper" and seat.helper_id != by.actor):
                raise UnknownMatch
            answers.withdrew(draft, seat, by)

        await self._step(need_id, release)

    async def block(
        self, helper_id: str, citizen_id: str, asked_by: str, allowed: Callable[[str], bool]
    ) -> None:
        """Never bring the two together again; `allowed` says of which departments' helpers.

        Open offers between them are withdrawn, matches that have not begun are searched anew.
        Again has no further effect. Raises UnknownHelper, UnknownCitizen (a mistyped id must not
        look like a block), ConcurrentChanges.
        """
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction() as tx:
                    return await self._block(tx, helper_id, citizen_id, asked_by, allowed)
            except DoubleBooking:
                # Who is found instead was taken meanwhile: look again.
                continue
        raise ConcurrentChanges

    async def _block(
        self,
        tx: Transaction,
        helper_id: str,
        citizen_id: str,
        asked_by: str,
        allowed: Callable[[str], bool],
    ) -> None:
        loaded = await self._boards.load(tx, citizens=(citizen_id,))
        if not await self._boards.needs.knows_citizen(tx, citizen_id):
            raise UnknownCitizen

        async def work(board: Board) -> None:
            known = board.profiles.get(helper_id)
            if known is None or not any(map(allowed, known.helper.departments)):
                raise UnknownHelper
            await self._boards.helpers.block(tx, helper_id, citizen_id, asked_by)
            board.block(citizen_id, helper_id)
            for need_id in loaded.needs:
                answers.blocked(board, board.needs[need_id], helper_id)

        searched = [*loaded.needs.values()]
        await self._boards.carry_out(tx, loaded, work, searched=searched, named=(helper_id,))

    async def _step(self, need_id: str, step: Step, helper_id: str | None = None) -> None:
        try:
            async with self._database.transaction() as tx:
                loaded = await self._boards.load(tx, needs=(need_id,))
                need = loaded.needs.get(need_id)
                if need is None:
                    raise UnknownNeed

                async def work(board: Board) -> None:
                    if helper_id is not None and helper_id not in board.profiles:
                        raise UnknownHelper
                    step(Draft(board, need))

                named = () if helper_id is None else (helper_id,)
                searched = _searched(loaded, need)
                await self._boards.carry_out(tx, loaded, work, searched=searched, named=named)
        except DoubleBooking as error:
            raise NotAllowed("elsewhere") from error


def _searched(loaded: Loaded, need: Need) -> list[Facts]:
    """The need, and the citizen's others that depend on it."""
    return [
        one
        for one in loaded.needs.values()
        if one.need_id == need.need_id or one.follows is not None or one.clashes_with is not None
    ]


def _withdraw(draft: Draft, offer: Offer, by: Actor | None) -> None:
    seat = draft.need.seat(offer.seat_no)
    if seat is None or seat.offer_id != offer.offer_id:
        raise NotAllowed("not_matched")
    answers.withdrew(draft, seat, by)
