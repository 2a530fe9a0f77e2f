"""The versions of the projections: made, filled, indexed, switched to and dropped."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from brobyg_kit.database import Database, Transaction, driver_of
from brobyg_kit.statements import unnest
from brobyg_kit.tables import parked_event
from sqlalchemy import BigInteger, Integer, Text, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, CreateSchema, CreateTable

from brobyg_reporting.adapters import comparison, indexes, lags, unused, views
from brobyg_reporting.adapters.connections import connect
from brobyg_reporting.adapters.fingerprints import fingerprint
from brobyg_reporting.adapters.store import LiveStore, VersionStore
from brobyg_reporting.adapters.tables import (
    BUILDS,
    build_end,
    lag,
    projection_version,
    schema_of,
    tables_of,
    topic_offset,
    version_share,
)
from brobyg_reporting.domain.log import LoggedEvent, Offsets
from brobyg_reporting.errors import NoVersion, OtherCode, RebuildRefused
from brobyg_reporting.ports import Build, BuiltShares, Lag, LiveVersion, Purpose, TableComparison

#: Held shared by whoever writes the live version and exclusively by the switch: nobody writes a
#: version while it is compared or replaced.
_VERSION_LOCK = 0x62720001
_REBUILD_LOCK = 0x62720003
_IS_BUILDING = text("""
    select exists (
        select from pg_locks join pg_database on pg_database.oid = database
        where locktype = 'advisory' and classid = 0 and objid = cast(:lock as oid) and objsubid = 1
            and granted and datname = current_database()
    )
