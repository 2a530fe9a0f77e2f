"""Events read back from the event log, for projections that are folded from it."""

from collections.abc import Collection
from contextlib import suppress

import msgspec
from brobyg_kit.event import UndecodableEvent
from sqlalchemy import Table, Text, cast, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.domain.log import LoggedEvent, read_data, usual_schema
from brobyg_reporting.ports import Lag


async def read(
    connection: AsyncConnection, log: Table, lacks: Lag, types: Collection[str], limit: int
) -> list[LoggedEvent]:
    """The first so many events of these types in the range that `lacks` tells, in order.

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
        .limit(limit)
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
