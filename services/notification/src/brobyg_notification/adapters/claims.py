"""A worker's claims on waiting notices, in PostgreSQL."""

import time
from collections.abc import Collection
from datetime import datetime
from typing import Any

from brobyg_kit import event as events
from brobyg_kit.clock import Clock
from brobyg_kit.database import Driver
from brobyg_kit.tables import Instant
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_notification.adapters.notices import read_event
from brobyg_notification.adapters.tables import notification
from brobyg_notification.domain.notice import Notice
from brobyg_notification.ports import Claim

#: First half of the advisory lock that a live worker holds; the second is the worker's number.
WORKER_LOCK = 0x6D61696C

_n = notification.c
#: As text, not as a parameter, so that every plan can use the partial indexes on waiting notices.
_WAITING: ColumnElement[str] = literal_column("'waiting'")
IS_WAITING = _n.state == _WAITING


def is_oldest(of: FromClause) -> ColumnElement[bool]:
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
_told_before = exists().where(
    _of_thread,
    _other.c.position < _n.position,
    _other.c.template == _n.template,
    _other.c.state == literal_column("'sent'"),
)

_candidate = notification.alias("candidate")
_due = (
    select(_candidate.c.position)
    .where(
        _candidate.c.state == _WAITING,
        _candidate.c.claimed_by.is_(None),
        _candidate.c.due_at <= _now,
        is_oldest(_candidate),
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
        _told_before.label("told_before"),
    )
)
_NEXT_DUE = (
    select(_n.due_at)
    .where(IS_WAITING, _n.claimed_by.is_(None), is_oldest(notification))
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
    _lock.c.classid == WORKER_LOCK,
    _lock.c.objid == _n.claimed_by,
    _lock.c.database
    == select(_database.c.oid)
    .where(_database.c.datname == func.current_database())
    .scalar_subquery(),
)
_GONE_WORKERS = (
    select(_n.claimed_by).distinct().where(IS_WAITING, _n.claimed_by.is_not(None), ~_is_alive)
)


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
                IS_WAITING,
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
        told_before=row.told_before,
    )
