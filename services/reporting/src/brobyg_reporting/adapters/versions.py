"""The versions of the projections: made, filled, indexed, switched to and dropped."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import brobyg_contracts
from brobyg_kit import event
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction, driver_of
from brobyg_kit.database_errors import cause_of
from brobyg_kit.statements import unnest
from brobyg_kit.tables import parked_event
from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    column,
    func,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateSchema, CreateTable, DropSchema

from brobyg_reporting import domain
from brobyg_reporting.adapters import comparison, tables, views
from brobyg_reporting.adapters.connections import connect
from brobyg_reporting.adapters.store import VersionStore
from brobyg_reporting.adapters.tables import (
    schema_of,
    tables_of,
    topic_offset,
    version,
    version_share,
)
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.errors import NoVersion, OtherCode, RebuildRefused
from brobyg_reporting.ports import Build, BuiltShares, LiveVersion, TableComparison

#: Held shared by whoever writes the live version and exclusively by the switch: nobody writes a
#: version while it is compared or replaced.
_VERSION_LOCK = 0x62720001
_REBUILD_LOCK = 0x62720003
_MOST_ATTEMPTS = 60
#: Files of the domain that decide no row.
_WORDING = {"explanation.py", "sentences.py", "words.py"}
_PACKAGE = Path(__file__).parent.parent
#: What writes rows, from what is read: it decides them as the domain's folds do.
_WRITERS = ("use_cases/live.py", "handlers.py", "adapters/store.py", "adapters/rebuild_worker.py")
#: How long a switch waits for readers before it tries again, seconds by the attempt. Below the
#: server's deadlock timeout (1 s), so it is never a reader that is ended; short at first, so that
#: readers hardly wait.
_LOCK_TIMEOUT = Backoff(first=0.02, longest=0.5)


@cache
def fingerprint() -> str:
    """The hash of the code that decides rows.

    That is the folds and what writes their rows, the tables, the contracts and the envelope.
    """
    digest = hashlib.sha256()
    for package in (domain, brobyg_contracts):
        folder = Path(str(package.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            if file.name not in _WORDING:
                name = file.relative_to(folder).as_posix()
                digest.update(name.encode() + b"\0" + file.read_bytes())
    modules = [Path(str(module.__file__)) for module in (tables, event)]
    for file in (*modules, *(_PACKAGE / name for name in _WRITERS)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class VersionTables:
    """`ports.Versions` over one connection in autocommit mode, or within a transaction on it."""

    connection: AsyncConnection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction on the connection; a savepoint within another."""
        driver = await driver_of(self.connection)
        async with driver.transaction():
            yield

    @asynccontextmanager
    async def switching(self) -> AsyncIterator[None]:
        """A transaction in which nobody else writes the live version.

        It waits for the disk, and so for all that was built before.
        """
        async with self.transaction():
            await self.connection.execute(text("set local synchronous_commit = on"))
            await self.connection.execute(select(func.pg_advisory_xact_lock(_VERSION_LOCK)))
            yield

    def version(self, number: int) -> VersionStore:
        """The version, to be written within the current transaction."""
        return VersionStore(self.connection, number)

    async def live(self) -> LiveVersion | None:
        """The live version; None before the first."""
        found = await self.connection.execute(
            select(version.c.number, version.c.fingerprint).where(version.c.state == "live")
        )
        row = found.one_or_none()
        return LiveVersion(row.number, row.fingerprint == fingerprint()) if row else None

    async def live_to_write(self) -> VersionStore:
        """The live version, which stays live until the current transaction ends.

        May wait for a switch. Raises NoVersion or OtherCode when this code must not write it.
        """
        await self.connection.execute(select(func.pg_advisory_xact_lock_shared(_VERSION_LOCK)))
        live = await self.live()
        if live is None:
            raise NoVersion("no version of the projections has been built yet")
        if not live.own:
            raise OtherCode(
                f"version {live.number} of the projections was written by other code, so nothing is"
                " added to it; see 'brobyg reporting status'"
            )
        return self.version(live.number)

    async def offsets(self) -> Offsets:
        """The first offset of each partition that the live version does not hold."""
        rows = await self.connection.execute(select(topic_offset))
        return {(row.topic, row.partition): row.next_offset for row in rows}

    async def advance(self, offsets: Offsets) -> None:
        """Store the live version's offsets; one never goes back."""
        kinds = {"topic": Text(), "partition": Integer(), "next_offset": BigInteger()}
        places = [(*place, offset) for place, offset in sorted(offsets.items())]
        statement = insert(topic_offset).from_select(list(kinds), select(unnest(kinds, places)))
        further = func.greatest(topic_offset.c.next_offset, statement.excluded.next_offset)
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(topic_offset.primary_key), set_={"next_offset": further}
            )
        )

    async def claim_rebuild(self) -> bool:
        """Be the only one that builds versions, until the connection closes; False if one does."""
        return bool(await self.connection.scalar(select(func.pg_try_advisory_lock(_REBUILD_LOCK))))

    async def was_replaced(self) -> bool:
        """Whether a version of this code was live and gave way to another."""
        replaced = select(version.c.number).where(
            version.c.state == "replaced", version.c.fingerprint == fingerprint()
        )
        return bool(await self.connection.scalar(select(replaced.exists())))

    async def create_first(self) -> bool:
        """Make an empty version and show it, unless there is a live one; True when it was made."""
        async with self.switching():
            if await self.live() is not None:
                return False
            number = await self._create({})
            for name in await self.tables():
                await self.index(number, name)
            await self.finish(number, 0, 0.0, [])
            await self.switch(number, {})
        return True

    async def begin(self, ends: Offsets, *, fresh: bool) -> Build:
        """The unfinished build of this code, unless `fresh`, or a new one up to `ends`.

        Drops builds that nobody can go on with.
        """
        async with self.transaction():
            begun = await self.connection.execute(
                select(version).where(version.c.state == "building").order_by(version.c.number)
            )
            for row in begun.all():
                watermarks = {(topic, partition): end for topic, partition, end in row.watermarks}
                reached = all(watermarks.get(at, 0) <= end for at, end in ends.items())
                if not fresh and row.fingerprint == fingerprint() and reached:
                    return Build(row.number, watermarks, resumed=True)
                await self._drop(row.number)
                await self._set(row.number, state="dropped")
            return Build(await self._create(ends), ends, resumed=False)

    async def _create(self, ends: Offsets) -> int:
        """A new version's tables, without keys and indexes: they are filled by COPY first."""
        last = await self.connection.scalar(select(func.coalesce(func.max(version.c.number), 0)))
        number = 1 + int(last or 0)
        await self.connection.execute(CreateSchema(schema_of(number)))
        for one in tables_of(number).values():
            AddConstraint(one.primary_key)  # has CREATE TABLE leave it out
            await self.connection.execute(CreateTable(one))
        await self.connection.execute(
            insert(version).values(
                number=number,
                state="building",
                fingerprint=fingerprint(),
                watermarks=[(*at, offset) for at, offset in sorted(ends.items())],
            )
        )
        return number

    async def shares(self, number: int) -> BuiltShares:
        """The shares that the version holds."""
        found = await self.connection.execute(
            select(version_share).where(version_share.c.number == number)
        )
        rows = found.all()
        return BuiltShares(
            frozenset(row.share for row in rows),
            sum(row.events for row in rows),
            sum(row.skipped for row in rows),
        )

    async def tables(self) -> list[str]:
        """The tables of a version, by name."""
        return list(tables_of(0))

    async def index(self, number: int, name: str) -> None:
        """Build the table's key and indexes, unless they are there, and take its statistics.

        Raises RebuildRefused when a key occurs twice.
        """
        one = tables_of(number)[name]
        async with self.transaction():
            keyed = text("select relhasindex from pg_class where oid = to_regclass(:name)")
            if await self.connection.scalar(keyed, {"name": one.fullname}):
                return
            try:
                await self.connection.execute(AddConstraint(one.primary_key))
            except DBAPIError as error:
                if not isinstance(cause_of(error), asyncpg.UniqueViolationError):
                    raise
                raise RebuildRefused(
                    f"{name}: one key is in two partitions, so partitions can't be folded"
                    " separately; were partitions added to a topic?"
                ) from error
            for index in one.indexes:
                await self.connection.execute(CreateIndex(index))
            await self.connection.execute(text(f"analyze {one.fullname}"))

    async def compare(self, live: int, rebuilt: int) -> list[TableComparison]:
        """Every table of the two versions by number of rows and order-independent hash."""
        return await comparison.compare(self.connection, live, rebuilt)

    async def waiting(self) -> int:
        """Events that the live consumer has parked and not given up."""
        waiting = select(func.count(parked_event.c.id)).where(parked_event.c.state != "dead")
        return int(await self.connection.scalar(waiting) or 0)

    async def finish(
        self, number: int, events: int, seconds: float, result: Sequence[TableComparison]
    ) -> None:
        """Note how the build ended: unlike the live one, unless `switch` follows."""
        await self._set(
            number,
            state="differs",
            finished_at=func.clock_timestamp(),
            events=events,
            seconds=seconds,
            result=list(result),
        )

    async def switch(self, number: int, position: Offsets) -> None:
        """Show the version and make it the live one, which holds everything up to `position`.

        Readers wait, or see the whole old one; while they hold it this tries again rather than
        deadlock with them. Raises RebuildRefused when a view can't follow.
        """
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            milliseconds = round(_LOCK_TIMEOUT.after(attempt) * 1000)
            try:
                async with self.transaction():
                    await self.connection.execute(text(f"set local lock_timeout = {milliseconds}"))
                    await views.show(self.connection, number)
                    break
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                if attempt == _MOST_ATTEMPTS:
                    raise
        await self.connection.execute(
            update(version).where(version.c.state == "live").values(state="replaced")
        )
        await self._set(number, state="live")
        if position:
            await self.advance(position)

    async def drop_unused(self) -> None:
        """Remove the tables of versions that are neither live nor being built.

        Waits up to 10 seconds for readers; what remains goes the next time.
        """
        namespace = table("pg_namespace", column("nspname"))
        found = await self.connection.execute(
            select(version.c.number)
            .where(version.c.state.in_(("replaced", "differs")))
            .where(namespace.c.nspname == func.concat(schema_of(0)[:-1], version.c.number))
        )
        for number in found.scalars().all():
            try:
                async with self.transaction():
                    await self.connection.execute(text("set local lock_timeout = '10s'"))
                    await self._drop(number)
            except DBAPIError as error:
                # Somebody still reads it; harmless, and tried again by the next rebuild.
                if not isinstance(cause_of(error), asyncpg.LockNotAvailableError):
                    raise

    async def _drop(self, number: int) -> None:
        await self.connection.execute(DropSchema(schema_of(number), cascade=True, if_exists=True))
        await self.connection.execute(
            version_share.delete().where(version_share.c.number == number)
        )

    async def _set(self, number: int, **values: Any) -> None:
        await self.connection.execute(
            update(version).where(version.c.number == number).values(**values)
        )


def within(tx: Transaction) -> VersionTables:
    """The versions in the service's own database, within a transaction."""
    return VersionTables(tx.connection)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[VersionTables]:
    """The versions in the database, over a connection of its own."""
    async with connect(url) as connection:
        yield VersionTables(connection)


@asynccontextmanager
async def pooled(database: Database) -> AsyncIterator[VersionTables]:
    """The versions in the service's own database, over a connection of its pool."""
    async with database.connect() as connection:
        yield VersionTables(connection)
