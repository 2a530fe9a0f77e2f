"""Waiting notices and the workers' claims on them, in PostgreSQL."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from brobyg_contracts import AttentionRaised, NotificationFailed, NotificationSent
from brobyg_kit import event as events
from brobyg_kit.clock import Clock
from brobyg_kit.database import Database, Driver, driver_of
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.tables import Instant
from msgspec import UNSET
from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Interval,
    Row,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    extract,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_notification.adapters.notices import CHANNEL, add, read_event
from brobyg_notification.adapters.tables import notification
from brobyg_notification.domain.attention import ATTENTION
from brobyg_notification.domain.notice import Notice
from brobyg_notification.errors import RecipientDeferred
from brobyg_notification.ports import Backlog, Claim, DeliveryOutcome, FollowUp

#: First half of the advisory lock that a live worker holds; the second is the worker's number.
_WORKER_LOCK = 0x6D61696C

_n = notification.c
#: As text, not as a parameter, so that every plan can use the partial indexes on waiting notices.
_WAITING: ColumnElement[str] = literal_column("'waiting'")
_IS_WAITING = _n.state == _WAITING


def _is_oldest(of: FromClause) -> ColumnElement[bool]:
    """Whether a row of `of` is the oldest of its thread that waits."""
    older = notification.alias()
    return ~exists().where(
        older.c.thread == of.c.thread,
        older.c.state == _WAITING,
        older.c.position < of.c.position,
    )


_now = bindparam("now", type_=Instant)
_other = notification.alias("other")
_of_thread = and_(_other.c.need_id == _n.need_id, _other.c.thread == _n.thread)
_replaced = exists().where(
    _of_thread,
    _other.c.position > _n.position,
    or_(_other.c.calendar_method.is_not(None), _other.c.template == _n.template),
)
_not_sent = or_(
    _other.c.state == literal_column("'superseded'"),
    _other.c.reason.is_not_distinct_from(literal_column("'appointment_over'")),
)
_earlier_unsent = func.coalesce(
    select(func.bool_and(and_(_not_sent, _other.c.attempts == 1)))
    .where(_of_thread, _other.c.position < _n.position, _other.c.calendar_method.is_not(None))
    .scalar_subquery(),
    false(),
)

_candidate = notification.alias("candidate")
_due = (
    select(_candidate.c.position)
    .where(
        _candidate.c.state == _WAITING,
        _candidate.c.claimed_by.is_(None),
        _candidate.c.due_at <= _now,
        _is_oldest(_candidate),
    )
    .order_by(_candidate.c.due_at, _candidate.c.position)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=_candidate, skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(notification)
    .where(_n.position == _due.c.position)
    .values(claimed_by=bindparam("worker", type_=Integer), attempts=_n.attempts + 1)
    .returning(
        _n.position,
        _n.template,
        _n.recipient_role,
        _n.recipient_id,
        _n.need_id,
        _n.referral_id,
        _n.pathway,
        _n.department,
        _n.seat_role,
        _n.starts_at,
        _n.ends_at,
        _n.release_reason,
        _n.calendar_method,
        _n.calendar_sequence,
        _n.claimed_by,
        _n.attempts,
        _n.reason,
        _n.created_at,
        cast(_n.cause_event, Text).label("cause_event"),
        cast(_n.match_event, Text).label("match_event"),
        _replaced.label("replaced"),
        _earlier_unsent.label("earlier_unsent"),
    )
)
#: A restart may have removed the obstacle. What a recipient's server deferred stays deferred.
_TRY_NOW = (
    update(notification)
    .where(
        _IS_WAITING,
        _n.claimed_by.is_(None),
        _n.due_at > _now,
        _n.reason.is_distinct_from(RecipientDeferred.obstacle),
    )
    .values(due_at=_now)
)
_NEXT_DUE = (
    select(_n.due_at)
    .where(_IS_WAITING, _n.claimed_by.is_(None), _is_oldest(notification))
    .order_by(_n.due_at)
    .limit(1)
)

_lock: Any = table(
    "pg_locks",
    *map(column, ("locktype", "database", "classid", "objid", "objsubid")),
).alias("lock")
_database = table("pg_database", column("oid"), column("datname"))
_is_alive = exists().where(
    _lock.c.locktype == "advisory",
    _lock.c.objsubid == 2,
    _lock.c.classid == _WORKER_LOCK,
    _lock.c.objid == _n.claimed_by,
    _lock.c.database
    == select(_database.c.oid)
    .where(_database.c.datname == func.current_database())
    .scalar_subquery(),
)
_GONE_WORKERS = (
    select(_n.claimed_by).distinct().where(_IS_WAITING, _n.claimed_by.is_not(None), ~_is_alive)
)

_CONNECT_SECONDS = 5.0
#: Wall time for which a worker must be gone before others may take its claims. A live one that only
#: lost its session has a new one at once, or, where the whole database was away, after a pause of
#: at most 2 s and `_CONNECT_SECONDS`. What it sent meanwhile it must record itself.
_GONE_SECONDS = 1.0
_GONE_AFTER_TROUBLE_SECONDS = 10.0

_ENDED = {"sent": NotificationSent, "failed": NotificationFailed}


def _age(since: ColumnElement[datetime]) -> ColumnElement[float]:
    return cast(extract("epoch", func.clock_timestamp() - since), Float)


_BACKLOG = (
    select(
        func.coalesce(_n.reason, "untried").label("obstacle"),
        func.count().label("waiting"),
        _age(func.min(_n.kept_at)).label("oldest"),
        _age(
            func.min(_n.kept_at).filter(
                _n.reason.is_distinct_from(RecipientDeferred.obstacle), _is_oldest(notification)
            )
        ).label("held"),
    )
    .where(_IS_WAITING)
    .group_by("obstacle")
)


class PostgresDeliveryQueue:
    """See `ports.DeliveryQueue`."""

    def __init__(self, database: Database) -> None:
        """`database` must be open before anything is asked."""
        self._database = database

    async def end(self, claim: Claim, outcome: DeliveryOutcome, follow_up: FollowUp) -> None:
        """See `ports.DeliveryQueue`."""
        notice = claim.notice
        async with self._database.transaction() as transaction:
            ended = await transaction.connection.execute(
                update(notification)
                .where(_n.notification_id == notice.notification_id, _IS_WAITING)
                .values(
                    state=outcome.state,
                    reason=outcome.reason,
                    ended_at=transaction.now,
                    claimed_by=None,
                )
                .returning(_n.position)
            )
            if ended.first() is None or outcome.state == "superseded":
                return
            told = {
                "notification_id": notice.notification_id,
                "need_id": notice.need_id,
                "referral_id": notice.referral_id or UNSET,
                "recipient_role": notice.role,
                "recipient_id": notice.recipient_id,
                "template": notice.template,
                "channel": "email",
                "cause": notice.cause.id,
                "reason": outcome.reason,
            }
            transaction.emit(
                msgspec.convert(told, _ENDED[outcome.state]),
                subject=notice.need_id,
                cause=notice.cause,
            )
            await add(transaction, follow_up.notices)
            await ATTENTION.raise_(transaction, [(one, notice.cause) for one in follow_up.raised])
            await ATTENTION.settle_own(transaction, dict.fromkeys(follow_up.settled, notice.cause))

    async def postpone(
        self, claim: Claim, until: datetime, obstacle: str, raised: Sequence[AttentionRaised]
    ) -> None:
        """See `ports.DeliveryQueue`."""
        async with self._database.transaction() as transaction:
            postponed = await transaction.connection.execute(
                update(notification)
                .where(
                    _n.notification_id == claim.notice.notification_id,
                    _IS_WAITING,
                    _n.claimed_by == claim.claimed_by,
                )
                .values(claimed_by=None, due_at=until, reason=obstacle)
                .returning(_n.position)
            )
            if postponed.first() is None:
                return
            await ATTENTION.raise_(transaction, [(one, claim.notice.cause) for one in raised])

    async def settle(self, attention_ids: Collection[str]) -> None:
        """See `ports.DeliveryQueue`."""
        async with self._database.transaction() as transaction:
            await ATTENTION.settle_own(transaction, dict.fromkeys(attention_ids))

    async def backlog(self) -> Backlog:
        """See `ports.DeliveryQueue`."""
        async with self._database.connect() as connection:
            rows = (await connection.execute(_BACKLOG)).all()
        return Backlog(
            {row.obstacle: row.waiting for row in rows},
            oldest_seconds=max((row.oldest for row in rows), default=0.0),
            held_seconds=max((row.held or 0.0 for row in rows), default=0.0),
        )

    @asynccontextmanager
    async def session(
        self, worker: int, wake: Callable[[], None], *, again: bool
    ) -> AsyncIterator["PostgresClaims"]:
        """See `ports.DeliveryQueue`.

        Claims are made on the connection that holds this worker's lock, so that it can claim
        nothing while others see it as gone.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_CONNECT_SECONDS):
                listening = await stack.enter_async_context(self._database.listen(CHANNEL, wake))
                connection = await stack.enter_async_context(self._database.connect())
            for driver in (listening, await driver_of(connection)):
                driver.add_termination_listener(lambda *_: wake())
            try:
                # While the server has not noticed that the session before is dead, that one still
                # holds the old number and its claims.
                while not await connection.scalar(
                    select(func.pg_try_advisory_lock(_WORKER_LOCK, worker))
                ):
                    worker = 1 + secrets.randbelow(2**31 - 1)
                # A database that has just started has ended every session: others may be
                # connecting again.
                gone_seconds = _GONE_AFTER_TROUBLE_SECONDS
                up = func.clock_timestamp() - func.pg_postmaster_start_time()
                if not again:
                    now = self._database.clock.now()
                    await connection.execute(_TRY_NOW, {"now": now})
                    trouble = literal(timedelta(seconds=gone_seconds), Interval())
                    if not await connection.scalar(select(up < trouble)):
                        gone_seconds = _GONE_SECONDS
                yield PostgresClaims(
                    connection, listening, worker, self._database.clock, gone_seconds
                )
            finally:
                if not connection.invalidated:  # else the lock has gone with the connection
                    with suppress(*DATABASE_ERRORS):
                        await connection.execute(select(func.pg_advisory_unlock_all()))
                    await connection.invalidate()


