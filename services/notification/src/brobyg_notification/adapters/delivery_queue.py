"""Notices on their way out, in PostgreSQL."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta

import msgspec
from brobyg_contracts import NotificationFailed, NotificationSent
from brobyg_kit.database import Database, driver_of
from brobyg_kit.database_errors import DATABASE_ERRORS
from sqlalchemy import (
    ColumnElement,
    Float,
    Interval,
    Update,
    cast,
    extract,
    func,
    literal,
    select,
    update,
)

from brobyg_notification.adapters.claims import IS_WAITING, WORKER_LOCK, PostgresClaims, is_oldest
from brobyg_notification.adapters.notices import CHANNEL, add
from brobyg_notification.adapters.tables import notification
from brobyg_notification.domain.notice import Notice
from brobyg_notification.errors import RecipientDeferred
from brobyg_notification.ports import Backlog, Claim, Outcome

_CONNECT_SECONDS = 5.0
#: Wall time for which a worker must be seen gone before its claims are anybody's. One that lives
#: and only lost its session has it again at once, or, where the whole database was away, after a
#: pause of at most 2 s and `_CONNECT_SECONDS`. What it handed over meanwhile is its own to record.
_GONE_SECONDS = 1.0
_GONE_AFTER_TROUBLE_SECONDS = 10.0

_n = notification.c
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
                _n.reason.is_distinct_from(RecipientDeferred.obstacle), is_oldest(notification)
            )
        ).label("held"),
    )
    .where(IS_WAITING)
    .group_by("obstacle")
)


class PostgresDeliveryQueue:
    """See `ports.DeliveryQueue`."""

    def __init__(self, database: Database) -> None:
        """`database` must be open before anything is asked."""
        self._database = database

    async def end(self, claim: Claim, outcome: Outcome, follow_up: Sequence[Notice]) -> None:
        """See `ports.DeliveryQueue`."""
        notice = claim.notice
        async with self._database.transaction() as transaction:
            ended = await transaction.connection.execute(
                update(notification)
                .where(_n.notification_id == notice.notification_id, IS_WAITING)
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
                "referral_id": notice.referral_id,
                "appointment_id": notice.appointment_id,
                "recipient_role": notice.role,
                "recipient_id": notice.recipient_id,
                "template": notice.template,
                "channel": "email",
                "language": outcome.language,
                "cause": notice.cause.id,
                "reason": outcome.reason,
            }
            transaction.emit(
                msgspec.convert(told, _ENDED[outcome.state]),
                subject=notice.referral_id,
                cause=notice.cause,
            )
            await add(transaction, follow_up)

    async def postpone(self, claim: Claim, until: datetime, obstacle: str) -> None:
        """See `ports.DeliveryQueue`."""
        async with self._database.connect() as connection:
            await connection.execute(
                update(notification)
                .where(_n.notification_id == claim.notice.notification_id, IS_WAITING)
                .values(claimed_by=None, due_at=until, reason=obstacle)
            )

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
    ) -> AsyncIterator[PostgresClaims]:
        """See `ports.DeliveryQueue`.

        Claims are made on the connection that holds the lock which says that this worker lives, so
        that none is made when others believe it gone.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_CONNECT_SECONDS):
                listening = await stack.enter_async_context(self._database.listen(CHANNEL, wake))
                connection = await stack.enter_async_context(self._database.connect())
            for driver in (listening, await driver_of(connection)):
                driver.add_termination_listener(lambda *_: wake())
            try:
                # The server may not have noticed yet that the session before is dead: it still
                # holds the old number, and what was claimed by it.
                while not await connection.scalar(
                    select(func.pg_try_advisory_lock(WORKER_LOCK, worker))
                ):
                    worker = 1 + secrets.randbelow(2**31 - 1)
                # A database that has just come up threw everybody out: others may be on their way.
                patience = _GONE_AFTER_TROUBLE_SECONDS
                up = func.clock_timestamp() - func.pg_postmaster_start_time()
                if not again:
                    await connection.execute(self._try_now())
                    trouble = literal(timedelta(seconds=patience), Interval())
                    if not await connection.scalar(select(up < trouble)):
                        patience = _GONE_SECONDS
                yield PostgresClaims(connection, listening, worker, self._database.clock, patience)
            finally:
                if not connection.invalidated:  # else the lock has gone with the connection
                    with suppress(*DATABASE_ERRORS):
                        await connection.execute(select(func.pg_advisory_unlock_all()))
                    await connection.invalidate()

    def _try_now(self) -> Update:
        """What was in the way may be gone; what one recipient's server asked for is heeded."""
        now = self._database.clock.now()
        return (
            update(notification)
            .where(
                IS_WAITING,
                _n.claimed_by.is_(None),
                _n.due_at > now,
                _n.reason.is_distinct_from(RecipientDeferred.obstacle),
            )
            .values(due_at=now)
        )
