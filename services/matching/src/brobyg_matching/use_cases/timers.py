"""What is done when a timer fires.

Waiting for a need's locks could deadlock: whoever holds them may want to move the very timer that
is claimed here. What somebody else holds is looked at again a little later.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial

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
        for need_id in await self._each(tx, needs, transitions.due):
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

    async def capacity_free(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Capacity has become free in these departments: by priority, then age, it is taken."""
        for timer in timers:
            ids = (await self._boards.reference(tx)).department_ids(timer.subject)
            waiting = await self._boards.needs.waiting(tx, ids, MOST_WAITING)
            if await self._each(tx, waiting, transitions.capacity_free):
                tx.schedule(CAPACITY, timer.subject, tx.now + RETRY_AFTER)

    async def _each(
        self,
        tx: Transaction,
        needs: Sequence[str],
        step: Callable[[Board, str], None],
        named: Collection[str] = (),
    ) -> list[str]:
        """Take the step for each need in this order; return those that somebody else holds.

        That is all of them when a helper's lock is held.
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
            tx, loaded, work, searched=searched, named=named, wait=False
        )
        return [one for one in needs if not done or one not in loaded.needs]


def _recheck(helper_id: str, board: Board, need_id: str) -> None:
    answers.recheck(board, board.needs[need_id], helper_id)
