"""The event log and rows: written by the live consumer, and by a rebuild's catch-up.

The statements on events and rows are the hottest ones: they are made by SQLAlchemy from the tables,
once, and run on the driver's connection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import msgspec
from brobyg_kit.database import driver_of
from brobyg_kit.statements import driver_text, json_rows, unnest
from sqlalchemy import (
    ARRAY,
    Integer,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import (
    BUILDS,
    lag,
    projection_version,
    tables_of,
    topic_offset,
)
from brobyg_reporting.domain.log import LoggedEvent, Offsets, unusual_schema
from brobyg_reporting.domain.projection import AnyProjection, Row
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.errors import OtherCode

#: One lock a partition number: all events of a key are in one partition number, so two consumers
#: never fold into the same row at once.
_PARTITION_LOCK = 0x62720002


@dataclass(frozen=True)
class VersionStore:
    """A version of each table within the current transaction on `connection`."""

    connection: AsyncConnection
    numbers: Mapping[str, int]

    def table(self, name: str) -> Table:
        """The table of this name in its version."""
        return tables_of(self.numbers[name])[name]

    def takes(self, projection: AnyProjection, event: LoggedEvent) -> bool:
        """Whether the event is folded by the projection now."""
        return projection.table in self.numbers

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
        found = await driver.fetch(_append(self.table("event_log")), rows)
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
        found = await driver.fetch(_by_key(self.table(projection.table)), sorted(keys))
        return {row[0]: projection.row(*row) for row in found}

    async def save(self, projection: AnyProjection, rows: Sequence[Row]) -> None:
        """Write the rows, new or not."""
        driver = await driver_of(self.connection)
        table = self.table(projection.table)
        await driver.execute(_upsert(table), msgspec.json.encode(rows).decode())


@dataclass(frozen=True)
class LiveStore(VersionStore):
    """The live versions that this code wrote. What it may not write is noted to lack the events."""

    #: The live versions of other code.
    others: Mapping[str, int]
    #: Of the locked partitions: what the log holds, and what the projections of `numbers` lack.
    _logged_to: Offsets = field(default_factory=dict)
    _lacks: dict[str, Offsets] = field(default_factory=dict)

    def takes(self, projection: AnyProjection, event: LoggedEvent) -> bool:
        """As above; not where it lacks earlier events, which `use_cases.follow` then brings."""
        name, place = projection.table, (event.topic, event.partition)
        return name in self.numbers and not (
            event.offset >= self._lacks.get(name, {}).get(place, event.offset + 1)
        )

    async def lock(self, partitions: Sequence[int]) -> None:
        """As above."""
        await VersionStore.lock(self, partitions)
        mine = topic_offset.c.partition.in_(partitions)
        for row in await self.connection.execute(select(topic_offset).where(mine)):
            self._logged_to[row.topic, row.partition] = row.next_offset
        for row in await self.connection.execute(
            select(lag).where(lag.c.partition.in_(partitions))
        ):
            if self.numbers.get(row.projection) == row.number:
                lacks = self._lacks.setdefault(row.projection, {})
                lacks[row.topic, row.partition] = row.next_offset

    async def log(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """As above. Raises OtherCode for one that was set aside until now, if other code is live.

        A table that is read from the log can be told from where on it lacks events, but not that
        it lacks one before others that it has. Builds that have read beyond it are given up.
        """
        fresh = await VersionStore.log(self, events)
        if late := [one for one in fresh if one.offset < self._logged_to.get(_place(one), 0)]:
            if self.others:
                raise OtherCode(
                    "an event that was set aside waits while other code's version is live of"
                    f" {', '.join(sorted(self.others))}; see 'brobyg reporting status'"
                )
            for event in late:
                await self.connection.execute(_give_up(event))
        if self.others and fresh:
            await self._note(fresh)
        return fresh

    async def _note(self, fresh: Sequence[LoggedEvent]) -> None:
        """Note that the others lack these, where they did not lack earlier ones already."""
        first: Offsets = {}
        for event in fresh:
            first[_place(event)] = min(event.offset, first.get(_place(event), event.offset))
        rows = [
            (number, name, *place, offset)
            for name, number in sorted(self.others.items())
            for place, offset in sorted(first.items())
        ]
        kinds = {one.name: one.type for one in lag.c}
        noted = insert(lag).from_select(list(kinds), select(unnest(kinds, rows)))
        await self.connection.execute(noted.on_conflict_do_nothing())


def _place(event: LoggedEvent) -> tuple[str, int]:
    return event.topic, event.partition


def _give_up(event: LoggedEvent) -> Update:
    """Drop the builds that have read beyond this event, which one of their projections folds."""
    built, read = projection_version.c, lag.c
    folding = [
        one.table for one in PROJECTIONS if event.type in {kind.EVENT_TYPE for kind in one.folds}
    ]
    beyond = select(read.number).where(
        read.topic == event.topic,
        read.partition == event.partition,
        read.next_offset > event.offset,
        read.projection.in_(folding),
    )
    found = built.state.in_(BUILDS), built.number.in_(beyond)
    return update(projection_version).where(*found).values(state="dropped")


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
        "dataschema": unusual_schema(event),
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
