"""The rebuild: new versions of projections beside the live ones.

Of all tables, from the topics:

1. the ends of the partitions are taken, or where the live log stands if that is near, and workers
   read everything below them, share by share, into tables without keys;
2. keys and indexes are built;
3. the new tables catch up with the live log, the last of it while the live consumer is held by a
   lock, so that both versions stand at the same offsets.

Of some projections, from the live event log, which holds every event once: they follow it (see
`use_cases.follow`), the last of it while the consumer is held. The others are not touched.

Then every table that stands where the live one does is compared by hash and, as asked, the views
are switched in that transaction. What is live is never written.
Nothing is published, no timer is set and no offset of the consumer group is touched. Killed at any
point, the same command goes on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from brobyg_reporting.domain.log import LoggedEvent, Offsets
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.errors import RebuildRefused
from brobyg_reporting.ports import (
    Build,
    LiveVersion,
    Purpose,
    RebuildPorts,
    TableComparison,
    Topics,
    Version,
    Versions,
)
from brobyg_reporting.use_cases.follow import BY_TABLE, MOST_ROUNDS, NEAR, follow, follow_closely
from brobyg_reporting.use_cases.live import log_and_fold

#: The table that the others are folded from: a new one makes new ones of them all.
LOG = "event_log"
#: What can be rebuilt: the log and the projections.
EVERY = (LOG, *BY_TABLE)
#: A live log that is further behind the topics is not where a new one stops, unless to verify: the
#: new one then holds more, and is not compared. In records.
_LARGEST_LAG_TO_COMPARE = 20_000
#: Events of one transaction while catching up.
_BATCH = 2_000

#: Told the phase, and how many of how many are done.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """How to rebuild."""

    #: The projections; all, and the event log, when there is none or the log is among them.
    projections: Sequence[str] = ()
    purpose: Purpose = "build and switch"
    #: Begin anew rather than go on with a build that was stopped.
    fresh: bool = False
    processes: int = 2
    #: Up to this many records are read in this process: starting others takes as long as reading
    #: some 20,000.
    in_process_limit: int = 20_000


@dataclass(slots=True)
class RebuildResult:
    """What a rebuild did; times in seconds."""

    version: int = 0
    projections: Sequence[str] = ()
    #: The version of each that was live before.
    previous: dict[str, int] = field(default_factory=dict)
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
    #: It waits to be switched to.
    kept: bool = False
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


def check_names(projections: Sequence[str]) -> None:
    """Raise RebuildRefused, which names those there are, when one of these is no projection."""
    if unknown := sorted(set(projections).difference(EVERY)):
        raise RebuildRefused(
            f"there is no projection {', '.join(unknown)}; there are {', '.join(EVERY)}"
        )


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
        build = await self._begin()
        self.result.version, self.result.resumed = build.number, build.resumed
        self.result.projections = build.names
        if LOG in build.names:
            await self._read(build)
            await self._index(build)
            await self._finish_whole(build)
        else:
            await self._finish_some(build)
        await self.versions.drop_unused()
        self.result.seconds = time.perf_counter() - self.began
        return self.result

    async def _begin(self) -> Build:
        purpose, asked = self.request.purpose, tuple(self.request.projections)
        check_names(asked)
        names = asked if asked and LOG not in asked else EVERY
        # Before the ends are asked for, so that it can't honestly be beyond them.
        reached, live = await self.versions.offsets(), await self.versions.live()
        own = {name for name, one in live.items() if one.own}
        if purpose == "verify" and not own.issuperset(names):
            raise RebuildRefused(
                "there is nothing to compare with, as this code has not written the live version;"
                " 'brobyg reporting rebuild' builds one of its own"
            )
        if purpose == "switch":
            return await self.versions.begin(asked and names, {}, purpose, fresh=False)
        if LOG not in names and LOG not in own:
            raise RebuildRefused(
                "projections are built from the event log, which this code has not written here;"
                " 'brobyg reporting rebuild' without a name builds all from the topics"
            )
        ends: Offsets = {}
        if LOG in names:
            ends = await self.topics.ends()
            _refuse_other_topics(reached, ends)
            near = bool(reached) and _distance(reached, ends) <= _LARGEST_LAG_TO_COMPARE
            if LOG in own and (near or purpose == "verify"):
                ends = {at: reached.get(at, 0) for at in ends}
        return await self.versions.begin(names, ends, purpose, fresh=self.request.fresh)

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
        tables = build.names
        waiting = list(tables[::-1])
        self.progress("indexing", 0, len(tables))

        async def index_some() -> None:
            async with self.ports.versions() as versions:
                while waiting:
                    await versions.index(build.number, waiting.pop())
                    self.progress("indexing", len(tables) - len(waiting), len(tables))

        await asyncio.gather(*(index_some() for _ in range(min(2, self.request.processes))))
        self.result.index_seconds = time.perf_counter() - began

    async def _finish_whole(self, build: Build) -> None:
        started, versions = time.perf_counter(), self.versions
        self.progress("comparing", 0, 1)
        catch_up = _CatchUp(versions, self.topics, build.number, dict(build.watermarks))
        await catch_up.come_near()
        async with versions.switching():
            behind = await catch_up.finish()
            self.result.caught_up = catch_up.applied
            await self._compare_and_switch(build, catch_up.position, behind)
        self.result.switch_seconds = time.perf_counter() - started

    async def _finish_some(self, build: Build) -> None:
        started, versions = time.perf_counter(), self.versions
        lags = await versions.lacking(build.number)
        read, total = 0, sum(one.end - one.start for one in lags)

        def on_offsets(passed: int) -> None:
            nonlocal read
            read += passed
            self.progress("reading", min(read, total), total)

        on_offsets(0)
        self.result.events = await follow_closely(versions, build.number, on_offsets)
        self.result.read_seconds = time.perf_counter() - started
        await self._index(build)
        started = time.perf_counter()
        self.progress("comparing", 0, 1)
        async with versions.switching():
            self.result.caught_up = await follow(versions, build.number)
            await self._compare_and_switch(build, {})
        self.result.switch_seconds = time.perf_counter() - started

    async def _compare_and_switch(self, build: Build, position: Offsets, behind: int = 0) -> None:
        """The last step, while nobody else writes. The live log is so many records behind."""
        result, versions, purpose = self.result, self.versions, self.request.purpose
        live = await versions.live()
        result.previous = {name: live[name].number for name in build.names if name in live}
        await self._compare(build, live, behind)
        if parked := await versions.waiting():
            result.note = (
                f"{parked} events wait in the live consumer behind one that could not be"
                " handled; see `brobyg dlq list`"
            )
        seconds = time.perf_counter() - self.began
        events = result.events + result.caught_up
        await versions.finish(build.number, events, seconds, result.tables)
        result.switched = purpose in {"switch", "build and switch"}
        result.kept = purpose == "build"
        if result.switched:
            await versions.switch(build.number, position)
        self.progress("comparing", 1, 1)

    async def _compare(self, build: Build, live: Mapping[str, LiveVersion], behind: int) -> None:
        """Compare with those live versions that this code wrote and that stand where it does."""
        result = self.result
        own = [name for name in build.names if name in live and live[name].own]
        lacking = {one.projection for one in await self.versions.lacking()}
        comparable = [] if behind else [name for name in own if name not in lacking]
        if not live:
            result.note = "not compared: there was no version before this one"
        elif other := [name for name in build.names if name not in own]:
            result.note = f"not compared: {', '.join(other)} was written by other code or is new"
        elif behind:
            result.note = f"not compared: the live version is {behind} records behind this one"
        elif late := [name for name in own if name in lacking]:
            result.note = (
                f"not compared: {', '.join(late)} lacks events of the log, which the service folds"
                " while it runs"
            )
        for name in comparable:
            number = live[name].number
            result.tables.append(await self.versions.compare(number, build.number, name))
        result.compared = len(comparable) == len(build.names)
        result.equal = result.compared and all(one.equal for one in result.tables)


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
    """Brings the new version to where the live log is, by the live consumer's own functions."""

    versions: Versions
    topics: Topics
    number: int
    position: Offsets
    applied: int = 0

    async def come_near(self) -> None:
        """Read most of what is missing without holding up the live consumer."""
        for _ in range(MOST_ROUNDS):
            target = self._target(await self._reached())
            if _distance(self.position, target) <= NEAR:
                break
            await self._apply(target)

    async def finish(self) -> int:
        """Read the rest, while nobody else writes; how many records the live log is behind then."""
        reached = await self._reached()
        await self._apply(self._target(reached))
        return _distance(reached, self.position)

    async def _reached(self) -> Offsets:
        known = await self.versions.offsets()
        return {at: known.get(at, 0) for at in self.position}

    def _target(self, reached: Offsets) -> Offsets:
        return {at: max(offset, reached[at]) for at, offset in self.position.items()}

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
