"""The rebuild: a new version of all projections, made from the topics beside the live one, compared with it and switched to.

1. the high watermarks are taken, and workers read everything below them, share by share, into tables without keys;
2. keys and indexes are built;
3. what came since is caught up with, the last of it while the live consumer is held by a lock, so that both stand at the same offsets;
4. every table is compared by hash, and the views are switched in that same transaction.

Nothing is published, no timer is set and no offset of the consumer group is touched. Killed at any point, the same command goes on.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import asyncpg
from brobyg_kit.event import UndecodableEvent

from brobyg_reporting.adapters import processes, store, versions
from brobyg_reporting.adapters.rebuild_worker import Work, connect
from brobyg_reporting.adapters.store import VERSION_LOCK, Connection
from brobyg_reporting.adapters.topics import Offsets, RangeReader, Record, watermarks
from brobyg_reporting.adapters.versions import TABLES, Build, TableComparison
from brobyg_reporting.domain.log import LoggedEvent, place, read_event
from brobyg_reporting.handlers import CONSUMES

_REBUILD_LOCK = 0x62720003
#: `rebuild` does not bring a live version that is further behind than this up to date just to compare with it; `verify` always does.
_WORTH_COMPARING = 20_000
_BATCH = 2_000
#: Up to this many records are read in this process: starting others takes as long as reading some 20,000.
_FEW = 20_000

#: Told the phase, how many of how many are done.
Progress = Callable[[str, int, int], None]


class RebuildRefused(RuntimeError):
    """The rebuild can't be done as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to rebuild and how. `topics` are read whole; `verify` switches only when every table is equal."""

    kafka: str
    database: str
    processes: int = 2
    fresh: bool = False
    verify: bool = False
    topics: tuple[str, ...] = CONSUMES


@dataclass(slots=True)
class Outcome:
    """What a rebuild did. Times in seconds; `tables` is empty when there was nothing to compare with, and `note` says why."""

    version: int = 0
    previous: int = 0
    resumed: bool = False
    events: int = 0
    skipped: int = 0
    read_seconds: float = 0.0
    index_seconds: float = 0.0
    switch_seconds: float = 0.0
    seconds: float = 0.0
    caught_up: int = 0
    compared: bool = False
    equal: bool = False
    switched: bool = False
    note: str = ""
    tables: list[TableComparison] = field(default_factory=list)


async def rebuild(request: Request, progress: Progress) -> Outcome:
    """Rebuild and, as asked, switch. Raises RebuildRefused, WorkerFailed, or what Kafka and the database raise; live is unharmed by all of them."""
    began = time.perf_counter()
    outcome = Outcome()
    connection = await connect(request.database)
    try:
        if not await connection.fetchval("select pg_try_advisory_lock($1)", _REBUILD_LOCK):
            raise RebuildRefused(
                "another rebuild is running on this database; wait for it, or end it and run this again to go on with its work"
            )
        await versions.drop_unused(connection)
        live = await versions.live_offsets(
            connection
        )  # before the ends are asked for, so that it can't honestly be beyond them
        ends = await asyncio.to_thread(watermarks, request.kafka, request.topics)
        _refuse_other_topics(live, ends)
        build = await versions.begin(connection, ends, fresh=request.fresh)
        outcome.version, outcome.resumed = build.version, build.resumed
        await _read(request, build, connection, outcome, progress)
        await _index(request, build, outcome, progress)
        await _switch(request, build, connection, outcome, progress, began)
        if outcome.switched:
            await versions.drop_unused(connection)
    finally:
        await connection.close(timeout=5)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _refuse_other_topics(live: Offsets, ends: Offsets) -> None:
    beyond = sorted(
        f"{topic}[{partition}]"
        for (topic, partition), end in ends.items()
        if live.get((topic, partition), 0) > end
    )
    if beyond:
        raise RebuildRefused(
            f"the live version holds events beyond the end of {', '.join(beyond[:3])}: these are not the topics it was read from, or they lost records;"
            " the live version may be the only copy. Point BROBYG_KAFKA at the right broker, or start with an empty reporting database"
        )


