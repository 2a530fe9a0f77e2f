"""The notices in PostgreSQL."""

import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import cast

import asyncpg
import msgspec
from brobyg_contracts import NotificationFailed, NotificationSent, VolunteerMatched
from brobyg_kit import event as events
from brobyg_kit.clock import Clock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.wording import Language

from brobyg_notification.domain.message import told_match
from brobyg_notification.domain.notice import (
    CalendarMethod,
    Notice,
    Role,
    Template,
    of_unreachable_citizen,
)
from brobyg_notification.ports import Backlog, FailureReason, State, Waiting

CHANNEL = "notification"
#: First half of the advisory lock that says a sender lives; the second half is the sender's number.
_SENDER_LOCK = 0x6D61696C
_CONNECT_SECONDS = 5.0
_GONE_SECONDS, _GONE_AFTER_TROUBLE_SECONDS = 1.0, 10.0
"""Wall time for which a sender must be seen gone before its claims are anybody's: one that lives and only lost its session has it again at once,
or, where the whole database was away, after a pause of at most 2 s and `_CONNECT_SECONDS`. What it handed over meanwhile is its own to record.
"""

# The statements below are put together from constants of this file; every value is a parameter.
_ADD = f"""
with planned as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::jsonb[], $9::text[], $10::text[])
    with ordinality as p(notification_id, template, role, recipient_id, referral_id, appointment_id, cause, cause_event, lane, method, place)
), fresh as (
    select p.*, row_number() over (partition by p.lane, p.method is null order by p.place) as nth from planned p
    where not exists (
        select from notification n where n.cause = p.cause and n.appointment_id = p.appointment_id
            and n.recipient_role = p.role and n.recipient_id = p.recipient_id)
), added as (
    insert into notification (notification_id, template, recipient_role, recipient_id, referral_id, appointment_id, cause, cause_event,
                              lane, calendar_method, calendar_sequence, due_at, created_at)
    select f.notification_id, f.template, f.role, f.recipient_id, f.referral_id, f.appointment_id, f.cause, f.cause_event, f.lane, f.method,
           case when f.method is not null then
               f.nth - 1 + coalesce((select max(n.calendar_sequence) + 1 from notification n where n.lane = f.lane), 0) end,
           $11, $11
    from fresh f order by f.place
    on conflict (cause, appointment_id, recipient_role, recipient_id) do nothing
    returning 1
), told as (select pg_notify('{CHANNEL}', '') where exists (select from added))
select (select count(*) from added) as added, (select count(*) from told) as told
"""  # noqa: S608

_OLDEST_OF_LANE = """not exists (
    select from notification e where e.lane = n.lane and e.state = 'waiting' and e.position < n.position)"""

_CLAIM = f"""
with due as (
    select n.position from notification n
    where n.state = 'waiting' and n.claimed_by is null and n.due_at <= $1 and {_OLDEST_OF_LANE}
    order by n.due_at, n.position limit $2
    for update of n skip locked
)
update notification n set claimed_by = $3, attempts = attempts + 1 from due where n.position = due.position
returning n.template, n.recipient_role, n.recipient_id, n.referral_id::text, n.appointment_id::text, n.calendar_method, n.calendar_sequence,
    n.attempts, n.created_at, n.cause_event::text as cause_event, n.position,
    (select e.cause_event->'data' from notification e
     where e.appointment_id = n.appointment_id and e.position < n.position and e.cause_event->>'type' = $4
       and (e.lane = n.lane or (n.template = 'unreachable_citizen' and e.recipient_role = 'citizen'))
     order by e.position desc limit 1)::text as earlier,
    exists (
        select from notification e where e.appointment_id = n.appointment_id and e.lane = n.lane and e.position > n.position
            and (e.calendar_method is not null or e.template = n.template)) as overtaken,
    coalesce((
        select bool_and((e.state = 'superseded' or e.reason is not distinct from 'appointment_over') and e.attempts = 1) from notification e
        where e.appointment_id = n.appointment_id and e.lane = n.lane and e.position < n.position
            and e.calendar_method is not null), false) as unheard
"""  # noqa: S608

#: What was in the way may be gone, so who starts does not wait for the end of long pauses; what one recipient's server asked for is heeded.
_TRY_NOW = """
update notification set due_at = $1 where state = 'waiting' and claimed_by is null and due_at > $1 and reason is distinct from $2
"""

_NEXT_DUE = f"""
select n.due_at from notification n where n.state = 'waiting' and n.claimed_by is null and {_OLDEST_OF_LANE}
order by n.due_at limit 1
"""  # noqa: S608

