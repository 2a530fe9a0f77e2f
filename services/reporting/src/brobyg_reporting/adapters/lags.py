"""What versions of projections lack of the event log, which they are folded from."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import msgspec
from brobyg_contracts import EVENTS
from brobyg_kit.event import UndecodableEvent
from sqlalchemy import (
    RowMapping,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import BUILDS, lag, projection_version, topic_offset
from brobyg_reporting.domain.log import LoggedEvent, read_data, usual_schema
from brobyg_reporting.ports import Lag

#: Events that are looked at at once.
_BATCH = 5_000


async def lacking(connection: AsyncConnection, numbers: Collection[int]) -> list[Lag]:
    """What the live tables and the builds of these numbers lack of the live event log."""
    own, logged_to = projection_version.c, topic_offset.c
    # A live one without a row is where the log is; a build without one has nothing yet.
    none = case((own.state == "live", logged_to.next_offset), else_=0)
    has = func.coalesce(lag.c.next_offset, none)
    found = await connection.execute(
        select(
            own.number, own.projection, logged_to.topic, logged_to.partition, has,
            logged_to.next_offset,
        )
        .join_from(projection_version, topic_offset, true())
        .outerjoin(
            lag,
            and_(
                lag.c.number == own.number,
                lag.c.projection == own.projection,
                lag.c.topic == logged_to.topic,
                lag.c.partition == logged_to.partition,
            ),
        )
        .where(own.number.in_(numbers), own.state.in_(("live", *BUILDS)))
        .where(has < logged_to.next_offset)
        .order_by(*topic_offset.primary_key, own.projection)
    )  # fmt: skip
    return [Lag(*row) for row in found]


async def caught_up(connection: AsyncConnection, lacks: Lag, next_offset: int) -> None:
    """Note that the projection holds what it lacked below this offset.

    A live one that lacks nothing any more has no row.
    """
    row = dict(zip(lag.c.keys(), (*lacks[:4], next_offset), strict=True))
    keys = list(lag.primary_key)
    note = insert(lag).values(row)
    await connection.execute(
        note.on_conflict_do_update(index_elements=keys, set_={"next_offset": next_offset})
    )
    if next_offset >= lacks.end:
        live = select(projection_version.c.number).where(
            projection_version.c.number == lag.c.number,
            projection_version.c.projection == lag.c.projection,
            projection_version.c.state == "live",
        )
        done = lag.delete().where(*(one == row[one.name] for one in keys), live.exists())
        await connection.execute(done)


async def logged(
    connection: AsyncConnection, log: Table, lacks: Lag, types: Collection[str], limit: int
) -> list[LoggedEvent]:
    """The first so many events of these types in the range that `lacks` tells, in order.

    More where one record was told as several, so that the next batch begins behind them all.
    """
    own = log.c
    found = await connection.execute(
        _events(log)
        .where(own.partition == lacks.partition, own.topic == lacks.topic)
        .where(own.record_offset >= lacks.start, own.record_offset < lacks.end)
        .where(own.type.in_(types))
        .order_by(own.record_offset)
        .fetch(limit, with_ties=True)
    )
    return [_read(row) for row in found.mappings()]


async def mark_known(connection: AsyncConnection, log: Table) -> None:
    """Mark as folded the events that were unknown when they were logged and are known now."""
    last = ""
    while True:
        unknown = _events(log).where(log.c.folded == false(), log.c.type.in_(EVENTS))
        if last:
            unknown = unknown.where(log.c.id > last)
        found = await connection.execute(unknown.order_by(log.c.id).limit(_BATCH))
        events = [_read(row) for row in found.mappings()]
        if known := [one.id for one in events if one.decoded is not None]:
            marked = update(log).where(log.c.id.in_(known)).values(folded=True)
            await connection.execute(marked)
        if len(events) < _BATCH:
            return
        last = events[-1].id


def _events(log: Table) -> Select[Any]:
    own = log.c
    return select(
        cast(own.id, Text).label("id"), own.topic, own.partition,
        own.record_offset.label("offset"), own.type, own.subject, own.sequence, own.time,
        own.dataschema, own.correlationid, own.causationid, cast(own.data, Text).label("data"),
    )  # fmt: skip


def _read(row: RowMapping) -> LoggedEvent:
    fields: dict[str, Any] = dict(row, source="", data=msgspec.Raw(row["data"].encode()))
    fields["dataschema"] = row["dataschema"] or usual_schema(row["type"])
    event = LoggedEvent(**fields, decoded=None)
    with suppress(UndecodableEvent):  # the schema of its type has changed since
        event = msgspec.structs.replace(event, decoded=read_data(event))
    return event
