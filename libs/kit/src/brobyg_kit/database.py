"""The database: one pool a process, and transactions that carry their events with them."""

import asyncio
import errno
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

import asyncpg
import msgspec

from brobyg_kit import tracing
from brobyg_kit.clock import Clock
from brobyg_kit.event import EVENT_CONTENT_TYPE, Event, EventData, encode, encode_data
from brobyg_kit.ids import id_at, nanoseconds

OUTBOX_CHANNEL = "outbox"
TIMER_CHANNEL = "timer"
_OUTBOX_COLUMNS = ("topic", "key", "value", "content_type")
_INSERT_OUTBOX = "insert into outbox (topic, key, value, content_type) values ($1, $2, $3, $4)"

#: Whatever talking to the database can raise: for loops whose statements are fixed and that can only wait for it to be put right.
DATABASE_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
)
_TRANSIENT: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    asyncpg.InternalClientError,  # what the driver makes of a connection that dies in the middle of an answer
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
)
_UNREACHABLE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})
#: How the driver says that the connection or the pool was closed; its other complaints are about how it is used.
_CLOSED = ("connection is closed", "released back to the pool", "pool is clos")


def is_transient(error: BaseException) -> bool:
    """Whether this is trouble with the database itself rather than with what was asked of it: worth trying again as it is.

    A missing file, a wrong argument or a connection used twice at once is a bug, though it has the same kind of error.
    """
    if isinstance(error, _TRANSIENT):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return any(text in str(error) for text in _CLOSED)
    # "Multiple exceptions": a host with several addresses, none of which answers.
    return isinstance(error, OSError) and (
        error.errno in _UNREACHABLE or str(error).startswith("Multiple exceptions")
    )


class _Emission(msgspec.Struct, gc=False):
    data: EventData
    subject: str
    cause: Event | None
    id: str


