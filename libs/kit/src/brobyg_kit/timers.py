"""Timers: what is to happen later, as rows that survive a restart and fire once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, delete, func, or_, select, tuple_, update
from sqlalchemy.sql.dml import ReturningDelete

from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import Clock
from brobyg_kit.database import TIMER_CHANNEL, Database, Transaction
from brobyg_kit.database_errors import (
    DATABASE_ERRORS,
    is_never_the_callers,
    is_transient,
    trouble_of,
)
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.tables import timer

log = get_logger(__name__)

_BATCH = 200
_POLL_SECONDS = 5.0
#: Waking a moment late, so that the timer is due by then.
_TICK = timedelta(milliseconds=1)
#: Pauses between the tries of a timer that fails, seconds of the clock's time.
_PAUSES = Backoff(first=1.0, longest=3_600.0, factor=4.0)


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
        alone: Collection[str] = (),
    ) -> None:
        """`handlers` by kind; a row of another kind is left alone.

        Each timer of the kinds `alone` has a transaction of its own.
        """
        self._database, self._clock, self._handlers = database, clock, handlers
        self._metrics, self._heartbeat = metrics, heartbeat
        self._ours = timer.c.kind.in_(list(handlers))
        self._together = self._ours & timer.c.kind.not_in(list(alone))
        self._alone = timer.c.kind.in_(list(alone)) if alone else None
        self._wake = asyncio.Event()
        self._held = Backoff(first=0.01, longest=1.0)
        self._stopping = False
        self._measured_at = 0.0

    def stop(self) -> None:
        """End `run` after the batch in hand."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Fire what is due until stopped; trouble is waited out."""
        backoff = Backoff(longest=2.0)
        while not self._stopping:
            try:
                await self._session()
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                self._heartbeat.struggle(trouble_of(error))
                log.warning("timers.interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def _session(self) -> None:
        async with self._database.listen(TIMER_CHANNEL, self._wake.set) as listener:
            while not self._stopping:
                self._wake.clear()
                fired = await self.fire()
                self._heartbeat.beat()
                await self._measure()
                if fired:
                    self._held.reset()
                else:
                    await self._wait(await self._next_due())
                if listener.is_closed():
                    raise asyncpg.ConnectionDoesNotExistError("the listening connection was closed")

    async def _next_due(self) -> datetime | None:
        statement = select(func.min(timer.c.next_attempt_at)).where(self._ours)
        async with self._database.connect() as connection:
            due: datetime | None = await connection.scalar(statement)
        return due

    async def _wait(self, due: datetime | None) -> None:
        """Until the next one is due, or a new one was set.

        At most `_POLL_SECONDS`, as a row may have been changed by hand. One that is due but was not
        fired is locked by another process, perhaps for long: then the pause grows.
        """
        waits = [
            asyncio.create_task(self._wake.wait()),
            asyncio.create_task(asyncio.sleep(_POLL_SECONDS)),
        ]
        if due is not None:
            left = due - self._clock.now()
            held = left <= timedelta(0)
            pause = asyncio.sleep(self._held.next()) if held else self._clock.sleep(left + _TICK)
            waits.append(asyncio.create_task(pause))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def fire(self) -> int:
        """Try what is due now; how many.

        A batch in one transaction, one by one where that fails; then one of those that are always
        by themselves, and one of those that have failed before, by itself too, so that no other
        fails with it. Raises one of DATABASE_ERRORS when the database is at fault.
        """
        fired = await self._fire_new()
        if self._alone is not None:
            fired += await self._fire_one(self._alone)
        return fired + await self._fire_one(self._ours, failing=True)

    async def _fire_new(self) -> int:
        try:
            return await self._fire([], self._together, _BATCH)
        except Exception as error:
            if not await self._is_a_timers(error):
                raise
            log.error("timers.batch_failed", error=error)
        tried = 0
        while tried < _BATCH and await self._fire_one(self._together):
            tried += 1
            self._heartbeat.beat()
        return tried

    async def _fire_one(self, which: ColumnElement[bool], *, failing: bool = False) -> int:
        claimed: list[DueTimer] = []
        try:
            return await self._fire(claimed, which, 1, failing=failing)
        except Exception as error:
            if not claimed or not await self._is_a_timers(error):
                raise
            log.error(
                "timer.put_off", kind=claimed[0].kind, attempts=claimed[0].attempts + 1, error=error
            )
        await self._put_off(claimed[0])
        return 1

    async def _is_a_timers(self, error: Exception) -> bool:
        """Whether a timer is at fault, and not the database."""
        if is_never_the_callers(error):
            return False
        return not is_transient(error) or await self._database.answers()

    async def _fire(
        self,
        claimed: list[DueTimer],
        which: ColumnElement[bool],
        limit: int,
        *,
        failing: bool = False,
    ) -> int:
        """Carry out up to `limit` in one transaction; `claimed` holds them also when it fails."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await tx.connection.execute(self._claim(now, which, limit, failing=failing))
            claimed += sorted((DueTimer(*row) for row in rows), key=lambda one: one.due_at)
            for kind in self._handlers:
                if of_kind := [one for one in claimed if one.kind == kind]:
                    await self._handlers[kind](tx, of_kind)
        for one in claimed:
            self._metrics.timers_fired.labels(one.kind).inc()
            self._metrics.timer_delay.observe((now - one.due_at).total_seconds())
        return len(claimed)

    def _claim(
        self, now: datetime, which: ColumnElement[bool], limit: int, *, failing: bool
    ) -> ReturningDelete[Any]:
        """Delete up to `limit` due rows that no other process has locked, and return them."""
        due = (
            select(timer.c.kind, timer.c.subject)
            .where(
                which,
                timer.c.next_attempt_at <= now,
                timer.c.attempts > 0 if failing else timer.c.attempts == 0,
            )
            .order_by(timer.c.next_attempt_at, timer.c.kind, timer.c.subject)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (
            delete(timer)
            .where(tuple_(timer.c.kind, timer.c.subject).in_(due))
            .returning(timer.c.kind, timer.c.subject, timer.c.due_at, timer.c.attempts)
        )

    async def _put_off(self, failed: DueTimer) -> None:
        """Try it later; only as it was claimed: another process may have handled or moved it."""
        pause = timedelta(seconds=_PAUSES.after(failed.attempts + 1))
        statement = (
            update(timer)
            .where(
                timer.c.kind == failed.kind,
                timer.c.subject == failed.subject,
                timer.c.due_at == failed.due_at,
                timer.c.attempts == failed.attempts,
            )
            .values(attempts=timer.c.attempts + 1, next_attempt_at=self._clock.now() + pause)
        )
        async with self._database.connect() as connection:
            await connection.execute(statement)

    async def _measure(self) -> None:
        if time.monotonic() - self._measured_at < 2.0:
            return
        self._measured_at = time.monotonic()
        overdue = or_(timer.c.next_attempt_at <= self._clock.now(), timer.c.attempts > 0)
        statement = select(
            func.count().filter(overdue), func.count().filter(timer.c.attempts > 0)
        ).where(self._ours)
        async with self._database.connect() as connection:
            row = (await connection.execute(statement)).one()
        self._metrics.timers_overdue.set(row[0])
        self._metrics.timers_failing.set(row[1])
