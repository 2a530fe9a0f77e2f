"""Versions of the projections: made, resumed, indexed, compared, switched to and dropped."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import brobyg_contracts
import msgspec
from brobyg_kit import event

from brobyg_reporting import domain
from brobyg_reporting.adapters.store import Connection, schema
from brobyg_reporting.adapters.topics import Offsets
from brobyg_reporting.domain.projections import PROJECTIONS

#: Every table of a version with its key, in the order they are compared.
TABLES: tuple[tuple[str, str], ...] = (
    ("event_log", "id"),
    *((projection.table, projection.key) for projection in PROJECTIONS),
)

_MOST_KEYS = 5
_MOST_ATTEMPTS = 60
_SHARE_LOCK = 0x62730000


@dataclass(frozen=True, slots=True)
class Build:
    """A version being built, and up to which offsets."""

    version: int
    watermarks: Offsets
    resumed: bool


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table in the live and in the rebuilt version. `differing_keys` names the first few rows that are not alike."""

    table: str
    live_rows: int
    rebuilt_rows: int
    live_hash: str
    rebuilt_hash: str
    differing_keys: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows."""
        return (self.live_rows, self.live_hash) == (self.rebuilt_rows, self.rebuilt_hash)


def fingerprint() -> str:
    """What decides a row in this installation: the hash of the folds, of the contracts they read by and of the envelope. A build is only resumed
    by the code that began it.
    """
    digest = hashlib.sha256()
    for package in (domain, brobyg_contracts):
        folder = Path(str(package.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    digest.update(Path(str(event.__file__)).read_bytes())
    return digest.hexdigest()


async def begin(connection: Connection, ends: Offsets, *, fresh: bool) -> Build:
    """The unfinished build of this same code with the watermarks it began with, or a new one up to `ends`. Drops builds nobody can resume."""
    code = fingerprint()
    async with connection.transaction():
        rows = await connection.fetch(
            "select version, fingerprint, watermarks::text from reporting.rebuild where state = 'building' order by version"
        )
        for row in rows:
            watermarks = _parse(row["watermarks"])
            if (
                not fresh
                and row["fingerprint"] == code
                and all(watermarks.get(at, 0) <= end for at, end in ends.items())
            ):
                return Build(row["version"], watermarks, resumed=True)
            await _drop(connection, row["version"])
        version = 1 + int(
            await connection.fetchval("select coalesce(max(version), 0) from reporting.rebuild")
        )
        await connection.execute("select reporting.create_version($1)", version)
        await connection.execute(
            "insert into reporting.rebuild (version, state, fingerprint, watermarks) values ($1, 'building', $2, $3::text::jsonb)",
            version,
            code,
            _format(ends),
        )
    return Build(version, ends, resumed=False)


async def sign(connection: Connection, version: int) -> None:
    """Note which code folds a version that was begun empty by the migration; one that was rebuilt is signed already."""
    await connection.execute(
        "update reporting.rebuild set fingerprint = $2 where version = $1 and fingerprint = ''",
        version,
        fingerprint(),
    )


async def claim(connection: Connection, version: int, share: int, *, wait: bool) -> bool:
    """Take a share for this transaction; False when it is done or, unless `wait`, somebody else is at it."""
    place = (_SHARE_LOCK + version % 0x10000, share)
    if wait:
        await connection.execute("select pg_advisory_xact_lock($1, $2)", *place)
    elif not await connection.fetchval("select pg_try_advisory_xact_lock($1, $2)", *place):
        return False
    return not await connection.fetchval(
        "select 1 from reporting.rebuild_share where version = $1 and share = $2", version, share
    )


async def mark_done(
    connection: Connection, version: int, share: int, events: int, skipped: int
) -> None:
    """The share's rows are in this transaction."""
    await connection.execute(
        "insert into reporting.rebuild_share values ($1, $2, $3, $4)",
        version,
        share,
        events,
        skipped,
    )


async def done(connection: Connection, version: int) -> dict[int, int]:
    """The shares that are in the version's tables, with their numbers of events."""
    rows = await connection.fetch(
        "select share, events from reporting.rebuild_share where version = $1", version
    )
    return {row["share"]: row["events"] for row in rows}


