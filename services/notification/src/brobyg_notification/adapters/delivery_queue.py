"""Waiting notices, how they end, and the session in which a worker claims them, in PostgreSQL."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta

import msgspec
from brobyg_contracts import AttentionRaised, NotificationFailed, NotificationSent
from brobyg_kit.database import Database, driver_of
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.tables import Instant
from msgspec import UNSET
from sqlalchemy import (
    ColumnElement,
    Float,
    Interval,
    bindparam,
    cast,
    extract,
    func,
    literal,
    select,
    update,
)

from brobyg_notification.adapters.claims import IS_WAITING, WORKER_LOCK, PostgresClaims, is_oldest
from brobyg_notification.adapters.notices import CHANNEL, add, is_erased
from brobyg_notification.adapters.tables import notification
from brobyg_notification.domain.attention import ATTENTION
from brobyg_notification.errors import RecipientDeferred
from brobyg_notification.ports import Backlog, Claim, DeliveryOutcome, FollowUp

_n = notification.c
_now = bindparam("now", type_=Instant)

#: A restart may have removed the obstacle. What a recipient's server deferred stays deferred.
_TRY_NOW = (
    update(notification)
    .where(
        IS_WAITING,
        _n.claimed_by.is_(None),
        _n.due_at > _now,
        _n.reason.is_distinct_from(RecipientDeferred.obstacle),
    )
    .values(due_at=_now)
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

    async def end(self, claim: Claim, outcome: DeliveryOutcome, follow_up: FollowUp) -> None:
        """See `ports.DeliveryQueue`."""
        notice = claim.notice
        async with self._database.transaction() as transaction:
            if notice.role != "coordinator" and await is_erased(transaction, notice.recipient_id):
                follow_up = FollowUp()  # nobody is left whom somebody could phone
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
                    IS_WAITING,
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
    ) -> AsyncIterator[PostgresClaims]:
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
                    select(func.pg_try_advisory_lock(WORKER_LOCK, worker))
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
