"""Timers: what is to happen later, as rows that survive a restart and fire once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from brobyg_kit.clock import Clock
from brobyg_kit.database import DATABASE_ERRORS, TIMER_CHANNEL, Database, Transaction, is_transient
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics

log = get_logger(__name__)

_BATCH = 200
_POLL_SECONDS = 5.0
#: Pause after a timer's first failure, in the clock's time; each following one is four times as long, up to the longest.
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(hours=1)
_CLAIM = (
    "delete from timer where (kind, subject) in"
    " (select kind, subject from timer where kind = any($1) and next_attempt_at <= $2 and (attempts > 0) = $3"
    " order by next_attempt_at, kind, subject limit $4 for update skip locked)"
    " returning kind, subject, due_at, attempts"
)
#: Only as it was claimed: somebody else may have carried it out, put it off or set it anew meanwhile.
_PUT_OFF = (
    "update timer set attempts = attempts + 1, next_attempt_at = $5"
    " where kind = $1 and subject = $2 and due_at = $3 and attempts = $4"
)
_COUNTS = (
    "select (select count(*) from timer where kind = any($1) and next_attempt_at <= $2)"
    " + (select count(*) from timer where kind = any($1) and next_attempt_at > $2 and attempts > 0) as overdue,"
    " (select count(*) from timer where kind = any($1) and attempts > 0) as failing"
)


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come."""

    kind: str
    subject: str
    due_at: datetime
    #: How often it has failed before.
    attempts: int = 0


#: Carries out due timers of one kind inside the transaction that claimed them: all effects or none.
TimerHandler = Callable[[Transaction, Sequence[DueTimer]], Awaitable[None]]


class Timers:
    """Fires one service's timers. Safe in several processes: a row is claimed by one."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, TimerHandler],
        metrics: Metrics,
        heartbeat: Heartbeat,
    ) -> None:
        """`handlers` by kind; a row of another kind is left alone."""
        self._database, self._clock, self._handlers = database, clock, handlers
        self._metrics, self._heartbeat = metrics, heartbeat
        self._wake = asyncio.Event()
        self._stopping = False
        self._measured_at = 0.0

    def stop(self) -> None:
        """End `run` after the batch in hand."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Fire what is due until stopped; trouble is waited out."""
        pause = 0.1
        while not self._stopping:
            try:
                await self._session()
            except DATABASE_ERRORS as error:
                self._heartbeat.struggle(f"{type(error).__name__}")
                log.warning("timers.interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _session(self) -> None:
        listener = await asyncpg.connect(self._database.url, timeout=10, command_timeout=30)
        try:
            await listener.add_listener(TIMER_CHANNEL, lambda *_: self._wake.set())
            while not self._stopping:
                self._wake.clear()
                fired = await self.fire()
                self._heartbeat.beat()
                await self._measure()
                if not fired:
                    await self._wait(await self._next_due())
                if listener.is_closed():
                    raise asyncpg.ConnectionDoesNotExistError("the listening connection was closed")
        finally:
            await listener.close(timeout=2)

    async def _next_due(self) -> datetime | None:
        due: datetime | None = await self._database.pool.fetchval(
            "select min(next_attempt_at) from timer where kind = any($1)", list(self._handlers)
        )
        return due

    async def _wait(self, due: datetime | None) -> None:
        """Until the next one is due, a new one was set, or the slow poll: time may have been changed by hand."""
        waits = [
            asyncio.create_task(self._wake.wait()),
            asyncio.create_task(asyncio.sleep(_POLL_SECONDS)),
        ]
        if due is not None:
            waits.append(
                asyncio.create_task(
                    self._clock.sleep(due - self._clock.now() + timedelta(milliseconds=1))
                )
            )
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def fire(self) -> int:
        """Try what is due now; how many. A batch in one transaction, one by one where that fails; then one of those that have failed before,
        by itself, so that it takes nothing down with it. Raises one of DATABASE_ERRORS when the database is in the way.
        """
        return await self._fire_new() + await self._fire_one(failing=True)

    async def _fire_new(self) -> int:
        try:
            return await self._fire([], _BATCH, failing=False)
        except Exception as error:
            if not await self._is_a_timers(error):
                raise
            log.error("timers.batch_failed", error=error)
        tried = 0
        while tried < _BATCH and await self._fire_one(failing=False):
            tried += 1
            self._heartbeat.beat()
        return tried

    async def _fire_one(self, *, failing: bool) -> int:
        claimed: list[DueTimer] = []
        try:
            return await self._fire(claimed, 1, failing=failing)
        except Exception as error:
            if not claimed or not await self._is_a_timers(error):
                raise
            log.error(
                "timer.put_off", kind=claimed[0].kind, attempts=claimed[0].attempts + 1, error=error
            )
        await self._put_off(claimed[0])
        return 1

    async def _is_a_timers(self, error: Exception) -> bool:
        """Whether `error` is a timer's doing and not trouble with the database."""
        return not is_transient(error) or await self._database.answers()

    async def _fire(self, claimed: list[DueTimer], limit: int, *, failing: bool) -> int:
        """Carry out up to `limit` in one transaction; they are in `claimed` also when that fails."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await tx.connection.fetch(_CLAIM, list(self._handlers), now, failing, limit)
            claimed += sorted((DueTimer(*row) for row in rows), key=lambda timer: timer.due_at)
            for kind in self._handlers:
                if of_kind := [timer for timer in claimed if timer.kind == kind]:
                    await self._handlers[kind](tx, of_kind)
        for timer in claimed:
            self._metrics.timers_fired.labels(timer.kind).inc()
            self._metrics.timer_delay.observe((now - timer.due_at).total_seconds())
        return len(claimed)

    async def _put_off(self, timer: DueTimer) -> None:
        pause = min(_FIRST_PAUSE * 4 ** min(timer.attempts, 10), _LONGEST_PAUSE)
        again_at = self._clock.now() + pause
        await self._database.pool.execute(
            _PUT_OFF, timer.kind, timer.subject, timer.due_at, timer.attempts, again_at
        )

    async def _measure(self) -> None:
        if time.monotonic() - self._measured_at < 2.0:
            return
        self._measured_at = time.monotonic()
        counts = await self._database.pool.fetchrow(
            _COUNTS, list(self._handlers), self._clock.now()
        )
        if counts is not None:
            self._metrics.timers_overdue.set(counts["overdue"])
            self._metrics.timers_failing.set(counts["failing"])
