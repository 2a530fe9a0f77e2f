"""The notices that events lead to, in PostgreSQL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from brobyg_kit import event as events
from brobyg_kit.database import Database, Transaction
from brobyg_kit.event import Event
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id
from sqlalchemy import ARRAY, RowMapping, Text, and_, bindparam, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from brobyg_notification.adapters.tables import called_off, notification
from brobyg_notification.domain.calendar_status import Calendars, CalendarStatus, CalledOff
from brobyg_notification.domain.notice import Notice
from brobyg_notification.ports import State

#: PostgreSQL's channel on which a commit tells of new notices.
CHANNEL = "notification"

_n, _off = notification.c, called_off.c
#: A notice's columns and their values. Read back by `delivery_queue`.
_VALUES: Mapping[Any, Callable[[Notice], object]] = {
    _n.notification_id: attrgetter("notification_id"),
    _n.template: attrgetter("template"),
    _n.recipient_role: attrgetter("role"),
    _n.recipient_id: attrgetter("recipient_id"),
    _n.referral_id: attrgetter("referral_id"),
    _n.appointment_id: attrgetter("appointment_id"),
    _n.cause: attrgetter("cause.id"),
    _n.cause_event: attrgetter("cause"),
    _n.thread: attrgetter("thread"),
    _n.starts_at: attrgetter("starts_at"),
    _n.ends_at: attrgetter("ends_at"),
    _n.match_event: attrgetter("match"),
    _n.release_reason: attrgetter("release_reason"),
    _n.calendar_method: attrgetter("calendar"),
    _n.calendar_sequence: attrgetter("sequence"),
}
_ONE_EACH = (_n.cause, _n.appointment_id, _n.recipient_role, _n.recipient_id)

_referral_ids = bindparam("referral_ids", type_=ARRAY(Id))
# In one order, so that no two transactions wait for each other.
_keys = (
    select(
        func.hashtextextended(
            cast(func.unnest(_referral_ids).column_valued("referral_id"), Text), 0
        ).label("key")
    )
    .distinct()
    .order_by("key")
    .subquery("keys")
)
_LOCK = select(func.pg_advisory_xact_lock(_keys.c.key))

#: The newest calendar file of each thread.
_ENTRIES = (
    select(
        _n.referral_id,
        _n.appointment_id,
        _n.recipient_role,
        _n.recipient_id,
        _n.calendar_method,
        _n.calendar_sequence,
        cast(_n.match_event, Text).label("match_event"),
    )
    .ext(distinct_on(_n.thread))
    .where(_n.referral_id == func.any(_referral_ids), _n.calendar_sequence.is_not(None))
    .order_by(_n.thread, _n.calendar_sequence.desc())
)
_CALLED_OFF = select(
    _off.referral_id, _off.about, _off.reason, cast(_off.event, Text).label("event")
).where(_off.referral_id == func.any(_referral_ids))


class PostgresNotices:
    """See `ports.Notices`."""

    async def calendars(
        self, transaction: Transaction, referral_ids: Collection[str]
    ) -> dict[str, Calendars]:
        """See `ports.Notices`."""
        if not referral_ids:
            return {}
        given = {"referral_ids": list(referral_ids)}
        await transaction.connection.execute(_LOCK, given)
        entries: dict[str, dict[str, CalendarStatus]] = {one: {} for one in referral_ids}
        for row in await transaction.connection.execute(_ENTRIES, given):
            entry = CalendarStatus(
                appointment_id=row.appointment_id,
                role=row.recipient_role,
                recipient_id=row.recipient_id,
                method=row.calendar_method,
                sequence=row.calendar_sequence,
                match=read_event(row.match_event),
            )
            entries[row.referral_id][entry.thread] = entry
        off: dict[str, dict[str, CalledOff]] = {one: {} for one in referral_ids}
        for row in await transaction.connection.execute(_CALLED_OFF, given):
            cause = events.decode(row.event.encode())
            off[row.referral_id][row.about] = CalledOff(row.about, row.reason, cause)
        return {one: Calendars(entries[one], off[one]) for one in referral_ids}

    async def keep(
        self,
        transaction: Transaction,
        notices: Sequence[Notice],
        called_off: Sequence[CalledOff],
    ) -> None:
        """See `ports.Notices`."""
        await add(transaction, notices)
        newest = {one.about: one for one in sorted(called_off, key=attrgetter("cause.time"))}
        if newest:
            await _call_off(transaction, list(newest.values()))


async def add(transaction: Transaction, notices: Sequence[Notice]) -> None:
    """Store the notices with the transaction, in their order; its commit wakes the delivery.

    Those that are stored already (same cause, appointment and recipient) stay as they are.
    """
    if not notices:
        return
    rows = unnest(
        {column.name: column.type for column in _VALUES},
        [[value(notice) for value in _VALUES.values()] for notice in notices],
    )
    now = literal(transaction.now, _n.due_at.type)
    added = (
        insert(notification)
        .from_select([*_VALUES, _n.due_at, _n.created_at], select(*rows.c, now, now))
        .on_conflict_do_nothing(index_elements=_ONE_EACH)
        .returning(_n.position)
        .cte("added")
    )
    await transaction.connection.execute(
        select(func.pg_notify(CHANNEL, "")).where(exists(select(added.c.position)))
    )


async def _call_off(transaction: Transaction, newest: Sequence[CalledOff]) -> None:
    columns = (_off.about, _off.referral_id, _off.reason, _off.happened_at, _off.event)
    rows = unnest(
        {column.name: column.type for column in columns},
        [(one.about, one.cause.subject, one.reason, one.cause.time, one.cause) for one in newest],
    )
    statement = insert(called_off).from_select(columns, select(*rows.c))
    given = statement.excluded
    await transaction.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_off.about],
            set_={"happened_at": given.happened_at, "reason": given.reason, "event": given.event},
            where=_off.happened_at < given.happened_at,
        )
    )


def read_event(text: str | None) -> Event | None:
    """A stored event, from its column as text; None for none."""
    return events.decode(text.encode()) if text else None


async def page(
    database: Database,
    state: State | None,
    appointment_id: UUID | None,
    before: int | None,
    limit: int,
    department: str | None,
) -> Sequence[RowMapping]:
    """At most `limit` notices older than position `before`, newest first.

    Of a department only those that were sent to it.
    """
    wanted = (
        (state, _n.state == state),
        (appointment_id, _n.appointment_id == str(appointment_id)),
        (department, and_(_n.recipient_role == "coordinator", _n.recipient_id == department)),
    )
    statement = (
        select(
            _n.position,
            _n.notification_id,
            _n.template,
            _n.recipient_role,
            _n.recipient_id,
            _n.referral_id,
            _n.appointment_id,
            _n.cause,
            _n.state,
            _n.reason,
            _n.attempts,
            _n.due_at,
            _n.created_at,
            _n.ended_at,
        )
        .where(_n.position < (before or 2**63 - 1))
        .where(*(condition for value, condition in wanted if value is not None))
        .order_by(_n.position.desc())
        .limit(limit)
    )
    async with database.connect() as connection:
        return (await connection.execute(statement)).mappings().all()
