"""The rebuild: a new version of all projections, made from the topics beside the live one.

1. the ends of the partitions are taken, and workers read everything below them, share by share,
   into tables without keys;
2. keys and indexes are built;
3. the new version catches up, the last of it while the live consumer is held by a lock, so that
   both versions stand at the same offsets;
4. every table is compared by hash, and the views are switched in that same transaction.

Nothing is published, no timer is set and no offset of the consumer group is touched. Killed at any
point, the same command goes on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from brobyg_reporting.domain.log import LoggedEvent, Offsets, offsets_after
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.errors import RebuildRefused
from brobyg_reporting.ports import (
    Build,
    LiveVersion,
    RebuildPorts,
    TableComparison,
    Topics,
    Version,
    Versions,
)
from brobyg_reporting.use_cases.live import log_and_fold

#: `rebuild` does not bring a live version that is further behind up to date just to compare with
#: it; `verify` always does. In records.
_LARGEST_LAG_TO_COMPARE = 20_000
#: Events of one transaction while catching up.
_BATCH = 2_000

#: Told the phase, and how many of how many are done.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """How to rebuild."""

    processes: int = 2
    #: Begin anew rather than go on with a build that was stopped.
    fresh: bool = False
    #: Switch only when every table is equal.
    verify: bool = False
    #: Up to this many records are read in this process: starting others takes as long as reading
    #: some 20,000.
    in_process_limit: int = 20_000


@dataclass(slots=True)
class RebuildResult:
    """What a rebuild did; times in seconds."""

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
    #: Why it was not compared, or what else is to be known.
    note: str = ""
    #: Empty when there was nothing to compare with.
    tables: list[TableComparison] = field(default_factory=list)


async def rebuild(
    ports: RebuildPorts, request: RebuildRequest, progress: Progress
) -> RebuildResult:
    """Rebuild and, as asked, switch; the live version is unharmed whatever is raised.

    Raises RebuildRefused, WorkerFailed, UnknownTopic, or what Kafka and the database raise.
    """
    async with ports.versions() as versions, ports.topics() as topics:
        return await _Rebuild(ports, request, progress, versions, topics).run()


def shares_of(ends: Offsets) -> dict[int, Offsets]:
    """Shares that hold whole keys: partition p of all topics, the largest share first.

    Everything is in one when the topics are not partitioned alike.
    """
    numbers: dict[str, set[int]] = {}
    for topic, partition in ends:
        numbers.setdefault(topic, set()).add(partition)
    alike = len({frozenset(partitions) for partitions in numbers.values()}) <= 1
    shares: dict[int, Offsets] = {}
    for (topic, partition), end in ends.items():
        shares.setdefault(partition if alike else 0, {})[topic, partition] = end
    return dict(sorted(shares.items(), key=lambda one: -sum(one[1].values())))


@dataclass(slots=True)
class _Rebuild:
    ports: RebuildPorts
    request: RebuildRequest
    progress: Progress
    versions: Versions
    topics: Topics
    result: RebuildResult = field(default_factory=RebuildResult)
    began: float = field(default_factory=time.perf_counter)

    async def run(self) -> RebuildResult:
        if not await self.versions.claim_rebuild():
            raise RebuildRefused(
                "another rebuild is running on this database; wait for it, or end it and run this"
                " again to go on with its work"
            )
        await self.versions.drop_unused()
        # Before the ends are asked for, so that it can't honestly be beyond them.
        reached, live = await self.versions.offsets(), await self.versions.live()
        if self.request.verify and (live is None or not live.own):
            raise RebuildRefused(
                "there is nothing to compare with, as this code has not written the live version;"
                " 'brobyg reporting rebuild' builds one of its own and switches to it"
            )
        ends = await self.topics.ends()
        _refuse_other_topics(reached, ends)
        build = await self.versions.begin(ends, fresh=self.request.fresh)
        self.result.version, self.result.resumed = build.number, build.resumed
        await self._read(build)
        await self._index(build)
        await self._switch(build)
        if self.result.switched:
            await self.versions.drop_unused()
        self.result.seconds = time.perf_counter() - self.began
        return self.result

    async def _read(self, build: Build) -> None:
        began = time.perf_counter()
        shares = shares_of(build.watermarks)
        finished = (await self.versions.shares(build.number)).numbers
        total = sum(build.watermarks.values())
        read = sum(sum(shares[share].values()) for share in finished)
        left = {share: ends for share, ends in shares.items() if share not in finished}
        self.progress("reading", read, total)

        def on_records(records: int) -> None:
            nonlocal read
            read += records
            self.progress("reading", min(read, total), total)

        if left:
            in_process = total - read <= self.request.in_process_limit
            processes = 0 if in_process else min(self.request.processes, len(left))
            await self.ports.workers.fill(build.number, left, processes, on_records)
        built = await self.versions.shares(build.number)
        if len(built.numbers) != len(shares):
            raise RebuildRefused(
                "a worker of an earlier rebuild still holds part of the work; run this again in a"
                " minute"
            )
        self.result.events, self.result.skipped = built.events, built.skipped
        self.progress("reading", total, total)
        self.result.read_seconds = time.perf_counter() - began

    async def _index(self, build: Build) -> None:
        began = time.perf_counter()
        tables = await self.versions.tables()
        waiting = tables[::-1]
        self.progress("indexing", 0, len(tables))

        async def index_some() -> None:
            async with self.ports.versions() as versions:
                while waiting:
                    await versions.index(build.number, waiting.pop())
                    self.progress("indexing", len(tables) - len(waiting), len(tables))

        await asyncio.gather(*(index_some() for _ in range(min(2, self.request.processes))))
        self.result.index_seconds = time.perf_counter() - began

    async def _switch(self, build: Build) -> None:
        started, result, versions = time.perf_counter(), self.result, self.versions
        self.progress("comparing", 0, 1)
        catch_up = _CatchUp(versions, self.topics, build.number, dict(build.watermarks))
        near = await catch_up.read_ahead(always_compare=self.request.verify)
        async with versions.switching():
            live = await versions.live()
            result.previous = live.number if live else 0
            behind = await catch_up.finish(live, live_too=near)
            result.caught_up = catch_up.applied
            await self._compare(live, behind)
            if parked := await versions.waiting():
                result.note = (
                    f"{parked} events wait in the live consumer behind one that could not be"
                    " handled; see `brobyg dlq list`"
                )
            result.switched = result.equal or not self.request.verify
            seconds = time.perf_counter() - self.began
            events = result.events + result.caught_up
            await versions.finish(build.number, events, seconds, result.tables)
            if result.switched:
                await versions.switch(build.number, catch_up.position)
        self.progress("comparing", 1, 1)
        result.switch_seconds = time.perf_counter() - started

    async def _compare(self, live: LiveVersion | None, behind: int) -> None:
        """Compare with the live version where both stand at the same offsets."""
        result = self.result
        if live is None:
            result.note = "not compared: there was no version before this one"
        elif not live.own:
            result.note = "not compared: the live version was written by other code"
        elif behind:
            result.note = f"not compared: the live version is {behind} records behind the topics"
        else:
            result.tables = await self.versions.compare(live.number, result.version)
            result.compared, result.equal = True, all(one.equal for one in result.tables)


def _refuse_other_topics(reached: Offsets, ends: Offsets) -> None:
    beyond = sorted(
        f"{topic}[{partition}]"
        for (topic, partition), end in ends.items()
        if reached.get((topic, partition), 0) > end
    )
    if beyond:
        raise RebuildRefused(
            f"the live version holds events beyond the end of {', '.join(beyond[:3])}: these are"
            " not the topics it was read from, or they lost records; the live version may be the"
            " only copy. Point BROBYG_KAFKA at the right broker, or start with an empty reporting"
            " database"
        )


@dataclass(slots=True)
class _CatchUp:
    """Brings the new version, and the live one where it lags, to the same offsets.

    By the same functions as the live consumer. A live version of other code is never written.
    """

    versions: Versions
    topics: Topics
    number: int
    position: Offsets
    applied: int = 0

    async def read_ahead(self, *, always_compare: bool) -> bool:
        """Read most of what is missing without holding up the live consumer.

        True when the live version is there too, or was near enough to be brought there.
        """
        reached, live = await self._reached(), await self.versions.live()
        await self._apply(self._target(reached))
        behind = _distance(reached, self.position)
        if live is None or not live.own:
            return False
        if behind and (always_compare or behind <= _LARGEST_LAG_TO_COMPARE):
            await self._bring_live(reached)
            behind = 0
        return behind == 0

    async def finish(self, live: LiveVersion | None, *, live_too: bool) -> int:
        """The last step of both, while nobody else writes the live version.

        Returns how many records the live version is still behind.
        """
        reached = await self._reached()
        await self._apply(self._target(reached))
        if live_too and live is not None and live.own:
            await self._bring_live(reached)
            return 0
        return _distance(reached, self.position)

    async def _reached(self) -> Offsets:
        known = await self.versions.offsets()
        return {at: known.get(at, 0) for at in self.position}

    def _target(self, reached: Offsets) -> Offsets:
        return {at: max(offset, reached[at]) for at, offset in self.position.items()}

    async def _bring_live(self, reached: Offsets) -> None:
        async for events in self._batches(reached, self.position):
            async with self.versions.transaction():
                await _write(await self.versions.live_to_write(), events)
                await self.versions.advance(offsets_after(events))
        await self.versions.advance(self.position)  # also past records that are not events

    async def _apply(self, target: Offsets) -> None:
        async for events in self._batches(self.position, target):
            async with self.versions.transaction():
                self.applied += await _write(self.versions.version(self.number), events)
        self.position = target

    async def _batches(self, start: Offsets, end: Offsets) -> AsyncIterator[list[LoggedEvent]]:
        async for part in self.topics.read(start, end):
            for first in range(0, len(part), _BATCH):
                yield part[first : first + _BATCH]


async def _write(version: Version, events: list[LoggedEvent]) -> int:
    """Log and fold the events; the number that were new."""
    await version.lock(sorted({event.partition for event in events}))
    return len(await log_and_fold(version, events, PROJECTIONS))


def _distance(start: Offsets, end: Offsets) -> int:
    return sum(max(0, offset - start.get(at, 0)) for at, offset in end.items())
