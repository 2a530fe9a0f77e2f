"""The notices that events lead to, in PostgreSQL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from brobyg_contracts import CitizenErased, ErasureAcknowledged, HelperErased, NotificationFailed
from brobyg_kit import event as events
from brobyg_kit.database import Transaction
from brobyg_kit.erasure import Erasures, erased
from brobyg_kit.event import Event
from brobyg_kit.restriction import lift, restrict
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, Instant
from msgspec import UNSET, convert
from sqlalchemy import (
    ARRAY,
    RowMapping,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from brobyg_notification.adapters.tables import called_off, closed_need, notification
from brobyg_notification.domain.attention import ATTENTION, mail_refused_id
from brobyg_notification.domain.calendar_status import (
    Calendars,
    CalendarStatus,
    CalledOff,
    read_called_off,
)
from brobyg_notification.domain.notice import Notice, Role
from brobyg_notification.ports import State

#: PostgreSQL's channel on which a commit tells of new notices.
CHANNEL = "notification"

_n, _off = notification.c, called_off.c
#: A notice's columns and their values. Read back by `claims`.
_VALUES: Mapping[Any, Callable[[Notice], object]] = {
    _n.notification_id: attrgetter("notification_id"),
    _n.template: attrgetter("template"),
    _n.recipient_role: attrgetter("role"),
    _n.recipient_id: attrgetter("recipient_id"),
    _n.need_id: attrgetter("need_id"),
    _n.referral_id: attrgetter("referral_id"),
    _n.pathway: attrgetter("pathway"),
    _n.department: attrgetter("department"),
    _n.seat_role: attrgetter("seat_role"),
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
_ONE_EACH = (_n.cause, _n.recipient_role, _n.recipient_id)

_need_ids = bindparam("need_ids", type_=ARRAY(Id))
_ids = bindparam("ids", type_=ARRAY(Id))
# In one order, so that no two transactions wait for each other.
_keys = (
    select(func.hashtextextended(cast(func.unnest(_ids).column_valued("id"), Text), 0).label("key"))
    .distinct()
    .order_by("key")
    .subquery("keys")
)
_LOCK = select(func.pg_advisory_xact_lock(_keys.c.key))

#: The newest of each thread that changes a calendar entry.
_ENTRIES = (
    select(
        _n.need_id,
        _n.recipient_role,
        _n.recipient_id,
        _n.calendar_method,
        _n.calendar_sequence,
        cast(_n.match_event, Text).label("match_event"),
    )
    .ext(distinct_on(_n.thread))
    .where(_n.need_id == func.any(_need_ids), _n.calendar_sequence.is_not(None))
    .order_by(_n.thread, _n.calendar_sequence.desc())
)
_CALLED_OFF = select(_off.need_id, _off.reason, cast(_off.event, Text).label("event")).where(
    _off.need_id == func.any(_need_ids)
)
_UNREACHED = (
    select(_n.need_id, _n.recipient_role, _n.recipient_id)
    .distinct()
    .where(_n.need_id == func.any(_need_ids), _n.state == "failed")
)
_TO_PERSON = (
    _n.recipient_id == bindparam("person_id", type_=Text()),
    _n.recipient_role == bindparam("role", type_=Text()),
)
#: Those that a worker has in hand end by themselves.
_GIVE_UP = (
    update(notification)
    .where(*_TO_PERSON, _n.state == "waiting", _n.claimed_by.is_(None))
    .values(
        state="failed",
        reason="recipient_erased",
        ended_at=bindparam("now", type_=Instant),
    )
    .returning(_n.notification_id, _n.need_id, _n.referral_id, _n.template, _n.cause)
)
_FAILED_TO = select(_n.need_id).distinct().where(*_TO_PERSON, _n.state == "failed")

#: Those of citizens and helpers are heard of; notification owns nobody.
ERASURES = Erasures("notification", ErasureAcknowledged, kinds=(CitizenErased, HelperErased))


class PostgresNotices:
    """See `ports.Notices`."""

    async def calendars(
        self, transaction: Transaction, need_ids: Collection[str]
    ) -> dict[str, Calendars]:
        """See `ports.Notices`."""
        if not need_ids:
            return {}
        given = {"need_ids": list(need_ids)}
        await _lock(transaction, need_ids)
        entries: dict[str, dict[tuple[Role, str], CalendarStatus]] = {one: {} for one in need_ids}
        for row in await transaction.connection.execute(_ENTRIES, given):
            entries[row.need_id][row.recipient_role, row.recipient_id] = CalendarStatus(
                role=row.recipient_role,
                recipient_id=row.recipient_id,
                method=row.calendar_method,
                sequence=row.calendar_sequence,
                match=read_event(row.match_event),
            )
        off = {
            row.need_id: read_called_off(row.need_id, row.reason, events.decode(row.event.encode()))
            for row in await transaction.connection.execute(_CALLED_OFF, given)
        }
        return {one: Calendars(entries[one], off.get(one)) for one in need_ids}

    async def lock_people(self, transaction: Transaction, person_ids: Collection[str]) -> None:
        """See `ports.Notices`."""
        await _lock(transaction, person_ids)

    async def keep(
        self,
        transaction: Transaction,
        notices: Sequence[Notice],
        called_off: Sequence[CalledOff],
    ) -> None:
        """See `ports.Notices`."""
        people = {one.recipient_id for one in notices if one.role != "coordinator"}
        gone = await erased(transaction, people)
        await add(transaction, [one for one in notices if one.recipient_id not in gone])
        newest = {one.need_id: one for one in sorted(called_off, key=attrgetter("cause.time"))}
        if newest:
            await _call_off(transaction, list(newest.values()))

    async def close(self, transaction: Transaction, closed: Mapping[str, Event]) -> None:
        """See `ports.Notices`."""
        if not closed:
            return
        await _close(transaction, closed)
        given = {"need_ids": list(closed)}
        unreached = await transaction.connection.execute(_UNREACHED, given)
        settled = {
            mail_refused_id(row.need_id, row.recipient_role, row.recipient_id): closed[row.need_id]
            for row in unreached
        }
        await ATTENTION.settle_own(transaction, settled)

    async def reopen(self, transaction: Transaction, need_ids: Collection[str]) -> None:
        """See `ports.Notices`."""
        if need_ids:
            await transaction.connection.execute(
                delete(closed_need).where(closed_need.c.need_id.in_(need_ids))
            )

    async def restrict(
        self, transaction: Transaction, person_id: str, why: str | None, cause: Event
    ) -> None:
        """See `ports.Notices`."""
        if why is None:
            await lift(transaction, person_id)
        elif not await erased(transaction, [person_id]):
            await restrict(transaction, person_id, why, cause.source)

    async def erase(
        self, transaction: Transaction, role: Role, person_id: str, cause: Event
    ) -> None:
        """See `ports.Notices`."""
        given = {"role": role, "person_id": person_id, "now": transaction.now}
        await lift(transaction, person_id)
        await ERASURES.acknowledge(transaction, person_id, cause)
        for row in await transaction.connection.execute(_GIVE_UP, given):
            told = {
                "notification_id": row.notification_id,
                "need_id": row.need_id,
                "referral_id": row.referral_id or UNSET,
                "recipient_role": role,
                "recipient_id": person_id,
                "template": row.template,
                "channel": "email",
                "cause": row.cause,
                "reason": "recipient_erased",
            }
            failed = convert(told, NotificationFailed)
            transaction.emit(failed, subject=row.need_id, cause=cause)
        needs = await transaction.connection.scalars(_FAILED_TO, given)
        items = (mail_refused_id(need_id, role, person_id) for need_id in needs)
        await ATTENTION.settle_own(transaction, dict.fromkeys(items, cause))


async def is_erased(transaction: Transaction, person_id: str) -> bool:
    """Whether the person is; from now on until the commit nobody erases them."""
    await _lock(transaction, [person_id])
    return bool(await erased(transaction, [person_id]))


async def _lock(transaction: Transaction, ids: Collection[str]) -> None:
    if ids:
        await transaction.connection.execute(_LOCK, {"ids": list(ids)})


async def add(transaction: Transaction, notices: Sequence[Notice]) -> None:
    """Store the notices with the transaction, in their order; its commit wakes the delivery.

    Those that are stored already (same cause and recipient) stay as they are.
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
    columns = (_off.need_id, _off.reason, _off.happened_at, _off.event)
    rows = unnest(
        {column.name: column.type for column in columns},
        [(one.need_id, one.reason, one.cause.time, one.cause) for one in newest],
    )
    statement = insert(called_off).from_select(columns, select(*rows.c))
    given = statement.excluded
    await transaction.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_off.need_id],
            set_={"happened_at": given.happened_at, "reason": given.reason, "event": given.event},
            where=_off.happened_at < given.happened_at,
        )
    )


