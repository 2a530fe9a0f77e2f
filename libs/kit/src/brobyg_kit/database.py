"""A service's own database: SQLAlchemy Core on asyncpg, and transactions that carry events.

The engine runs in autocommit mode and a transaction is begun on the driver's connection at once.
SQLAlchemy would begin with its first statement only, so that a COPY before it would stand outside
the transaction.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias

import asyncpg
import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Select,
    Text,
    bindparam,
    delete,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from brobyg_kit import positions, tracing
from brobyg_kit.clock import Clock
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.event import EVENT_CONTENT_TYPE, Event, EventData, encode, topic_of, unencoded
from brobyg_kit.ids import id_at, nanoseconds
from brobyg_kit.statements import array_literal, driver_text, text_array, unnest
from brobyg_kit.tables import Instant, outbox, stream, timer

#: The driver's connection, as SQLAlchemy holds it.
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OUTBOX_CHANNEL = "outbox"
TIMER_CHANNEL = "timer"
#: The largest record, bytes: below the broker's own limit of 1 MiB, which would refuse it and
#: hold up those behind it.
RECORD_LIMIT = 900_000


class _Emission(msgspec.Struct, gc=False):
    data: EventData
    subject: str
    cause: Event | None
    id: str


@dataclass
class Transaction:
    """A database transaction with the events, records and timers that are written in it.

    They are written when the block ends, before the commit: they are committed exactly when the
    state is. `connection` is for Core statements, `driver` the same connection for COPY and the
    hottest statements.
    """

    connection: AsyncConnection
    driver: Driver
    clock: Clock
    source: str
    _emissions: list[_Emission] = field(default_factory=list)
    #: The copied topics whose copy this transaction has changed, each with its own view of it in a
    #: tuple once that was read; see `brobyg_kit.replica`.
    replicated: dict[str, tuple[Any] | None] = field(default_factory=dict)
    _records: list[tuple[str, str, bytes | None, str]] = field(default_factory=list)
    _timers: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    _after_commit: list[Callable[[], None]] = field(default_factory=list)
    #: The last sequence of each topic and subject that is emitted.
    _positions: dict[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def now(self) -> datetime:
        """The one time of this transaction, zone-aware UTC, as in SQL."""
        return self.clock.now()

    @cached_property
    def _moment(self) -> int:
        return nanoseconds(self.now)

    def emit(self, data: EventData, *, subject: str, cause: Event | None = None) -> str:
        """Publish `data` about `subject` when this transaction commits; return the event's id.

        Events of one subject reach Kafka in commit order: `sequence` is assigned at the end of the
        transaction, under the lock of the subject's row.
        """
        event_id = id_at(self._moment)
        self._emissions.append(_Emission(data, subject, cause, event_id))
        return event_id

    def send(
        self, topic: str, key: str, value: bytes, content_type: str = "application/json"
    ) -> None:
        """Put a record that is not an event (a rejection, a dead letter) on `topic` at the commit.

        Raises ValueError for one over RECORD_LIMIT.
        """
        _check_size(topic, value)
        self._records.append((topic, key, value, content_type))

    def send_tombstone(self, topic: str, key: str) -> None:
        """Delete what `key` has on the compacted `topic`, at the commit, after what is emitted.

        The caller locks what the key stands for, so that no other transaction writes it meanwhile.
        """
        self._records.append((topic, key, None, EVENT_CONTENT_TYPE))

    def schedule(self, kind: str, subject: str, due_at: datetime) -> None:
        """Fire the timer (`kind`, `subject`) once, at `due_at` or soon after; moves it if set."""
        self._timers[kind, subject] = due_at

    def unschedule(self, kind: str, subject: str) -> None:
        """Delete the timer; no error if there is none."""
        self._timers[kind, subject] = None

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once after the commit, in order; it must neither block nor raise."""
        self._after_commit.append(callback)

    async def flush(self) -> None:
        """Write timers and outbox rows. Called once, before the commit."""
        set_timers = await self._write_timers()
        wrote = await self._write_outbox()
        channels = [TIMER_CHANNEL] * set_timers + [OUTBOX_CHANNEL] * wrote
        if channels:
            await self.driver.execute(_NOTIFY, channels)

    async def _write_timers(self) -> bool:
        """Whether one was set."""
        if not self._timers:
            return False
        # In the order of their keys, so that two transactions never wait for each other.
        gone = sorted(key for key, due in self._timers.items() if due is None)
        if gone:
            keys = unnest({"kind": Text(), "subject": Text()}, gone)
            await self.connection.execute(
                delete(timer).where(timer.c.kind == keys.c.kind, timer.c.subject == keys.c.subject)
            )
        due = sorted(
            (kind, subject, at) for (kind, subject), at in self._timers.items() if at is not None
        )
        if due:
            rows = unnest({"kind": Text(), "subject": Text(), "due_at": Instant}, due)
            statement = insert(timer).from_select(
                ["kind", "subject", "due_at", "next_attempt_at"],
                select(rows.c.kind, rows.c.subject, rows.c.due_at, rows.c.due_at),
            )
            moved = statement.excluded.due_at
            await self.connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[timer.c.kind, timer.c.subject],
                    set_={"due_at": moved, "next_attempt_at": moved, "attempts": 0},
                )
            )
        return bool(due)

    async def _write_outbox(self) -> bool:
        """Whether there is a row."""
        rows: list[tuple[str, str, bytes | None, str]] = [
            *(await self._sequenced() if self._emissions else ()),
            *self._records,
        ]
        if not rows:
            return False
        columns = [c.name for c in _OUTBOX]
        if (
            len(rows) == 1
        ):  # COPY takes a round trip more than INSERT, and is faster from a few rows on
            await self.connection.execute(insert(outbox), dict(zip(columns, rows[0], strict=True)))
        else:
            await self.driver.copy_records_to_table(outbox.name, records=rows, columns=columns)
        return True

    async def _sequenced(self) -> list[tuple[str, str, bytes, str]]:
        counts = Counter(emission.subject for emission in self._emissions)
        subjects = sorted(counts)  # one order everywhere, so that no two transactions deadlock
        last = await self.driver.fetch(
            _NUMBER,
            array_literal(subjects),
            array_literal([str(counts[subject]) for subject in subjects]),
        )
        given = {subject: sequence - counts[subject] for subject, sequence in last}
        rows = []
        for emission in self._emissions:
            given[emission.subject] += 1
            value = self._encoded(emission, given[emission.subject])
            topic = topic_of(emission.data, self.source)
            _check_size(topic, value)
            rows.append((topic, emission.subject, value, EVENT_CONTENT_TYPE))
            self._positions[topic, emission.subject] = given[emission.subject]
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
                data=unencoded(emission.data),
            )
        )


