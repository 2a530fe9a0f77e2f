"""What is done when a timer fires.

Waiting for a need's locks could deadlock: whoever holds them may want to move the very timer that
is claimed here. What somebody else holds is looked at again a little later.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from brobyg_kit.database import Transaction
from brobyg_kit.timers import DueTimer

from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import CAPACITY, RECHECK, SEARCH
from brobyg_matching.use_cases.boards import Boards

#: How much later a timer fires again that found its need locked by somebody else.
RETRY_AFTER = timedelta(seconds=10)
#: How many needs that wait for capacity are looked at, at a time.
MOST_WAITING = 1_000


class MatchingTimers:
    """The service's reactions to time."""

    def __init__(self, boards: Boards) -> None:
        """Store the arguments."""
        self._boards = boards

    async def searches_due(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Seats of these needs are to be looked at: answers, an opening or a deadline."""
        needs = [timer.subject for timer in timers]
        board = await self._board(tx, needs)
        for need_id in needs:
            if board is None or need_id not in board.needs:
                tx.schedule(SEARCH, need_id, tx.now + RETRY_AFTER)
            else:
                transitions.due(board, need_id)
                finish(board)
        if board is not None:
            await self._boards.save(tx, board)

    async def helpers_changed(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """These helpers were matched or paused: other open offers to them may no longer hold.

        An offer that is made at this very moment may be missed; it ends with its wave, and
        accepting it is refused.
        """
        for timer in timers:
            helper_id = timer.subject
            asked = sorted(await self._boards.needs.asked(tx, helper_id))
            board = await self._board(tx, asked, named=(helper_id,)) if asked else None
            if asked and (board is None or not {*asked} <= {*board.needs}):
                tx.schedule(RECHECK, helper_id, tx.now + RETRY_AFTER)
            for need_id in asked if board is not None else ():
                if board is not None and need_id in board.needs:
                    answers.recheck(board, board.needs[need_id], helper_id)
                    finish(board)
            if board is not None:
                await self._boards.save(tx, board)

    async def capacity_free(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Capacity has become free in these departments: by priority, then age, it is taken."""
        for timer in timers:
            waiting = await self._boards.needs.waiting(tx, timer.subject, MOST_WAITING)
            board = await self._board(tx, waiting) if waiting else None
            if waiting and (board is None or not {*waiting} <= {*board.needs}):
                tx.schedule(CAPACITY, timer.subject, tx.now + RETRY_AFTER)
            for need_id in waiting if board is not None else ():
                if board is not None and need_id in board.needs:
                    transitions.capacity_free(board, need_id)
                    finish(board)
            if board is not None:
                await self._boards.save(tx, board)

    async def _board(
        self, tx: Transaction, needs: Collection[str], named: Collection[str] = ()
    ) -> Board | None:
        """A board of those needs that nobody else holds; None if a helper's lock is held."""
        loaded = await self._boards.needs.load(tx, needs=needs, wait=False)
        searched = [one for one in loaded.needs.values() if one.state != "closed"]
        return await self._boards.open(tx, loaded, searched=searched, named=named, wait=False)