async def _close(transaction: Transaction, closed: Mapping[str, Event]) -> None:
    columns = (closed_need.c.need_id, closed_need.c.closed_at)
    given = [(need_id, closed[need_id].time) for need_id in sorted(closed)]
    rows = unnest({column.name: column.type for column in columns}, given)
    statement = insert(closed_need).from_select(columns, select(*rows.c))
    await transaction.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[closed_need.c.need_id],
            set_={"closed_at": statement.excluded.closed_at},
        )
    )


def read_event(text: str | None) -> Event | None:
    """A stored event, from its column as text; None for none."""
    return events.decode(text.encode()) if text else None


async def page(
    transaction: Transaction,
    state: State | None,
    need_id: UUID | None,
    before: int | None,
    limit: int,
    departments: Sequence[str] | None,
) -> Sequence[RowMapping]:
    """At most `limit` notices older than position `before`, newest first.

    Of all departments, or of those.
    """
    wanted = (
        (state, _n.state == state),
        (need_id, _n.need_id == str(need_id)),
        (departments, _n.department.in_(departments or ())),
    )
    statement = (
        select(
            _n.position,
            _n.notification_id,
            _n.template,
            _n.recipient_role,
            _n.recipient_id,
            _n.need_id,
            _n.referral_id,
            _n.department,
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
    return (await transaction.connection.execute(statement)).mappings().all()