class PostgresClaims:
    """See `ports.Claims`. Of one worker, through one of its database sessions.

    All on that one connection: a claim whose answer was lost is not in hand, and the next session
    frees it.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        listening: Driver,
        worker: int,
        clock: Clock,
        gone_seconds: float,
    ) -> None:
        """`connection` holds the worker's lock. `gone_seconds` of wall time make others gone."""
        self._connection, self._listening = connection, listening
        self._worker, self._clock, self._gone_seconds = worker, clock, gone_seconds
        self._gone_since: dict[int, float] = {}

    async def claim(self, limit: int) -> list[Claim]:
        """See `ports.Claims`. Raises ConnectionError when the listening connection is lost."""
        if self._listening.is_closed():
            raise ConnectionError("the connection that listens was lost")
        given = {"now": self._clock.now(), "limit": limit, "worker": self._worker}
        rows = (await self._connection.execute(_CLAIM, given)).all()
        return [_claim(row) for row in sorted(rows, key=lambda row: int(row.position))]

    async def free_abandoned(self, in_hand: Collection[str]) -> int:
        """See `ports.Claims`.

        In two steps: the workers that are gone are found before any claim is changed, so that a
        worker that starts meanwhile keeps its claims.
        """
        seen = (await self._connection.scalars(_GONE_WORKERS)).all()
        now = time.monotonic()
        self._gone_since = {number: self._gone_since.get(number, now) for number in seen}
        gone = [
            number
            for number, since in self._gone_since.items()
            if now - since >= self._gone_seconds
        ]
        freed = await self._connection.execute(
            update(notification)
            .where(
                _IS_WAITING,
                _n.claimed_by.in_([*gone, self._worker]),
                _n.notification_id.not_in(list(in_hand)),
            )
            .values(claimed_by=None)
        )
        return freed.rowcount

    @property
    def worker_missing(self) -> bool:
        """See `ports.Claims`."""
        return bool(self._gone_since)

    async def next_due(self) -> datetime | None:
        """See `ports.Claims`."""
        return await self._connection.scalar(_NEXT_DUE)


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        notice=Notice(
            template=row.template,
            role=row.recipient_role,
            recipient_id=row.recipient_id,
            need_id=row.need_id,
            referral_id=row.referral_id,
            pathway=row.pathway,
            department=row.department,
            seat_role=row.seat_role,
            cause=events.decode(row.cause_event.encode()),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            match=read_event(row.match_event),
            release_reason=row.release_reason,
            calendar=row.calendar_method,
            sequence=row.calendar_sequence,
        ),
        claimed_by=row.claimed_by,
        attempts=row.attempts,
        obstacle=row.reason,
        created_at=row.created_at,
        replaced=row.replaced,
        earlier_unsent=row.earlier_unsent,
    )