def shares_of(ends: Offsets) -> dict[int, Offsets]:
    """Shares that hold whole keys: partition p of all topics; everything in one when the topics are not partitioned alike."""
    numbers: dict[str, set[int]] = {}
    for topic, partition in ends:
        numbers.setdefault(topic, set()).add(partition)
    alike = len({frozenset(partitions) for partitions in numbers.values()}) <= 1
    shares: dict[int, Offsets] = {}
    for (topic, partition), end in ends.items():
        shares.setdefault(partition if alike else 0, {})[topic, partition] = end
    return dict(
        sorted(shares.items(), key=lambda one: -sum(one[1].values()))
    )  # the largest first, so that none is left for the end


async def _read(
    request: Request, build: Build, connection: Connection, outcome: Outcome, progress: Progress
) -> None:
    began = time.perf_counter()
    shares = shares_of(build.watermarks)
    finished = await versions.done(connection, build.version)
    total = sum(build.watermarks.values())
    read = sum(sum(shares[share].values()) for share in finished)
    progress("reading", read, total)
    left = {share: ends for share, ends in shares.items() if share not in finished}

    def heard(records: int) -> None:
        nonlocal read
        read += records
        progress("reading", min(read, total), total)

    if left:
        few = total - read <= _FEW
        sendable = {
            share: [(topic, partition, end) for (topic, partition), end in ends.items()]
            for share, ends in left.items()
        }
        work = Work(
            kafka=request.kafka,
            database=request.database,
            version=build.version,
            shares=sendable,
            parent=0 if few else os.getpid(),
        )
        if few:
            await processes.run_here(work, heard)
        else:
            await processes.run_all([work] * max(1, min(request.processes, len(left))), heard)
    row = await connection.fetchrow(
        "select sum(events)::bigint, sum(skipped)::bigint, count(*) from reporting.rebuild_share where version = $1",
        build.version,
    )
    if row is None or row[2] != len(shares):
        raise RebuildRefused(
            "a worker of an earlier rebuild still holds part of the work; run this again in a minute"
        )
    outcome.events, outcome.skipped = int(row[0] or 0), int(row[1] or 0)
    progress("reading", total, total)
    outcome.read_seconds = time.perf_counter() - began


async def _index(request: Request, build: Build, outcome: Outcome, progress: Progress) -> None:
    began = time.perf_counter()
    waiting = [table for table, _ in reversed(TABLES)]
    progress("indexing", 0, len(TABLES))

    async def some() -> None:
        connection = await connect(request.database)
        try:
            while waiting:
                table = waiting.pop()
                if not await versions.is_indexed(connection, build.version, table):
                    await connection.execute(
                        "select reporting.index_table($1, $2)", build.version, table
                    )
                progress("indexing", len(TABLES) - len(waiting), len(TABLES))
        finally:
            await connection.close(timeout=5)

    try:
        await asyncio.gather(*(some() for _ in range(min(2, request.processes))))
    except asyncpg.UniqueViolationError as error:
        raise RebuildRefused(
            f"{error.constraint_name}: one key stands in two partitions, so partitions can't be folded apart; were partitions added to a topic?"
        ) from error
    outcome.index_seconds = time.perf_counter() - began


async def _switch(
    request: Request,
    build: Build,
    connection: Connection,
    outcome: Outcome,
    progress: Progress,
    began: float,
) -> None:
    started = time.perf_counter()
    progress("comparing", 0, 1)
    reader = RangeReader(request.kafka)
    try:
        catch_up = _CatchUp(request, connection, reader, build.version, dict(build.watermarks))
        worth = await catch_up.approach()
        async with connection.transaction():
            await connection.execute(
                "set local synchronous_commit = on"
            )  # with it, all that was built before is on the disk too
            await connection.execute("select pg_advisory_xact_lock($1)", VERSION_LOCK)
            outcome.previous = await connection.fetchval(
                "select version from reporting.active_version"
            )
            behind = await catch_up.meet(outcome.previous, live_too=worth)
            outcome.caught_up = catch_up.applied
            await _judge(request, build, connection, outcome, behind, catch_up.position)
            state = "active" if outcome.switched else "differs"
            await versions.finish(
                connection,
                build.version,
                state,
                outcome.events + outcome.caught_up,
                time.perf_counter() - began,
                outcome.tables,
            )
    finally:
        await asyncio.to_thread(reader.close)
    progress("comparing", 1, 1)
    outcome.switch_seconds = time.perf_counter() - started


