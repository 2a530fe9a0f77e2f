"""A version's event log and rows: written by the live consumer, and by a rebuild's catch-up.

The statements on events and rows are the hottest ones: they are made by SQLAlchemy from the tables,
once, and run on the driver's connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from brobyg_kit.database import driver_of
from brobyg_kit.statements import driver_text, json_rows, unnest
from sqlalchemy import (
    ARRAY,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.domain.log import LoggedEvent
from brobyg_reporting.domain.projection import AnyProjection, Row

#: One lock a partition number: all events of a key are in one partition number, so two consumers
#: never fold into the same row at once.
_PARTITION_LOCK = 0x62720002


@dataclass(frozen=True, slots=True)
class VersionStore:
    """One version within the current transaction on `connection`."""

    connection: AsyncConnection
    number: int

    async def lock(self, partitions: Sequence[int]) -> None:
        """Lock these partition numbers' keys until the transaction ends. May wait."""
        given = unnest({"number": Integer()}, [(number,) for number in sorted(partitions)])
        lock = func.pg_advisory_xact_lock(_PARTITION_LOCK, given.c.number)
        await self.connection.execute(select(lock))

    async def log(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Put the events in the log; those that were not there yet, in order.

        An event that comes twice counts once, at its first place.
        """
        driver = await driver_of(self.connection)
        rows = msgspec.json.encode([_logged(one) for one in events]).decode()
        found = await driver.fetch(_append(tables_of(self.number)["event_log"]), rows)
        new = {row[0] for row in found}
        fresh = []
        for event in events:
            if event.id in new:
                new.discard(event.id)
                fresh.append(event)
        return fresh

    async def load(self, projection: AnyProjection, keys: set[str]) -> dict[str, Row]:
        """The rows that are there, by key."""
        driver = await driver_of(self.connection)
        table = tables_of(self.number)[projection.table]
        found = await driver.fetch(_by_key(table), sorted(keys))
        return {row[0]: projection.row(*row) for row in found}

    async def save(self, projection: AnyProjection, rows: Sequence[Row]) -> None:
        """Write the rows, new or not."""
        driver = await driver_of(self.connection)
        table = tables_of(self.number)[projection.table]
        await driver.execute(_upsert(table), msgspec.json.encode(rows).decode())


def _logged(event: LoggedEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "topic": event.topic,
        "partition": event.partition,
        "record_offset": event.offset,
        "type": event.type,
        "subject": event.subject,
        "sequence": event.sequence,
        "time": event.time,
        "correlationid": event.correlationid,
        "causationid": event.causationid,
        "data": event.data,
        "folded": event.decoded is not None,
    }


def _insert(table: Table) -> Insert:
    """Rows given as a JSON array of objects, whose names are the columns'."""
    return insert(table).from_select(table.c.keys(), select(json_rows(table.c)))


@cache
def _append(table: Table) -> str:
    return driver_text(_insert(table).on_conflict_do_nothing().returning(cast(table.c.id, Text)))


@cache
def _upsert(table: Table) -> str:
    statement, keys = _insert(table), list(table.primary_key.columns)
    changed = {one.name: statement.excluded[one.name] for one in table.c if one not in keys}
    return driver_text(statement.on_conflict_do_update(index_elements=keys, set_=changed))


@cache
def _by_key(table: Table) -> str:
    """A join, as the planner takes a table for small that was empty when it was last analysed."""
    [key] = table.primary_key.columns
    array = bindparam("keys", type_=ARRAY(Text))
    keys = func.unnest(array).table_valued("key").render_derived(name="given")
    return driver_text(select(table).join_from(keys, table, keys.c.key == key))