_END = """
update notification set state = $2, reason = $3, ended_at = $4, claimed_by = null
where notification_id = $1 and state = 'waiting' returning 1
"""

#: What is in the way of one recipient's messages and of nobody else's.
_OF_ONE_RECIPIENT = "recipient_deferred"
_BACKLOG = f"""
select coalesce(n.reason, 'untried') as cause, count(*) as waiting,
    extract(epoch from clock_timestamp() - min(n.kept_at))::float8 as oldest,
    extract(epoch from clock_timestamp() - min(n.kept_at) filter (
        where n.reason is distinct from $1 and {_OLDEST_OF_LANE}))::float8 as held
from notification n where n.state = 'waiting' group by 1
"""  # noqa: S608


class NoticeStore:
    """The notices of this service's own database."""

    def __init__(self, database: Database) -> None:
        """`database` must be open before anything is asked."""
        self._database = database

    async def sent(self, waiting: Waiting, language: Language) -> None:
        """See `ports.Store`."""
        notice = waiting.notice
        async with self._database.transaction() as transaction:
            if await self._end(transaction, notice, "sent", None):
                data = NotificationSent(
                    notification_id=notice.notification_id,
                    referral_id=notice.referral_id,
                    appointment_id=notice.appointment_id,
                    recipient_role=notice.role,
                    recipient_id=notice.recipient_id,
                    template=notice.template,
                    channel="email",
                    language=language,
                    cause=notice.cause.id,
                )
                transaction.emit(data, subject=notice.referral_id, cause=notice.cause)

    async def failed(self, waiting: Waiting, language: Language, reason: FailureReason) -> None:
        """See `ports.Store`."""
        notice = waiting.notice
        async with self._database.transaction() as transaction:
            if await self._end(transaction, notice, "failed", reason):
                data = NotificationFailed(
                    notification_id=notice.notification_id,
                    referral_id=notice.referral_id,
                    appointment_id=notice.appointment_id,
                    recipient_role=notice.role,
                    recipient_id=notice.recipient_id,
                    template=notice.template,
                    channel="email",
                    language=language,
                    cause=notice.cause.id,
                    reason=reason,
                )
                transaction.emit(data, subject=notice.referral_id, cause=notice.cause)
                if reason in ("no_address", "refused"):
                    await add(
                        transaction,
                        of_unreachable_citizen(notice, told_match(notice, waiting.earlier)),
                    )

    async def superseded(self, waiting: Waiting) -> None:
        """See `ports.Store`."""
        async with self._database.transaction() as transaction:
            await self._end(transaction, waiting.notice, "superseded", None)

    async def postpone(self, waiting: Waiting, until: datetime, cause: str) -> None:
        """See `ports.Store`."""
        await self._database.pool.execute(
            "update notification set claimed_by = null, due_at = $2, reason = $3 where notification_id = $1 and state = 'waiting'",
            waiting.notice.notification_id,
            until,
            cause,
        )

    async def backlog(self) -> Backlog:
        """See `ports.Store`."""
        rows = await self._database.pool.fetch(_BACKLOG, _OF_ONE_RECIPIENT)
        return Backlog(
            {row["cause"]: row["waiting"] for row in rows},
            oldest_seconds=max((row["oldest"] for row in rows), default=0.0),
            held_seconds=max((row["held"] or 0.0 for row in rows), default=0.0),
        )

    async def _end(
        self, transaction: Transaction, notice: Notice, state: State, reason: FailureReason | None
    ) -> bool:
        row = await transaction.driver.fetchrow(
            _END, notice.notification_id, state, reason, transaction.clock.now()
        )
        return row is not None

    @asynccontextmanager
    async def session(
        self, sender: int, wake: Callable[[], None], *, again: bool
    ) -> AsyncIterator["SenderClaims"]:
        """See `ports.Store`. One connection of its own: the lock that says this sender lives ends with it."""
        connection = await asyncpg.connect(
            self._database.url, timeout=_CONNECT_SECONDS, command_timeout=30
        )
        try:
            connection.add_termination_listener(lambda *_: wake())
            await connection.add_listener(CHANNEL, lambda *_: wake())
            # Where the server has not yet noticed that the session before is dead, it goes on holding the old number, and what was claimed by it.
            while not await connection.fetchval(
                "select pg_try_advisory_lock($1, $2)", _SENDER_LOCK, sender
            ):
                sender = new_sender()
            # A database that has only just come up threw everybody out, also for one that starts now.
            young = await connection.fetchval(
                "select clock_timestamp() - pg_postmaster_start_time() < make_interval(secs => $1)",
                _GONE_AFTER_TROUBLE_SECONDS,
            )
            if not again:
                await connection.execute(_TRY_NOW, self._database.clock.now(), _OF_ONE_RECIPIENT)
            patience = _GONE_AFTER_TROUBLE_SECONDS if again or young else _GONE_SECONDS
            yield SenderClaims(connection, sender, self._database.clock, patience)
        finally:
            await connection.close(timeout=2)


