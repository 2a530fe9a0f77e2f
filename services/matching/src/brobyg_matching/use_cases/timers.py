"""What is done when a timer fires."""

from collections.abc import Sequence
from datetime import timedelta

from brobyg_kit.database import Transaction
from brobyg_kit.timers import DueTimer

from brobyg_matching.domain import transitions
from brobyg_matching.domain.match import PROMISED, WAVE
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Matches
from brobyg_matching.use_cases.working_set import Step, about, working_set

#: How much later a timer fires again that found its match locked by somebody else.
RETRY_AFTER = timedelta(seconds=10)


class MatchingTimers:
    """The service's reactions to time."""

    def __init__(self, store: Matches, metrics: MatchingMetrics) -> None:
        """Store the arguments."""
        self._store, self._metrics = store, metrics

    async def waves_over(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """The time of these waves is over. A search that is locked is looked at again later."""
        subjects = [timer.subject for timer in timers]
        for locked in await self._step(tx, subjects, transitions.wave_over):
            tx.schedule(WAVE, locked, tx.now + RETRY_AFTER)

    async def promises_made(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """These volunteers have accepted: other open offers to them that clash are withdrawn.

        An offer that is made at this very moment may be missed; it ends with its wave, and
        accepting it is refused.
        """
        for timer in timers:
            volunteer_id = timer.subject
            asked = sorted(await self._store.appointments_of(tx, volunteer_id, None))
            if await self._step(tx, asked, about(volunteer_id, transitions.volunteer_promised)):
                tx.schedule(PROMISED, volunteer_id, tx.now + RETRY_AFTER)

    async def _step(self, tx: Transaction, appointment_ids: Sequence[str], step: Step) -> list[str]:
        """Apply the step to these searches; return those that somebody else has locked, untouched.

        Waiting for their locks could deadlock: whoever holds the match may want to move the very
        timer that is claimed here.
        """
        loaded = await self._store.load(tx, appointments=appointment_ids, wait=False)
        working = await working_set(tx, self._store, loaded)
        working.step(step, [loaded.matches[o] for o in appointment_ids if o in loaded.matches])
        await working.save(tx, self._store, self._metrics)
        return [one for one in appointment_ids if one not in loaded.matches]