async def is_indexed(connection: Connection, version: int, table: str) -> bool:
    """Whether the table's keys are built."""
    return bool(
        await connection.fetchval(
            "select relhasindex from pg_class where oid = $1::text::regclass",
            f"{schema(version)}.{table}",
        )
    )


async def compare(connection: Connection, live: int, rebuilt: int) -> list[TableComparison]:
    """Every table of the two versions by number of rows and order-independent hash, and the first keys that differ."""
    return [await _compare_table(connection, live, rebuilt, table, key) for table, key in TABLES]


async def _compare_table(
    connection: Connection, live: int, rebuilt: int, table: str, key: str
) -> TableComparison:
    sql = "select row_count, hash::text from reporting.table_hash($1, $2)"
    ours, theirs = (
        await connection.fetchrow(sql, live, table),
        await connection.fetchrow(sql, rebuilt, table),
    )
    assert ours is not None  # a function always gives its one row
    assert theirs is not None
    keys: list[str] = []
    if tuple(ours) != tuple(theirs):
        rows = await connection.fetch(
            "select * from reporting.first_differences($1, $2, $3, $4, $5)",
            live,
            rebuilt,
            table,
            key,
            _MOST_KEYS,
        )
        keys = [row[0] for row in rows]
    return TableComparison(table, ours[0], theirs[0], ours[1], theirs[1], keys)


async def show(connection: Connection, version: int) -> None:
    """Point the views at `version`. Readers wait or see the old one whole; if they hold it for long this tries again rather than deadlock with them."""
    for attempt in range(_MOST_ATTEMPTS):
        # Below the server's deadlock timeout (1 s), so it is never a reader that is ended; short at first, so that readers hardly wait.
        milliseconds = min(20 * 2**attempt, 500)
        try:
            async with (
                connection.transaction()
            ):  # a savepoint: giving up lets go of the views that were already taken
                await connection.execute(f"set local lock_timeout = {milliseconds}")
                await connection.execute("select reporting.show_version($1)", version)
                return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _MOST_ATTEMPTS - 1:
                raise


async def finish(
    connection: Connection,
    version: int,
    state: str,
    events: int,
    seconds: float,
    result: Sequence[TableComparison],
) -> None:
    """Write down how the build ended."""
    await connection.execute(
        "update reporting.rebuild set state = $2, finished_at = clock_timestamp(), events = $3, seconds = $4, result = $5::text::jsonb where version = $1",
        version,
        state,
        events,
        seconds,
        msgspec.json.encode(result).decode(),
    )


async def drop_unused(connection: Connection) -> None:
    """Remove the tables of every version that is neither shown nor being built. Waits up to 10 seconds for readers; what remains goes next time."""
    rows = await connection.fetch(
        "select version from reporting.rebuild where state in ('active', 'differs') and version <> (select version from reporting.active_version)"
    )
    for row in rows:
        try:
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '10s'")
                await _drop(connection, row["version"])
        except asyncpg.LockNotAvailableError:
            continue  # somebody still reads it; harmless, and tried again by the next rebuild


async def _drop(connection: Connection, version: int) -> None:
    await connection.execute(f"drop schema if exists {schema(version)} cascade")
    await connection.execute("delete from reporting.rebuild_share where version = $1", version)
    await connection.execute(
        "update reporting.rebuild set state = 'dropped' where version = $1", version
    )


async def live_offsets(connection: Connection) -> Offsets:
    """How far the active version has come."""
    rows = await connection.fetch(
        "select topic, partition, next_offset from reporting.topic_offset"
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


def _format(offsets: Offsets) -> str:
    return msgspec.json.encode(
        [[topic, partition, offset] for (topic, partition), offset in sorted(offsets.items())]
    ).decode()


def _parse(text: str) -> Offsets:
    rows = msgspec.json.decode(text, type=list[tuple[str, int, int]])
    return {(topic, partition): offset for topic, partition, offset in rows}
