"""What versions of projections lack of the event log, which they are folded from."""

from collections.abc import Collection
from contextlib import suppress

import msgspec
from brobyg_kit.event import UndecodableEvent
from sqlalchemy import Table, Text, and_, case, cast, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import BUILDS, lag, projection_version, topic_offset
from brobyg_reporting.domain.log import LoggedEvent, read_data, usual_schema
from brobyg_reporting.ports import Lag


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
    Those that the code knows now which logged them unknown are marked as folded.
    """
    own = log.c
    found = await connection.execute(
        select(
            cast(own.id, Text).label("id"), own.topic, own.partition,
            own.record_offset.label("offset"), own.type, own.subject, own.sequence, own.time,
            own.dataschema, own.correlationid, own.causationid, own.folded,
            cast(own.data, Text).label("data"),
        )
        .where(own.partition == lacks.partition, own.topic == lacks.topic)
        .where(own.record_offset >= lacks.start, own.record_offset < lacks.end)
        .where(own.type.in_(types))
        .order_by(own.record_offset)
        .fetch(limit, with_ties=True)
    )  # fmt: skip
    events, known = [], []
    for row in found.mappings():
        fields = dict(row, source="", data=msgspec.Raw(row["data"].encode()))
        fields["dataschema"] = row["dataschema"] or usual_schema(row["type"])
        folded = fields.pop("folded")
        event = LoggedEvent(**fields, decoded=None)
        with suppress(UndecodableEvent):  # the schema of its type has changed since
            event = msgspec.structs.replace(event, decoded=read_data(event))
        events.append(event)
        if event.decoded is not None and not folded:
            known.append(event.id)
    if known:
        marked = update(log).where(own.id.in_(known)).values(folded=True)
        await connection.execute(marked)
    return events
