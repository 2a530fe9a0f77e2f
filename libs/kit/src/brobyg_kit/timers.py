"""Timers: what is to happen later, as rows that survive a restart and fire once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from brobyg_kit.clock import Clock
from brobyg_kit.database import DATABASE_ERRORS, TIMER_CHANNEL, TRANSIENT_ERRORS, Database, Transaction
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics

log = get_logger(__name__)

_BATCH = 200
_POLL_SECONDS = 5.0
_CLAIM = (
    "delete from timer where (kind, subject) in"
    " (select kind, subject from timer where kind = any($1) and due_at <= $2 order by due_at, kind, subject limit $3 for update skip locked)"
    " returning kind, subject, due_at"
)


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come."""

    kind: str
    subject: str
    due_at: datetime


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
                if not fired:
                    await self._wait(await self._next_due())
                if listener.is_closed():
                    raise asyncpg.ConnectionDoesNotExistError("the listening connection was closed")
        finally:
            await listener.close(timeout=2)

    async def _next_due(self) -> datetime | None:
        due: datetime | None = await self._database.pool.fetchval(
            "select min(due_at) from timer where kind = any($1)", list(self._handlers)
        )
        return due

    async def _wait(self, due: datetime | None) -> None:
        """Until the next one is due, a new one was set, or the slow poll: time may have been changed by hand."""
        waits = [asyncio.create_task(self._wake.wait()), asyncio.create_task(asyncio.sleep(_POLL_SECONDS))]
        if due is not None:
            waits.append(asyncio.create_task(self._clock.sleep(due - self._clock.now() + timedelta(milliseconds=1))))
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def fire(self) -> int:
        """Carry out what is due now, in one transaction; how many. When a batch fails it is done one by one and the culprit is put off."""
        try:
            return await self._fire(_BATCH)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler may raise
            log.error("timers.batch_failed", error=error)
        try:
            return await self._fire(1)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            log.error("timer.put_off", error=error)
            await self._put_off_first()
            return 1

    async def _fire(self, limit: int) -> int:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await tx.connection.fetch(_CLAIM, list(self._handlers), now, limit)
            due = sorted((DueTimer(row["kind"], row["subject"], row["due_at"]) for row in rows), key=lambda t: t.due_at)
            for kind in self._handlers:
                if of_kind := [timer for timer in due if timer.kind == kind]:
                    await self._handlers[kind](tx, of_kind)
        for timer in due:
            self._metrics.timers_fired.labels(timer.kind).inc()
            self._metrics.timer_delay.observe((now - timer.due_at).total_seconds())
        return len(due)

    async def _put_off_first(self) -> None:
        """The first due timer fails: try it again in five minutes of clock time, so that the others go on."""
        now = self._clock.now()
        await self._database.pool.execute(
            "update timer set due_at = $3 where (kind, subject) ="
            " (select kind, subject from timer where kind = any($1) and due_at <= $2 order by due_at, kind, subject limit 1)",
            list(self._handlers),
            now,
            now + timedelta(minutes=5),
        )
