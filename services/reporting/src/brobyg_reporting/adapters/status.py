"""The state of the projections: the live version, its offsets, what it could not fold."""

import asyncio
from collections.abc import Mapping
from typing import Any

from brobyg_kit.database import Database
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Check
from brobyg_kit.unknown import shown
from sqlalchemy import column, false, func, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import schema_of, tables_of, version
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.errors import NoVersion

_SHOWN_REBUILDS = 5
_MOST_TYPES = 10
#: RuntimeError: the database is not open yet.
_UNREADABLE: tuple[type[Exception], ...] = (RuntimeError, *DATABASE_ERRORS)


async def projection_status(
    connection: AsyncConnection, ends: Offsets | None = None
) -> dict[str, Any]:
    """The state of the versions as JSON; with `ends`, the topics' ends, also the lag in records.

    Raises NoVersion before the first.
    """
    versions = VersionTables(connection)
    live = await versions.live()
    if live is None:
        raise NoVersion("no version of the projections has been built yet; start the service")
    offsets = await versions.offsets()
    found = await connection.execute(
        select(version).order_by(version.c.number.desc()).limit(_SHOWN_REBUILDS)
    )
    rebuilds = [_rebuild(dict(row)) for row in found.mappings()]
    switched = select(version.c.finished_at).where(version.c.number == live.number)
    status: dict[str, Any] = {
        "active_version": live.number,
        "switched_at": await connection.scalar(switched),
        "same_code": live.own,
        "rows": await _rows(connection, live.number),
        "not_folded": await not_folded(connection, live.number),
        "offsets": [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for (topic, partition), offset in sorted(offsets.items())
        ],
        "rebuilds": rebuilds,
    }
    if ends is not None:
        status["lag"] = sum(max(0, end - offsets.get(at, 0)) for at, end in ends.items())
    return status


def _rebuild(row: dict[str, Any]) -> dict[str, Any]:
    shown = ("state", "started_at", "finished_at", "events", "seconds")
    kept = {name: row[name] for name in shown}
    return {"version": row["number"], **kept, "tables": row["result"] or []}


async def _rows(connection: AsyncConnection, number: int) -> dict[str, int]:
    """The rows of each of the version's tables, which other code may have made."""
    listed = table("pg_tables", column("tablename"), column("schemaname"))
    names = await connection.scalars(
        select(listed.c.tablename).where(listed.c.schemaname == schema_of(number))
    )
    known = list(tables_of(number))
    rows = {}
    for name in sorted(names, key=lambda one: (one not in known, known.index(one))):
        counted = select(func.count()).select_from(table(name, schema=schema_of(number)))
        rows[name] = int(await connection.scalar(counted) or 0)
    return rows


async def not_folded(connection: AsyncConnection, number: int) -> dict[str, int]:
    """Events of each type that the version has logged and not folded.

    Their type, or a word in them, was unknown to the code that wrote the version.
    """
    log = tables_of(number)["event_log"]
    rows = await connection.execute(
        select(log.c.type, func.count())
        .where(log.c.folded == false())
        .group_by(log.c.type)
        .order_by(log.c.type)
    )
    return {row[0]: row[1] for row in rows}


async def readiness(database: Database, words: Mapping[tuple[str, str], int]) -> Check:
    """Whether there is a version to read, and what a reader must know of it. Up to 2 seconds.

    `words` counts the events with an unknown word, by type and property.
    """
    try:
        async with asyncio.timeout(2), database.connect() as connection:
            live = await VersionTables(connection).live()
            if live is None:
                return Check(False, "no version of the projections has been built yet")
            unknown = await not_folded(connection, live.number)
    except _UNREADABLE as error:
        return Check(False, f"the database can't be read: {type(error).__name__}")
    notes = [] if live.own else [f"version {live.number}, written by other code, is shown"]
    if unknown:
        types = ", ".join(list(dict.fromkeys(map(shown, unknown)))[:_MOST_TYPES])
        notes.append(
            f"{sum(unknown.values())} events are logged but not folded, as their type or a word in"
            f" them is unknown to this code: {types}"
        )
    if words:
        places = ", ".join(f"{kind} {name}" for kind, name in list(words)[:_MOST_TYPES])
        notes.append(
            f"{sum(words.values())} events since the start hold a word that this code has no text"
            f" for: {places}"
        )
    return Check(True, "; ".join(notes))
