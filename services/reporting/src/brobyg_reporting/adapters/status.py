"""The state of the projections: the live versions, their offsets, what was not folded."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from brobyg_kit.database import Database
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Check
from brobyg_kit.unknown import shown
from sqlalchemy import RowMapping, false, func, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import (
    lag,
    projection_version,
    schema_of,
    tables_of,
    topic_offset,
)
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.errors import NoVersion
from brobyg_reporting.ports import LiveVersion, TableComparison

_SHOWN_BUILDS = 5
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
    if not live:
        raise NoVersion("no version of the projections has been built yet; start the service")
    offsets = await versions.offsets()
    built = projection_version.c
    last = (
        select(built.number)
        .where(built.state != "live")
        .group_by(built.number)
        .order_by(built.number.desc())
        .limit(_SHOWN_BUILDS)
    )
    found = await connection.execute(
        select(projection_version)
        .where(built.state != "live", built.number.in_(last))
        .order_by(built.number.desc(), built.projection)
    )
    status: dict[str, Any] = {
        "same_code": all(one.own for one in live.values()) and live.keys() == tables_of(0).keys(),
        "projections": [await _projection(connection, name, one) for name, one in live.items()],
        "not_folded": await not_folded(connection, live),
        "offsets": [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for (topic, partition), offset in sorted(offsets.items())
        ],
    }
    rows = found.mappings().all()
    open_ = [row["number"] for row in rows if row["finished_at"] is None]
    running = max(open_, default=0) if await versions.is_building() else 0
    status["builds"] = [
        {**row, "outcome": _outcome(row, running=row["number"] == running)} for row in rows
    ]
    if ends is not None:
        status["lag"] = sum(max(0, end - offsets.get(at, 0)) for at, end in ends.items())
    return status


def _outcome(row: RowMapping, *, running: bool) -> str:
    """How a build stands, in words; `running` says whether somebody is building now."""
    if row["state"] not in ("building", "verifying"):
        return str(row["state"])
    if row["finished_at"] is None:
        return str(row["state"]) if running else "stopped"
    if row["result"] is None:
        return "verified: not compared"
    equal = msgspec.convert(row["result"], TableComparison).equal
    return f"verified: {'equal' if equal else 'differs'}"


async def _projection(connection: AsyncConnection, name: str, shown: LiveVersion) -> dict[str, Any]:
    """One live version, which other code may have made."""
    key = projection_version.c.number == shown.number, projection_version.c.projection == name
    found = await connection.execute(select(projection_version).where(*key))
    row = found.one()
    counted = select(func.count()).select_from(table(name, schema=schema_of(shown.number)))
    behind = func.sum(topic_offset.c.next_offset - lag.c.next_offset)
    same = lag.c.topic == topic_offset.c.topic, lag.c.partition == topic_offset.c.partition
    lacks = select(behind).join_from(topic_offset, lag, same[0] & same[1])
    mine = lag.c.number == shown.number, lag.c.projection == name
    return {
        "projection": name,
        "version": shown.number,
        "same_code": shown.own,
        "switched_at": row.finished_at,
        "rows": int(await connection.scalar(counted) or 0),
        "events_behind": int(await connection.scalar(lacks.where(*mine)) or 0),
        "seconds": row.seconds,
        "compared": row.result,
    }


async def projections(database: Database) -> dict[str, dict[str, int | bool]]:
    """Of each live version its number, whether this code wrote it, and the events it lacks."""
    same = lag.c.topic == topic_offset.c.topic, lag.c.partition == topic_offset.c.partition
    behind = func.sum(topic_offset.c.next_offset - lag.c.next_offset)
    lacking = (
        select(lag.c.projection, lag.c.number, behind)
        .join_from(topic_offset, lag, same[0] & same[1])
        .group_by(lag.c.projection, lag.c.number)
    )
    async with database.connect() as connection:
        live = await VersionTables(connection).live()
        lacks = {(row[0], row[1]): int(row[2]) for row in await connection.execute(lacking)}
    return {
        name: {
            "version": one.number,
            "same_code": one.own,
            "events_behind": lacks.get((name, one.number), 0),
        }
        for name, one in live.items()
    }


async def not_folded(
    connection: AsyncConnection, live: Mapping[str, LiveVersion]
) -> dict[str, int]:
    """Events of each type that are logged and not folded.

    Their type, or a word in them, was unknown to the code that logged them.
    """
    log = tables_of(live["event_log"].number)["event_log"]
    rows = await connection.execute(
        select(log.c.type, func.count())
        .where(log.c.folded == false())
        .group_by(log.c.type)
        .order_by(log.c.type)
    )
    return {row[0]: row[1] for row in rows}


async def readiness(database: Database, doing: Callable[[], str] = str) -> Check:
    """Whether there is a version to read, and what a reader must know of it. Up to 2 seconds.

    `doing` tells what is done about versions of other code. What came since the start and is not
    known in full, the kit counts.
    """
    try:
        async with asyncio.timeout(2), database.connect() as connection:
            live = await VersionTables(connection).live()
            if not live:
                return Check(False, "no version of the projections has been built yet")
            unknown = await not_folded(connection, live)
    except _UNREADABLE as error:
        return Check(False, f"the database can't be read: {type(error).__name__}")
    other = [f"{name} (version {one.number})" for name, one in live.items() if not one.own]
    notes = [f"{', '.join(other)}, written by other code, is shown"] if other else []
    notes += [one for one in [doing()] if one]
    if unknown:
        types = ", ".join(list(dict.fromkeys(map(shown, unknown)))[:_MOST_TYPES])
        notes.append(
            f"{sum(unknown.values())} events are logged but not folded, as their type or a word in"
            f" them is unknown to this code: {types}"
        )
    return Check(True, "; ".join(notes))