@dataclass
class Transaction:
    """A database transaction together with what it says to the world.

    Events, raw records and timers given to it are written when the block ends, before the commit: they are kept exactly when the state is.
    """

    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
    clock: Clock
    source: str
    _emissions: list[_Emission] = field(default_factory=list)
    _records: list[tuple[str, str, bytes, str]] = field(default_factory=list)
    _timers: dict[tuple[str, str], datetime | None] = field(default_factory=dict)

    @cached_property
    def now(self) -> datetime:
        """The time of this transaction, zone-aware UTC: that of all it does, as in SQL. (Asking for the time is dear on some machines.)"""
        return self.clock.now()

    @cached_property
    def _moment(self) -> int:
        return nanoseconds(self.now)

    def emit(self, data: EventData, *, subject: str, cause: Event | None = None) -> str:
        """Publish `data` about `subject` when this transaction commits, and return the event's id.

        Events of one subject reach Kafka in commit order; `sequence` is given at the end of the transaction under the subject's row lock.
        """
        event_id = id_at(self._moment)
        self._emissions.append(_Emission(data, subject, cause, event_id))
        return event_id

    def send(
        self, topic: str, key: str, value: bytes, content_type: str = "application/json"
    ) -> None:
        """Put a record that is no event of ours (a rejection, a dead letter) on `topic` when this transaction commits."""
        _insist_on_size(topic, value)
        self._records.append((topic, key, value, content_type))

    def schedule(self, kind: str, subject: str, due_at: datetime) -> None:
        """Have the timer (`kind`, `subject`) fire once at `due_at` or soon after; an earlier setting of the same timer is moved."""
        self._timers[kind, subject] = due_at

    def unschedule(self, kind: str, subject: str) -> None:
        """Forget the timer; no error if there is none."""
        self._timers[kind, subject] = None

    async def flush(self) -> None:
        """Write timers and outbox rows. Called once by `Database.transaction` before the commit."""
        await self._write_timers()
        await self._write_outbox()

    async def _write_timers(self) -> None:
        if not self._timers:
            return
        gone = sorted(key for key, due in self._timers.items() if due is None)
        if gone:
            await self.connection.execute(
                "delete from timer t using unnest($1::text[], $2::text[]) as g(kind, subject)"
                " where t.kind = g.kind and t.subject = g.subject",
                [kind for kind, _ in gone],
                [subject for _, subject in gone],
            )
        due = sorted(
            (kind, subject, at) for (kind, subject), at in self._timers.items() if at is not None
        )
        if due:
            await self.connection.execute(
                "with d as (insert into timer (kind, subject, due_at, next_attempt_at)"
                " select kind, subject, due_at, due_at from unnest($1::text[], $2::text[], $3::timestamptz[]) as t(kind, subject, due_at)"
                " on conflict (kind, subject) do update set due_at = excluded.due_at, next_attempt_at = excluded.due_at, attempts = 0)"
                " select pg_notify('timer', '')",
                [kind for kind, _, _ in due],
                [subject for _, subject, _ in due],
                [at for _, _, at in due],
            )

    async def _write_outbox(self) -> None:
        rows = [*(await self._sequenced() if self._emissions else ()), *self._records]
        if not rows:
            return
        if (
            len(rows) == 1
        ):  # a COPY costs one round trip more than an INSERT and pays off from a few rows on
            await self.connection.execute(_INSERT_OUTBOX, *rows[0])
        else:
            await self.connection.copy_records_to_table(
                "outbox", records=rows, columns=_OUTBOX_COLUMNS
            )
        await self.connection.execute(f"select pg_notify('{OUTBOX_CHANNEL}', '')")

    async def _sequenced(self) -> list[tuple[str, str, bytes, str]]:
        counts = Counter(emission.subject for emission in self._emissions)
        subjects = sorted(
            counts
        )  # one order for everybody, so that two transactions never wait for each other
        last = await self.connection.fetch(
            "insert into stream as s (subject, sequence) select * from unnest($1::text::text[], $2::text::bigint[])"
            " on conflict (subject) do update set sequence = s.sequence + excluded.sequence returning subject, sequence",
            array_literal(subjects),
            array_literal([str(counts[subject]) for subject in subjects]),
        )
        given = {subject: sequence - counts[subject] for subject, sequence in last}
        rows = []
        for emission in self._emissions:
            given[emission.subject] += 1
            value = self._encoded(emission, given[emission.subject])
            _insist_on_size(emission.data.TOPIC, value)
            rows.append((emission.data.TOPIC, emission.subject, value, EVENT_CONTENT_TYPE))
        return rows

    def _encoded(self, emission: _Emission, sequence: int) -> bytes:
        cause = emission.cause
        return encode(
            Event(
                id=emission.id,
                source=self.source,
                type=emission.data.EVENT_TYPE,
                subject=emission.subject,
                time=self.now,
                dataschema=emission.data.DATASCHEMA,
                correlationid=cause.correlationid
                if cause
                else tracing.correlation.get() or emission.id,
                causationid=cause.id if cause else None,
                sequence=sequence,
                traceparent=tracing.child_of(
                    cause.traceparent if cause else None, emission.data.EVENT_TYPE
                ),
                data=encode_data(emission.data),
            )
        )


def array_literal(values: Sequence[str]) -> str:
    """`values` as PostgreSQL writes an array, for a parameter `$1::text::text[]` (or any other type's array).

    One text is a fifth of the work that an array parameter is to the driver, which matters where thousands of ids go in one statement.
    """
    if not values:
        return "{}"
    text = '","'.join(values)
    if "\\" in text or text.count('"') != 2 * len(values) - 2:
        text = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{text}"}}'


#: The largest record, bytes: below the broker's own limit of 1 MiB, so that none is refused there and holds up those behind it.
RECORD_LIMIT = 900_000


def _insist_on_size(topic: str, value: bytes) -> None:
    if len(value) > RECORD_LIMIT:
        raise ValueError(
            f"a record of {len(value)} bytes for {topic} is over the limit of {RECORD_LIMIT}"
        )


def database_url(server: str, service: str) -> str:
    """The address of a service's own database on `server` (`postgresql://user@host:port`, no database name)."""
    return f"{server.rstrip('/')}/brobyg_{service}"