def new_sender() -> int:
    """A number for a sender that starts."""
    return random.SystemRandom().randrange(1, 2**31)


class SenderClaims:
    """What one sender has in hand, through one of its database sessions. All on that one connection: a claim whose answer was lost is no work in
    hand, and is free again in the next.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        number: int,
        clock: Clock,
        patience: float,
    ) -> None:
        """`number` is the sender's; its lock is held on `connection`. Others are gone after `patience` seconds of wall time."""
        self._connection, self._number, self._clock, self._patience = (
            connection,
            number,
            clock,
            patience,
        )
        self._gone_since: dict[int, float] = {}

    async def claim(self, limit: int) -> list[Waiting]:
        """See `ports.Claims`."""
        rows = await self._connection.fetch(
            _CLAIM, self._clock.now(), limit, self._number, VolunteerMatched.EVENT_TYPE
        )
        return [_waiting(row) for row in sorted(rows, key=lambda row: cast("int", row["position"]))]

    async def free_abandoned(self, in_hand: Collection[str]) -> int:
        """See `ports.Claims`. Two steps: the senders that are gone are found before any claim is touched, so one that starts meanwhile is safe."""
        seen = await self._connection.fetchval(
            "select array(select distinct n.claimed_by from notification n where n.state = 'waiting' and n.claimed_by is not null"
            " and not exists (select from pg_locks l where l.locktype = 'advisory' and l.objsubid = 2 and l.classid = $1"
            " and l.objid = n.claimed_by and l.database = (select oid from pg_database where datname = current_database())))",
            _SENDER_LOCK,
        )
        now = time.monotonic()
        self._gone_since = {number: self._gone_since.get(number, now) for number in seen}
        gone = [
            number for number, since in self._gone_since.items() if now - since >= self._patience
        ]
        freed = await self._connection.fetch(
            "update notification set claimed_by = null where state = 'waiting' and claimed_by = any($1::int[])"
            " and notification_id <> all($2::uuid[]) returning 1",
            [*gone, self._number],
            list(in_hand),
        )
        for number in gone:
            del self._gone_since[number]
        return len(freed)

    @property
    def somebody_is_missing(self) -> bool:
        """See `ports.Claims`."""
        return bool(self._gone_since)

    async def next_due(self) -> datetime | None:
        """See `ports.Claims`."""
        due = await self._connection.fetchval(_NEXT_DUE)
        return cast("datetime | None", due)


async def add(transaction: Transaction, notices: Sequence[Notice]) -> int:
    """Keep the notices with the transaction, in one statement, and wake the sender at its commit. Those that are there already (same cause,
    appointment and recipient) stay as they are. Returns how many are new.
    """
    if not notices:
        return 0
    added = await transaction.driver.fetchval(
        _ADD,
        [notice.notification_id for notice in notices],
        [notice.template for notice in notices],
        [notice.role for notice in notices],
        [notice.recipient_id for notice in notices],
        [notice.referral_id for notice in notices],
        [notice.appointment_id for notice in notices],
        [notice.cause.id for notice in notices],
        [notice.cause for notice in notices],
        [notice.lane for notice in notices],
        [notice.calendar for notice in notices],
        transaction.clock.now(),
    )
    return cast("int", added)


def _waiting(row: asyncpg.Record) -> Waiting:
    earlier = row["earlier"]
    notice = Notice(
        template=cast("Template", row["template"]),
        role=cast("Role", row["recipient_role"]),
        recipient_id=row["recipient_id"],
        referral_id=row["referral_id"],
        appointment_id=row["appointment_id"],
        cause=events.decode(row["cause_event"].encode()),
        calendar=cast("CalendarMethod | None", row["calendar_method"]),
    )
    return Waiting(
        notice=notice,
        sequence=row["calendar_sequence"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        earlier=msgspec.json.decode(earlier, type=VolunteerMatched) if earlier else None,
        overtaken=row["overtaken"],
        unheard=row["unheard"],
    )
