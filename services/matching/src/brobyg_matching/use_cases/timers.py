"""What is done when a timer fires.

Nothing here waits for a lock: whoever holds it may wait for the very timer that is claimed here.
What somebody else holds is looked at again a little later.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial

from brobyg_kit.database import Transaction
from brobyg_kit.timers import DueTimer

from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import CAPACITY, ENDED, RECHECK, SEARCH
from brobyg_matching.domain.neighbours import asked_for
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
        held = await self._each(tx, needs, transitions.due)
        if len(held) == len(needs) > 1:
            # One whose helpers somebody else holds must not put off the others.
            held = [one for need in needs for one in await self._each(tx, [need], transitions.due)]
        for need_id in held:
            tx.schedule(SEARCH, need_id, tx.now + RETRY_AFTER)

    async def helpers_changed(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """These helpers were matched or paused: other open offers to them may no longer hold.

        An offer that is made at this very moment may be missed; it ends with its wave, and
        accepting it is refused.
        """
        for timer in timers:
            helper_id = timer.subject
            recheck = partial(_recheck, helper_id)
            asked = sorted(await self._boards.needs.asked(tx, helper_id))
            if await self._each(tx, asked, recheck, named=(helper_id,)):
                tx.schedule(RECHECK, helper_id, tx.now + RETRY_AFTER)

    async def helpers_ended(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """These helpers were restricted or erased: nothing of theirs goes on."""
        for timer in timers:
            helper_id = timer.subject
            end = partial(_end, helper_id)
            needs = await self._boards.helpers.bound(tx, helper_id)
            if await self._each(tx, needs, end, named=(helper_id,)):
                tx.schedule(ENDED, helper_id, tx.now + RETRY_AFTER)
            else:
                await self._boards.helpers.forget_times(tx, helper_id)

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
        ids = (await self._boards.reference(tx)).department_ids(department)
        before = await needs.looked_through(tx, department)
        anew = before is None or before.freed_at != timer.due_at
        front = await needs.waiting(tx, ids, None, PAGE) if anew else []
        page = await needs.waiting(tx, ids, before.last, PAGE) if before else front
        held, left = await self._take(
            tx, department, list(dict.fromkeys(one.need_id for one in (*front, *page)))
        )
        if held:
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
        self, tx: Transaction, department: str, line: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Give them what is free, in this order.

        Returns those that somebody else holds, and whether something is left.
        """
        reference = await self._boards.reference(tx)
        present = reference.present_department(department)
        looked: Board | None = None  # the work may be done anew, on another board
        left = True

        def take(board: Board, need_id: str) -> None:
            nonlocal looked, left
            if board is not looked or left:
                looked, left = board, not transitions.is_full(board, present)
            if left:
                transitions.capacity_free(board, need_id)

        around = asked_for(present, reference)
        return await self._each(tx, line, take, departments=around), left

    async def _each(
        self,
        tx: Transaction,
        needs: Sequence[str],
        step: Callable[[Board, str], None],
        named: Collection[str] = (),
        departments: Collection[str] = (),
    ) -> list[str]:
        """Take the step for each need in this order; return those that somebody else holds.

        That is all of them when a helper's lock, a place or a timer is held.
        """
        if not needs:
            return []

        async def work(board: Board) -> None:
            for need_id in needs:
                if need_id in board.needs:
                    step(board, need_id)
                    finish(board)

        loaded = await self._boards.load(tx, needs=needs, wait=False)
        searched = [one for one in loaded.needs.values() if one.state != "closed"]
        done = await self._boards.carry_out(
            tx, loaded, work, searched=searched, named=named, departments=departments, wait=False
        )
        return [one for one in needs if not done or one not in loaded.needs]


def _end(helper_id: str, board: Board, need_id: str) -> None:
    answers.ended(board, board.needs[need_id], helper_id)


def _recheck(helper_id: str, board: Board, need_id: str) -> None:
    answers.recheck(board, board.needs[need_id], helper_id)
