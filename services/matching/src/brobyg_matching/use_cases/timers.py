"""What is done when a timer fires.

Nothing here waits for a lock: whoever holds it may wait for the very timer that is claimed here.
What somebody else holds is looked at again a little later.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from brobyg_kit.database import Transaction
from brobyg_kit.timers import DueTimer

from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import CAPACITY, RECHECK, SEARCH
from brobyg_matching.ports import LookedThrough
from brobyg_matching.use_cases.boards import Boards

#: How much later a timer fires again that found its need locked by somebody else.
RETRY_AFTER = timedelta(seconds=10)
#: How many needs that wait for capacity are looked at in one transaction.
PAGE = 50


class MatchingTimers:
    """The service's reactions to time."""

    def __init__(self, boards: Boards) -> None:
        """Store the arguments."""
        self._boards = boards

    async def searches_due(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Seats of these needs are to be looked at: answers, an opening or a deadline."""
        needs = [timer.subject for timer in timers]
        board = await self._board(tx, needs)
        if board is None and len(timers) > 1:
            # One whose helpers somebody else holds must not put off the others.
            for timer in timers:
                await self.searches_due(tx, [timer])
            return
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
            await self._look_through(tx, timer)

    async def _look_through(self, tx: Transaction, timer: DueTimer) -> None:
        """Look at one page of the department's waiting list; the next is another transaction's.

        The timer's `due_at` is when capacity last became free. When that was since the list was
        begun, its front is looked at as well, and the whole once more when it is through: so what
        is first has the first chance, and what is last has its turn.
        """
        needs, department = self._boards.needs, timer.subject
        before = await needs.looked_through(tx, department)
        anew = before is None or before.freed_at != timer.due_at
        front = await needs.waiting(tx, department, None, PAGE) if anew else []
        page = await needs.waiting(tx, department, before.last, PAGE) if before else front
        line = list(dict.fromkeys(one.need_id for one in (*front, *page)))
        board = await self._board(tx, line) if line else None
        left = board is None or await self._take(tx, board, department, line)
        if line and (board is None or not {*line} <= {*board.needs}):
            tx.schedule(CAPACITY, department, tx.now + RETRY_AFTER)
            return
        again = before is not None and (before.again or anew)
        now = None
        if left and len(page) == PAGE:
            now = LookedThrough(timer.due_at, again, page[-1])
        if now is not None or (left and again):
            tx.schedule(CAPACITY, department, timer.due_at)
        await needs.keep_looked_through(tx, department, now)

    async def _take(
        self, tx: Transaction, board: Board, department: str, line: Sequence[str]
    ) -> bool:
        """Give them what is free, in this order; True if something is left."""
        for need_id in line:
            if transitions.is_full(board, department):
                break
            transitions.capacity_free(board, need_id)
            finish(board)
        await self._boards.save(tx, board)
        return not transitions.is_full(board, department)

    async def _board(
        self, tx: Transaction, needs: Collection[str], named: Collection[str] = ()
    ) -> Board | None:
        """A board of those needs that nobody else holds; None if something else is held."""
        loaded = await self._boards.needs.load(tx, needs=needs, wait=False)
        searched = [one for one in loaded.needs.values() if one.state != "closed"]
        return await self._boards.open(tx, loaded, searched=searched, named=named, wait=False)