_OUTBOX = (outbox.c.topic, outbox.c.key, outbox.c.value, outbox.c.content_type)


def _number() -> Any:  # an upsert with RETURNING has no public type of its own
    rows: Select[Any] = select(
        func.unnest(text_array("subjects", Text())), func.unnest(text_array("counts", BigInteger()))
    )
    statement = insert(stream).from_select([stream.c.subject, stream.c.sequence], rows)
    return statement.on_conflict_do_update(
        index_elements=[stream.c.subject],
        set_={"sequence": stream.c.sequence + statement.excluded.sequence},
    ).returning(stream.c.subject, stream.c.sequence)


_NOTIFY = driver_text(
    select(
        func.pg_notify(func.unnest(bindparam("channels", type_=ARRAY(Text))), literal_column("''"))
    )
)
#: On the driver: it is one of the two hottest statements, with a row back for each subject.
_NUMBER = driver_text(_number())


def _check_size(topic: str, value: bytes) -> None:
    if len(value) > RECORD_LIMIT:
        raise ValueError(
            f"a record of {len(value)} bytes for {topic} is over the limit of {RECORD_LIMIT}"
        )


def database_url(server: str, service: str) -> str:
    """The address of a service's own database on `server` (`postgresql://user@host:port`)."""
    return f"{server.rstrip('/')}/brobyg_{service}"