async def _judge(
    request: Request,
    build: Build,
    connection: Connection,
    outcome: Outcome,
    behind: int,
    position: Offsets,
) -> None:
    """Compare where both stand at the same offsets, and switch where that is what was asked for."""
    if behind:
        outcome.note = f"not compared: the live version is {behind} records behind the topics"
    else:
        outcome.tables = await versions.compare(connection, outcome.previous, build.version)
        outcome.compared, outcome.equal = True, all(table.equal for table in outcome.tables)
    if parked := await connection.fetchval(
        "select count(*) from parked_event where state <> 'dead'"
    ):
        outcome.note = f"{parked} events wait in the live consumer behind one that could not be handled; see `brobyg dlq list`"
    if outcome.equal or not request.verify:
        await store.store_offsets(connection, position)
        await versions.show(connection, build.version)
        outcome.switched = True


@dataclass(slots=True)
class _CatchUp:
    """Brings the rebuilt version, and the live one where it lags, to the same offsets with the live consumer's own means."""

    request: Request
    connection: Connection
    reader: RangeReader
    version: int
    position: Offsets
    applied: int = 0

    async def approach(self) -> bool:
        """Take most of the way without holding anybody up. True when the live version is near enough to be brought to the same offsets."""
        live = await self._live()
        self.applied += await self._apply(self.version, self.position, self._target(live))
        self.position = self._target(live)
        behind = _distance(live, self.position)
        if behind and (self.request.verify or behind <= _WORTH_COMPARING):
            await self._bring_live(live)
            behind = 0
        return behind == 0

    async def meet(self, live_version: int, *, live_too: bool) -> int:
        """With the lock held: the last step of both. Returns how many records the live version is still behind."""
        live = await self._live()
        target = self._target(live)
        self.applied += await self._apply(self.version, self.position, target)
        self.position = target
        if live_too:
            await self._apply(live_version, live, target)
            await store.store_offsets(self.connection, target)
            return 0
        return _distance(live, target)

    async def _live(self) -> Offsets:
        known = await versions.live_offsets(self.connection)
        return {at: known.get(at, 0) for at in self.position}

    def _target(self, live: Offsets) -> Offsets:
        return {at: max(offset, live[at]) for at, offset in self.position.items()}

    async def _bring_live(self, live: Offsets) -> None:
        for events in _batches(self.reader, live, self.position):
            async with self.connection.transaction():
                version = await store.active_version(self.connection)
                await store.apply(self.connection, version, events)
                await store.store_offsets(self.connection, store.after(events))

    async def _apply(self, version: int, start: Offsets, end: Offsets) -> int:
        applied = 0
        for events in _batches(self.reader, start, end):
            async with self.connection.transaction():
                applied += await store.apply(self.connection, version, events)
        return applied


def _distance(start: Mapping[tuple[str, int], int], end: Mapping[tuple[str, int], int]) -> int:
    return sum(max(0, offset - start.get(at, 0)) for at, offset in end.items())


def _batches(reader: RangeReader, start: Offsets, end: Offsets) -> Iterator[list[LoggedEvent]]:
    for part in reader.read(start, end):
        for first in range(0, len(part), _BATCH):
            events = [
                event for record in part[first : first + _BATCH] if (event := _logged(record))
            ]
            if events:
                yield events


def _logged(record: Record) -> LoggedEvent | None:
    topic, partition, offset, value = record
    try:
        return place(read_event(value), topic, partition, offset)
    except UndecodableEvent:
        return None  # as in the workers
