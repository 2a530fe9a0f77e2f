"""A version's event log and rows: written by the live consumer, and by a rebuild's catch-up."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from brobyg_kit.database import array_literal, text_array, unnest
from sqlalchemy import JSON, Integer, String, Table, Text, bindparam, cast, column, func, select
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
    """One version within the transaction at hand on `connection`."""

    connection: AsyncConnection
    number: int

    async def lock(self, partitions: Sequence[int]) -> None:
        """Have these partition numbers' keys alone until the transaction ends. May wait."""
        numbers = unnest({"number": Integer()}, [(one,) for one in sorted(partitions)])
        await self.connection.execute(
            select(func.pg_advisory_xact_lock(_PARTITION_LOCK, numbers.c.number))
        )

    async def log(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Put the events in the log; those that were not there yet, in order.

        An event that comes twice counts once, at its first place.
        """
        log = tables_of(self.number)["event_log"]
        found = await self.connection.execute(
            _append(log), {"rows": msgspec.json.encode([_logged(one) for one in events]).decode()}
        )
        new = set(found.scalars())
        fresh = []
        for event in events:
            if event.id in new:
                new.discard(event.id)
                fresh.append(event)
        return fresh

    async def load(self, projection: AnyProjection, keys: set[str]) -> dict[str, Row]:
        """The rows that are there, by key."""
        table = tables_of(self.number)[projection.table]
        found = await self.connection.execute(_by_key(table), {"keys": array_literal(sorted(keys))})
        return {row[0]: projection.row(*row) for row in found}

    async def save(self, projection: AnyProjection, rows: Sequence[Row]) -> None:
        """Write the rows, new or not."""
        table = tables_of(self.number)[projection.table]
        await self.connection.execute(_upsert(table), {"rows": msgspec.json.encode(rows).decode()})


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
        "folded": event.said is not None,
    }


def _insert(table: Table) -> Insert:
    """Rows given as a JSON array of objects, whose names are the columns'."""
    rows = cast(bindparam("rows", type_=String()), JSON)
    columns = [column(one.name, one.type) for one in table.c]
    given = func.json_to_recordset(rows).table_valued(*columns)
    named = given.render_derived(name="given", with_types=True)
    return insert(table).from_select(table.c.keys(), select(*named.c))


@cache
def _append(table: Table) -> Any:  # SQLAlchemy has no public type for an insert with RETURNING
    return _insert(table).on_conflict_do_nothing().returning(table.c.id)


@cache
def _upsert(table: Table) -> Insert:
    statement, keys = _insert(table), list(table.primary_key.columns)
    changed = {one.name: statement.excluded[one.name] for one in table.c if one not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


@cache
def _by_key(table: Table) -> Any:  # a select of as many columns as the table has
    [key] = table.primary_key.columns
    return select(table).where(key == func.any(text_array("keys", Text())))