""")
_version = projection_version.c


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
        """The tables of a build, to be written within the current transaction."""
        return VersionStore(self.connection, dict.fromkeys(tables_of(0), number))

    async def live(self) -> dict[str, LiveVersion]:
        """The live version of each table; those of another release may have other names."""
        found = await self.connection.execute(
            select(_version.projection, _version.number, _version.fingerprint)
            .where(_version.state == "live")
            .order_by(_version.projection)
        )
        return {
            name: LiveVersion(number, name in tables_of(0) and signed == fingerprint(name))
            for name, number, signed in found
        }

    async def live_to_write(self) -> LiveStore:
        """The live versions, which stay live until the current transaction ends.

        May wait for a switch. Raises NoVersion, or OtherCode when this code must not write the log.
        """
        await self.connection.execute(select(func.pg_advisory_xact_lock_shared(_VERSION_LOCK)))
        live = await self.live()
        if "event_log" not in live:
            raise NoVersion("no version of the projections has been built yet")
        if not live["event_log"].own:
            raise OtherCode(
                f"version {live['event_log'].number} of the event log was written by other code, so"
                " nothing is added to it; see 'brobyg reporting status'"
            )
        own = {name: one.number for name, one in live.items() if one.own}
        # One that this code no longer has is nobody's to fold into.
        others = {n: one.number for n, one in live.items() if not one.own and n in tables_of(0)}
        return LiveStore(self.connection, own, others)

    async def offsets(self) -> Offsets:
        """The first offset of each partition that the live event log does not hold."""
        rows = await self.connection.execute(select(topic_offset))
        return {(row.topic, row.partition): row.next_offset for row in rows}

    async def advance(self, offsets: Offsets) -> None:
        """Store the live event log's offsets; one never goes back."""
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

    async def is_building(self) -> bool:
        """Whether somebody builds or compares versions now, of this or another process."""
        return bool(await self.connection.scalar(_IS_BUILDING, {"lock": _REBUILD_LOCK}))

    async def lacking(self, number: int | None = None) -> list[Lag]:
        """What tables lack of the live event log: a build's, or the live ones of this code."""
        if number is not None:
            return await lags.lacking(self.connection, [number])
        live = await self.live()
        own = {(one.number, name) for name, one in live.items() if one.own}
        found = await lags.lacking(self.connection, [one for one, _ in own])
        return [one for one in found if one[:2] in own]

    async def logged(self, lacks: Lag, types: Collection[str], limit: int) -> list[LoggedEvent]:
        """The first so many events of these types that it lacks, in order.

        More where one record was told as several: all of them are given.
        """
        log = tables_of((await self.live())["event_log"].number)["event_log"]
        return await lags.logged(self.connection, log, lacks, types, limit)

    async def caught_up(self, lacks: Lag, next_offset: int) -> None:
        """Note that the projection holds what it lacked below this offset."""
        await lags.caught_up(self.connection, lacks, next_offset)

    async def mark_known(self) -> None:
        """Mark as folded what was unknown when it was logged and is known to this code.

        Within a transaction. Raises as `live_to_write`.
        """
        log = (await self.live_to_write()).table("event_log")
        await lags.mark_known(self.connection, log)

    async def replaced(self) -> set[str]:
        """The tables of which a version of this code was live and gave way to another."""
        found = await self.connection.execute(
            select(_version.projection, _version.fingerprint).where(_version.state == "replaced")
        )
        names = tables_of(0)
        return {name for name, signed in found if name in names and signed == fingerprint(name)}

    async def create_first(self) -> bool:
        """Make empty tables and show them, unless there are live ones; True when they were made."""
        async with self.switching():
            if await self.live():
                return False
            names = list(tables_of(0))
            number = await self._create(names, {}, "building")
            for name in names:
                await self.index(number, name)
            await self.finish(number, 0, 0.0, [])
            await self.switch(number, {})
        return True

    async def begin(
        self, names: Sequence[str], ends: Offsets, purpose: Purpose, *, fresh: bool
    ) -> Build:
        """The unfinished build of these by this code, unless `fresh`, or a new one up to `ends`.

        Drops those that nobody can go on with, and those of the same projections; but to verify, a
        new one, and no other is touched.
        Raises RebuildRefused when it is to switch to a finished one and there is none.
        """
        state = "verifying" if purpose == "verify" else "building"
        async with self.switching():
            for build in await self._builds(purpose):
                goes_on = set(build.names) == set(names) or (purpose == "switch" and not names)
                reached = all(build.watermarks.get(at, 0) <= end for at, end in ends.items())
                if not fresh and goes_on and reached:
                    return build
                if purpose != "switch" and not set(names).isdisjoint(build.names):
                    await self._give_up(build.number)
            if purpose == "switch":
                raise RebuildRefused(
                    "this code has built nothing to switch to; 'brobyg reporting rebuild' does"
                )
            return Build(await self._create(names, ends, state), tuple(names), ends, resumed=False)

    async def _builds(self, purpose: Purpose) -> list[Build]:
        """The builds that can be gone on with, or switched to; those of other code are given up."""
        states = {"verify": [], "switch": ["built"]}.get(purpose, ["building", "built"])
        found = await self.connection.execute(
            select(projection_version).where(_version.state.in_(states)).order_by(_version.number)
        )
        signed: dict[int, dict[str, str]] = {}
        for row in found:
            signed.setdefault(row.number, {})[row.projection] = row.fingerprint
        builds = []
        for number, names in signed.items():
            if not all(one in tables_of(0) and names[one] == fingerprint(one) for one in names):
                await self._give_up(number)
                continue
            rows = await self.connection.execute(
                select(build_end).where(build_end.c.number == number)
            )
            ends = {(row.topic, row.partition): row.end_offset for row in rows}
            builds.append(Build(number, tuple(names), ends, resumed=True))
        return builds

    async def _create(self, names: Sequence[str], ends: Offsets, state: str) -> int:
        """The tables of a new build.

        Without keys and indexes when there is a log among them: they are filled by COPY first.
        """
        last = await self.connection.scalar(select(func.coalesce(func.max(_version.number), 0)))
        number = 1 + int(last or 0)
        await self.connection.execute(CreateSchema(schema_of(number)))
        for name in names:
            one = tables_of(number)[name]
            AddConstraint(one.primary_key)  # has CREATE TABLE leave it out
            await self.connection.execute(CreateTable(one))
            if "event_log" not in names:
                await self.index(number, name)
        rows = [
            {"number": number, "projection": one, "state": state, "fingerprint": fingerprint(one)}
            for one in names
        ]
        await self.connection.execute(insert(projection_version), rows)
        if ends:
            kinds = {one.name: one.type for one in build_end.c}
            noted = [(number, *at, offset) for at, offset in sorted(ends.items())]
            await self.connection.execute(
                insert(build_end).from_select(list(kinds), select(unnest(kinds, noted)))
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

    async def index(self, number: int, name: str) -> None:
        """Build the table's key and indexes, unless they are there, and take its statistics.

        Raises RebuildRefused when a key occurs twice.
        """
        await indexes.build(self.connection, tables_of(number)[name])

    async def compare(self, live: int, rebuilt: int, name: str) -> TableComparison:
        """Two versions of a table by number of rows and order-independent hash."""
        one, other = tables_of(live)[name], tables_of(rebuilt)[name]
        return await comparison.compare(self.connection, one, other)

    async def waiting(self) -> int:
        """Events that the live consumer has parked and not given up."""
        waiting = select(func.count(parked_event.c.id)).where(parked_event.c.state != "dead")
        return int(await self.connection.scalar(waiting) or 0)

    async def finish(
        self, number: int, events: int, seconds: float, result: Sequence[TableComparison]
    ) -> None:
        """Note how the build ended. Raises RebuildRefused when it was given up meanwhile."""
        compared = {one.table: one for one in result}
        found = await self.connection.execute(
            select(_version.projection, _version.state).where(_version.number == number)
        )
        for name, state in found.all():
            if state not in BUILDS:
                raise RebuildRefused(
                    "an event that had been set aside was handled meanwhile, which this build"
                    " lacks; run the same command again"
                )
            await self.connection.execute(
                update(projection_version)
                .where(_version.number == number, _version.projection == name)
                .values(
                    state="built" if state == "building" else state,
                    finished_at=func.clock_timestamp(),
                    events=events,
                    seconds=seconds,
                    result=compared.get(name),
                )
            )

    async def switch(self, number: int, position: Offsets) -> None:
        """Show the build's tables and make them live; a log among them holds up to `position`.

        Readers wait, or see the whole old ones; while they hold them this tries again rather than
        deadlock with them. Raises RebuildRefused when a view can't follow.
        """
        built = select(_version.projection).where(_version.number == number).scalar_subquery()
        await self.connection.execute(
            update(projection_version)
            .where(_version.state == "live", _version.projection.in_(built))
            .values(state="replaced")
        )
        await self.connection.execute(
            update(projection_version).where(_version.number == number).values(state="live")
        )
        for one in (build_end, lag):
            await self.connection.execute(one.delete().where(one.c.number == number))
        await self._retire_gone()
        await self._show()
        if position:
            await self.advance(position)

    async def retire_gone(self) -> bool:
        """Have no projection live that this code has not, if it wrote the log; True if one was.

        Raises RebuildRefused when a view can't follow.
        """
        async with self.switching():
            live = await self.live()
            if not live["event_log"].own or not await self._retire_gone():
                return False
            await self._show()
        return True

    async def _retire_gone(self) -> bool:
        gone = (
            update(projection_version)
            .where(_version.state == "live", _version.projection.not_in(tables_of(0)))
            .values(state="replaced")
            .returning(_version.number, _version.projection)
        )
        found = (await self.connection.execute(gone)).all()
        for number, name in found:
            mine = lag.c.number == number, lag.c.projection == name
            await self.connection.execute(lag.delete().where(*mine))
        return bool(found)

    async def _show(self) -> None:
        """Show the live versions. Readers wait, or see the whole old ones."""
        numbers = {name: one.number for name, one in (await self.live()).items()}
        await views.show_in_turn(self.connection, numbers)

    async def drop_unused(self) -> None:
        """Remove the tables that are neither live nor of a build; see `unused.drop`."""
        await unused.drop(self.connection)

    async def _give_up(self, number: int) -> None:
        """Drop the build: its tables go with the next that are not used."""
        await self.connection.execute(
            update(projection_version).where(_version.number == number).values(state="dropped")
        )
        for one in (version_share, build_end, lag):
            await self.connection.execute(one.delete().where(one.c.number == number))


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
