"""Writing events and rows to a version's tables: what the live consumer does with a batch, and catch-up with the records in between."""

from collections.abc import Sequence
from typing import TypeAlias

import asyncpg
import msgspec

from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.log import LoggedEvent
from brobyg_reporting.domain.projection import Projection, Row
from brobyg_reporting.domain.projections import PROJECTIONS

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

#: Shared by whoever writes to the active version, exclusive for the switch: nobody writes to a version that is being compared or left.
VERSION_LOCK = 0x62720001
#: One lock a partition number: all events of a key are in one, so two consumers never fold into the same row at once.
_PARTITION_LOCK = 0x62720002

LOG_COLUMNS = (
    "id",
    "topic",
    "partition",
    "record_offset",
    "type",
    "subject",
    "sequence",
    "time",
    "correlationid",
    "causationid",
    "data",
)

_INSERT_LOG = (
    "insert into projection_v{version}.event_log ({columns})"
    " select id, topic, partition, record_offset, type, subject, sequence, time, correlationid, causationid, data::jsonb"
    " from unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[], $9::text[],"
    " $10::text[], $11::text[]) as e({columns}) on conflict (id) do nothing returning id::text"
)
_STORE_OFFSETS = (
    "insert into reporting.topic_offset as o (topic, partition, next_offset) select * from unnest($1::text[], $2::int[], $3::bigint[])"
    " on conflict (topic, partition) do update set next_offset = greatest(o.next_offset, excluded.next_offset)"
)


def schema(version: int) -> str:
    """The database schema of a version."""
    return f"projection_v{version:d}"


async def active_version(connection: Connection) -> int:
    """The version to write to, which stays the active one until this transaction ends. May wait for a switch in progress."""
    await connection.execute("select pg_advisory_xact_lock_shared($1)", VERSION_LOCK)
    return int(await connection.fetchval("select version from reporting.active_version"))


async def apply(connection: Connection, version: int, events: Sequence[LoggedEvent]) -> int:
    """Log the events and fold those that were not in the log yet; returns their number. Call it inside a transaction.

    An event that is in the log already has no effect, so the same records may come any number of times.
    """
    partitions = sorted({event.partition for event in events})
    await connection.execute(
        "select pg_advisory_xact_lock($1, p) from unnest($2::int[]) as p",
        _PARTITION_LOCK,
        partitions,
    )
    fresh = await _log(connection, version, events)
    if fresh:
        await _fold(connection, version, fresh)
    return len(fresh)


async def store_offsets(connection: Connection, next_offsets: dict[tuple[str, int], int]) -> None:
    """Keep how far the active version has come; never goes back."""
    places = sorted(next_offsets)
    await connection.execute(
        _STORE_OFFSETS,
        [topic for topic, _ in places],
        [partition for _, partition in places],
        [next_offsets[at] for at in places],
    )


def after(events: Sequence[LoggedEvent]) -> dict[tuple[str, int], int]:
    """For each partition the offset behind the last of these events."""
    offsets: dict[tuple[str, int], int] = {}
    for event in events:
        at = (event.topic, event.partition)
        offsets[at] = max(offsets.get(at, 0), event.offset + 1)
    return offsets


async def _log(
    connection: Connection, version: int, events: Sequence[LoggedEvent]
) -> list[LoggedEvent]:
    rows = [
        (
            e.id,
            e.topic,
            e.partition,
            e.offset,
            e.type,
            e.subject,
            e.sequence,
            e.time,
            e.correlationid,
            e.causationid,
            str(e.data, "utf-8"),
        )
        for e in events
    ]
    sql = _INSERT_LOG.format(version=version, columns=", ".join(LOG_COLUMNS))
    inserted = {row[0] for row in await connection.fetch(sql, *zip(*rows, strict=True))}
    fresh = []
    for event in events:
        if event.id in inserted:
            inserted.discard(
                event.id
            )  # the same event twice in one batch counts once, at its first place
            fresh.append(event)
    return fresh


async def _fold(connection: Connection, version: int, events: Sequence[LoggedEvent]) -> None:
    folder = Folder()
    touched = folder.keys((event.type, event.data) for event in events)
    for projection in PROJECTIONS:
        if touched[projection.table]:
            await _load(
                connection,
                version,
                projection,
                folder.rows[projection.table],
                sorted(touched[projection.table]),
            )
    for event in events:
        folder.fold(event.type, event.data, event.time)
    for projection in PROJECTIONS:
        if folder.rows[projection.table]:
            await _save(
                connection, version, projection, list(folder.rows[projection.table].values())
            )


async def _load(
    connection: Connection,
    version: int,
    projection: Projection[Row],
    rows: dict[str, Row],
    keys: list[str],
) -> None:
    columns = ", ".join(projection.columns)
    sql = f"select {columns} from {schema(version)}.{projection.table} where {projection.key} = any($1)"  # noqa: S608  # names from our own code
    for record in await connection.fetch(sql, keys):
        rows[record[0]] = projection.row(*record.values())


async def _save(
    connection: Connection,
    version: int,
    projection: Projection[Row],
    rows: list[Row],
) -> None:
    table = f"{schema(version)}.{projection.table}"
    columns = ", ".join(projection.columns)
    changes = ", ".join(f"{column} = excluded.{column}" for column in projection.columns[1:])
    sql = (
        f"insert into {table} ({columns}) select {columns} from json_populate_recordset(null::{table}, $1::text::json)"  # noqa: S608  # as above
        f" on conflict ({projection.key}) do update set {changes}"
    )
    await connection.execute(sql, msgspec.json.encode(rows).decode())