class Database:
    """A service's own database. `open` before use, `close` at the end."""

    def __init__(self, url: str, clock: Clock, source: str, *, size: int = 8) -> None:
        """Nothing is connected yet. `source` is the CloudEvents source of what is emitted here."""
        self.url = url
        self.clock = clock
        self.source = source
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect. Raises OSError or an asyncpg error when the database can't be reached within 10 seconds."""
        self._pool = await asyncpg.create_pool(
            self.url,
            min_size=1,
            max_size=self._size,
            timeout=10,
            command_timeout=60,
            init=_set_codecs,
            server_settings={
                "application_name": f"brobyg-{self.source}",
                "idle_in_transaction_session_timeout": "60000",
            },
        )

    async def close(self) -> None:
        """Let running queries end for 5 seconds, then cut them."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()
        self._pool = None

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The pool, for reads that need no transaction. Raises RuntimeError before `open`."""
        if self._pool is None:
            raise RuntimeError("the database is not open")
        return self._pool

    async def answers(self) -> bool:
        """Whether it answers a trivial question on a new connection just now: an error while it does is not trouble with it. Within 10 seconds."""
        try:
            connection = await asyncpg.connect(self.url, timeout=4, command_timeout=4)
            try:
                await connection.fetchval("select 1")
            finally:
                await connection.close(timeout=2)
        except DATABASE_ERRORS:
            return False
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits when the block ends well, with its events, and rolls back on any exception."""
        async with self.pool.acquire(timeout=10) as connection, connection.transaction():
            transaction = Transaction(connection, self.clock, self.source)
            yield transaction
            await transaction.flush()


async def _set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec(
        "jsonb", encoder=_to_json, decoder=json.loads, schema="pg_catalog"
    )


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_MIGRATION_LOCK = 0x62726F62


async def migrate(url: str, folders: Sequence[Path]) -> list[str]:
    """Bring the database at `url` up to date with the numbered SQL files in `folders`, in order; returns the names newly applied.

    All or nothing, one at a time (advisory lock): an interrupted run leaves nothing behind and the next one heals. A file that was changed
    after it was applied is refused with ValueError.
    """
    connection = await asyncpg.connect(url, timeout=10, command_timeout=300)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            await connection.execute(
                "create table if not exists migration (name text primary key, digest text not null, applied_at timestamptz not null default now())"
            )
            known = {
                row["name"]: row["digest"]
                for row in await connection.fetch("select name, digest from migration")
            }
            return [
                name
                for folder in folders
                for name in await _apply_folder(connection, folder, known)
            ]
    finally:
        await connection.close()


async def _apply_folder(
    connection: "asyncpg.Connection[asyncpg.Record]", folder: Path, known: dict[str, str]
) -> list[str]:
    applied = []
    for file in sorted(folder.glob("*.sql")):
        name, text = f"{folder.parent.name}/{file.name}", file.read_text(encoding="utf-8")
        digest = await connection.fetchval(
            "select encode(sha256(convert_to($1, 'UTF8')), 'hex')", text
        )
        if name not in known:
            await connection.execute(text)
            await connection.execute(
                "insert into migration (name, digest) values ($1, $2)", name, digest
            )
            applied.append(name)
        elif known[name] != digest:
            raise ValueError(
                f"migration {name} was changed after it was applied; add a new file instead,"
                " or start empty (make reset) where the data need not be kept"
            )
    return applied


async def create_database(server: str, service: str) -> bool:
    """Create the service's database on `server` if it isn't there; True when it was created. Needs the right to create databases."""
    connection = await asyncpg.connect(f"{server.rstrip('/')}/postgres", timeout=10)
    try:
        name = f"brobyg_{service}"
        if await connection.fetchval("select 1 from pg_database where datname = $1", name):
            return False
        try:
            await connection.execute(f'create database "{name}"')
        except asyncpg.DuplicateDatabaseError:
            return False  # somebody else was first, which is as good
        return True
    finally:
        await connection.close()
