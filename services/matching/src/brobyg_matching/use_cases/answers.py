"""A helper answers an offer, takes an acceptance back or takes a seat; a coordinator steps in.

One transaction under the locks of the need and its citizen; helpers are locked after them.
"""

from collections.abc import Callable
from typing import Literal

from brobyg_kit.database import Database, Transaction

from brobyg_matching.domain import answers
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.need import Facts, Need, Offer
from brobyg_matching.errors import (
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


class Answers:
    """Takes answers and commands. Of two at the same instant the second finds what the first left.

    Every method may raise one of DATABASE_ERRORS.
    """

    def __init__(self, database: Database, boards: Boards, metrics: MatchingMetrics) -> None:
        """Store the arguments."""
        self._database, self._boards, self._metrics = database, boards, metrics

    async def answer(self, offer_id: str, answer: Answer) -> AnswerState:
        """Take the answer and return the offer's state; the same answer again has no effect.

        Raises UnknownOffer, or NotAllowed when it can't be taken (any more).
        """
        try:
            async with self._database.transaction() as tx:
                await self._answer(tx, offer_id, answer)
        except DoubleBooking as error:
            self._metrics.refusals.labels("elsewhere").inc()
            raise NotAllowed("elsewhere") from error
        except NotAllowed as error:
            self._metrics.refusals.labels(error.objection).inc()
            raise
        return _STATES[answer]

    async def _answer(self, tx: Transaction, offer_id: str, answer: Answer) -> None:
        known = await self._boards.needs.offer(tx, offer_id)
        if known is None:
            raise UnknownOffer
        loaded = await self._boards.needs.load(tx, needs=(known.need_id,))
        need = loaded.needs[known.need_id]
        offer = next((one for one in need.offers if one.offer_id == offer_id), None)
        if offer is None:
            # Answered or withdrawn before, or while this one waited for the lock.
            offer = await self._boards.needs.offer(tx, offer_id) or known
        if not answers.is_open(offer, answer, tx.now):
            return
        searched = () if answer == "accept" else _searched(loaded, need)
        board = await self._boards.open(tx, loaded, searched=searched, named=(offer.helper_id,))
        assert board is not None  # it waits for locks
        _STEPS[answer](Draft(board, need), offer)
        await self._boards.save(tx, board)

    async def hold(self, need_id: str) -> None:
        """Stop the asking. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, answers.hold)

    async def resume(self, need_id: str) -> None:
        """Let the asking go on. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, answers.resume)

    async def reopen(self, need_id: str) -> None:
        """Search once more for what is with the coordinator. Raises UnknownNeed, NotAllowed."""
        await self._step(need_id, answers.reopen)

    async def assign(self, need_id: str, no: int, helper_id: str) -> None:
        """Give the seat to the helper. Raises UnknownNeed, UnknownHelper, NotAllowed."""
        await self._step(need_id, lambda draft: answers.assign(draft, no, helper_id), helper_id)

    async def claim(self, need_id: str, no: int, helper_id: str) -> None:
        """The helper takes the seat. Raises UnknownNeed, UnknownHelper, NotAllowed."""
        await self._step(need_id, lambda draft: answers.claim(draft, no, helper_id), helper_id)

    async def release(self, need_id: str, no: int, helper_id: str | None) -> None:
        """Whoever has the seat can't after all; with `helper_id`, only if it is that helper.

        Raises UnknownNeed, UnknownMatch; NotAllowed when nobody has it, or it has begun.
        """

        def release(draft: Draft) -> None:
            seat = draft.need.seat(no)
            if seat is None or (helper_id is not None and seat.helper_id != helper_id):
                raise UnknownMatch
            answers.withdrew(draft, seat)

        await self._step(need_id, release)

    async def block(
        self, helper_id: str, citizen_id: str, asked_by: str, allowed: Callable[[str], bool]
    ) -> None:
        """Never bring the two together again; `allowed` says of which departments' helpers.

        Open offers between them are withdrawn, matches that have not begun are searched anew.
        Again has no further effect. Raises UnknownHelper, UnknownCitizen (a mistyped id must not
        look like a block).
        """
        # Not locked yet: `open` locks all helpers at once, in their order.
        helper = await self._boards.helpers.get(helper_id)
        if helper is None or not any(map(allowed, helper.departments)):
            raise UnknownHelper
        async with self._database.transaction() as tx:
            loaded = await self._boards.needs.load(tx, citizens=(citizen_id,))
            if not await self._boards.needs.knows_citizen(tx, citizen_id):
                raise UnknownCitizen
            await self._boards.helpers.block(tx, helper_id, citizen_id, asked_by)
            searched = [*loaded.needs.values()]
            board = await self._boards.open(tx, loaded, searched=searched, named=(helper_id,))
            assert board is not None  # it waits for locks
            for need_id in loaded.needs:
                answers.blocked(board, board.needs[need_id], helper_id)
            await self._boards.save(tx, board)

    async def _step(self, need_id: str, step: Step, helper_id: str | None = None) -> None:
        try:
            async with self._database.transaction() as tx:
                loaded = await self._boards.needs.load(tx, needs=(need_id,))
                need = loaded.needs.get(need_id)
                if need is None:
                    raise UnknownNeed
                board = await self._open(tx, loaded, need, helper_id)
                step(Draft(board, need))
                await self._boards.save(tx, board)
        except DoubleBooking as error:
            raise NotAllowed("elsewhere") from error

    async def _open(
        self, tx: Transaction, loaded: Loaded, need: Need, helper_id: str | None
    ) -> Board:
        named = () if helper_id is None else (helper_id,)
        searched = _searched(loaded, need)
        board = await self._boards.open(tx, loaded, searched=searched, named=named)
        assert board is not None  # it waits for locks
        if helper_id is not None and helper_id not in board.profiles:
            raise UnknownHelper
        return board


def _searched(loaded: Loaded, need: Need) -> list[Facts]:
    """The need, and the citizen's others that depend on it."""
    return [
        one
        for one in loaded.needs.values()
        if one.need_id == need.need_id or one.follows is not None or one.clashes_with is not None
    ]


def _withdraw(draft: Draft, offer: Offer) -> None:
    seat = draft.need.seat(offer.seat_no)
    if seat is None or seat.offer_id != offer.offer_id:
        raise NotAllowed("not_matched")
    answers.withdrew(draft, seat)


_STEPS: dict[Answer, Callable[[Draft, Offer], None]] = {
    "accept": answers.accepted, "decline": answers.declined, "withdraw": _withdraw,
}  # fmt: skip