def create_engine(url: str, **options: Any) -> AsyncEngine:  # SQLAlchemy's own options
    """An engine on asyncpg for `url` (`postgresql://...`); connects nothing yet."""
    address = make_url(url).set(drivername="postgresql+asyncpg")
    # Parameters are left out of error texts: they may hold a person's data.
    return create_async_engine(address, json_serializer=_to_json, hide_parameters=True, **options)


class Database:
    """A service's own database. `open` before use, `close` at the end."""

    def __init__(self, url: str, clock: Clock, source: str, *, size: int = 8) -> None:
        """Nothing is connected yet. `source` is the CloudEvents source of what is emitted."""
        self.url = url
        self.clock = clock
        self.source = source
        self._size = size
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect. Raises one of DATABASE_ERRORS when it can't be reached within 10 seconds."""
        engine = create_engine(
            self.url,
            isolation_level="AUTOCOMMIT",
            pool_size=self._size,
            max_overflow=0,
            pool_timeout=10,
            connect_args={
                "timeout": 10,
                "command_timeout": 60,
                "server_settings": {
                    "application_name": f"brobyg-{self.source}",
                    "idle_in_transaction_session_timeout": "60000",
                    # Below the statements' own limit, to distinguish a lock held for long (a
                    # migration, a switch of tables) from a statement that never ends.
                    "lock_timeout": "20000",
                },
            },
        )
        event.listen(engine.sync_engine, "checkout", _refuse_unusable)
        try:
            async with engine.connect():
                self._engine = engine
        except DATABASE_ERRORS:
            await engine.dispose()
            raise

    async def close(self) -> None:
        """Close the connections. What still runs is cut off after 5 seconds."""
        if self._engine is None:
            return
        engine, self._engine = self._engine, None
        try:
            async with asyncio.timeout(5):
                await engine.dispose()
        except TimeoutError:
            await engine.dispose(close=False)

    @property
    def engine(self) -> AsyncEngine:
        """The engine, in autocommit mode. Raises RuntimeError before `open`."""
        if self._engine is None:
            raise RuntimeError("the database is not open")
        return self._engine

    async def answers(self) -> bool:
        """Whether the server answers a trivial query on a new connection, within 10 seconds."""
        try:
            connection = await asyncpg.connect(self.url, timeout=4, command_timeout=4)
            try:
                await connection.fetchval("select 1")
            finally:
                await connection.close(timeout=2)
        except DATABASE_ERRORS:
            return False
        return True

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in autocommit mode, for reads. Waits up to 10 seconds for a free one."""
        return self.engine.connect()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits with its events at the end, and rolls back on an exception."""
        async with self.engine.connect() as connection:
            driver = await driver_of(connection)
            async with driver.transaction():
                transaction = Transaction(connection, driver, self.clock, self.source)
                yield transaction
                await transaction.flush()
            positions.note(transaction._positions)
            for callback in transaction._after_commit:
                callback()

    @asynccontextmanager
    async def listen(self, channel: str, notify: Callable[[], None]) -> AsyncIterator[Driver]:
        """A connection of its own on which `notify` is called for each notification on `channel`.

        Raises one of DATABASE_ERRORS when the server can't be reached within 10 seconds.
        """
        connection = await asyncpg.connect(self.url, timeout=10, command_timeout=30)
        try:
            await connection.add_listener(channel, lambda *_: notify())
            yield connection
        finally:
            await connection.close(timeout=2)


async def driver_of(connection: AsyncConnection) -> Driver:
    """The asyncpg connection beneath `connection`."""
    raw = await connection.get_raw_connection()
    driver: Driver | None = raw.driver_connection
    assert driver is not None  # a checked-out connection always has one
    return driver


def _refuse_unusable(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that the driver has lost or left in a transaction."""
    driver = connection.driver_connection
    if driver.is_closed() or driver.is_in_transaction():
        raise DisconnectionError


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
