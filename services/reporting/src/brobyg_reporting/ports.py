"""What the use cases need of the database, of Kafka and of other processes."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from brobyg_reporting.domain.log import LoggedEvent, Offsets
from brobyg_reporting.domain.projection import AnyProjection, Row

#: Called with the number of records read since the last call.
OnRecords = Callable[[int], None]
#: Told how far a build is.
OnProgress = Callable[[str], None]

#: What a build is for: to be switched to later, to be switched to at once, or to be compared only.
Purpose = Literal["build", "switch", "build and switch", "verify"]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version of a table that the views show and the consumer writes."""

    number: int
    #: Whether this code wrote it, and so may go on writing it.
    own: bool


@dataclass(frozen=True, slots=True)
class Build:
    """Versions of some tables being built; up to which offsets, where the log is one of them."""

    number: int
    names: Sequence[str]
    watermarks: Offsets
    resumed: bool


@dataclass(frozen=True, slots=True)
class Built:
    """What was built and switched to: the build's number, and how many events it read."""

    version: int
    events: int


@dataclass(frozen=True, slots=True)
class BuiltShares:
    """The shares that a version being built holds, and what was read for them."""

    numbers: frozenset[int]
    events: int
    skipped: int


class Lag(NamedTuple):
    """The range of a partition of which a version of a projection lacks the events of the log."""

    number: int
    projection: str
    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table in the live and in the rebuilt version."""

    table: str
    live_rows: int
    rebuilt_rows: int
    live_hash: str
    rebuilt_hash: str
    #: The keys of the first few rows that differ.
    differing_keys: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows."""
        return (self.live_rows, self.live_hash) == (self.rebuilt_rows, self.rebuilt_hash)


class Version(Protocol):
    """A version of each table, within a transaction."""

    def takes(self, projection: AnyProjection, event: LoggedEvent) -> bool:
        """Whether the event is folded by the projection now."""

    async def lock(self, partitions: Sequence[int]) -> None:
        """Lock these partition numbers' keys until the transaction ends. May wait."""

    async def log(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Put the events in the log; those that were not there yet, in order."""

    async def load(self, projection: AnyProjection, keys: set[str]) -> dict[str, Row]:
        """The rows that are there, by key."""

    async def save(self, projection: AnyProjection, rows: Sequence[Row]) -> None:
        """Write the rows, new or not."""


class Versions(Protocol):
    """All versions, over one connection."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction on the connection."""

    def switching(self) -> AbstractAsyncContextManager[None]:
        """A transaction in which nobody else writes the live version, and which is durable."""

    def version(self, number: int) -> Version:
        """The tables of a build, to be written within the current transaction."""

    async def live(self) -> dict[str, LiveVersion]:
        """The live version of each table; empty before the first."""

    async def live_to_write(self) -> Version:
        """The live versions, which stay live until the current transaction ends.

        May wait for a switch. Raises NoVersion, or OtherCode when this code must not write the log.
        """

    async def offsets(self) -> Offsets:
        """The first offset of each partition that the live event log does not hold."""

    async def advance(self, offsets: Offsets) -> None:
        """Store the live event log's offsets; one never goes back."""

    async def lacking(self, number: int | None = None) -> list[Lag]:
        """What tables lack of the live event log: a build's, or the live ones of this code."""

    async def logged(self, lacks: Lag, types: Collection[str], limit: int) -> list[LoggedEvent]:
        """The first so many events of these types that it lacks, in order.

        More where one record was told as several: all of them are given.
        """

    async def caught_up(self, lacks: Lag, next_offset: int) -> None:
        """Note that the projection holds what it lacked below this offset."""

    async def claim_rebuild(self) -> bool:
        """Be the only one that builds versions, until the connection closes; False if one does."""

    async def mark_known(self) -> None:
        """Mark as folded what was unknown when it was logged and is known to this code.

        Within a transaction. Raises as `live_to_write`.
        """

    async def replaced(self) -> set[str]:
        """The tables of which a version of this code was live and gave way to another."""

    async def create_first(self) -> bool:
        """Make empty tables and show them, unless there are live ones; True when they were made."""

    async def begin(
        self, names: Sequence[str], ends: Offsets, purpose: Purpose, *, fresh: bool
    ) -> Build:
        """The unfinished build of these by this code, unless `fresh`, or a new one up to `ends`.

        Drops those that nobody can go on with, and those of the same projections; but to verify, a
        new one, and no other is touched.
        Raises RebuildRefused when it is to switch to a finished one and there is none.
        """

    async def shares(self, number: int) -> BuiltShares:
        """The shares that the version holds."""

    async def index(self, number: int, table: str) -> None:
        """Build the table's key and indexes, unless they are there, and take its statistics."""

    async def compare(self, live: int, rebuilt: int, name: str) -> TableComparison:
        """Two versions of a table by number of rows and order-independent hash."""

    async def waiting(self) -> int:
        """Events that the live consumer has parked and not given up."""

    async def finish(
        self, number: int, events: int, seconds: float, result: Sequence[TableComparison]
    ) -> None:
        """Note how the build ended. Raises RebuildRefused when it was given up meanwhile."""

    async def switch(self, number: int, position: Offsets) -> None:
        """Show the build's tables and make them live; a log among them holds up to `position`."""

    async def retire_gone(self) -> bool:
        """Have no projection live that this code has not, if it wrote the log; True if one was.

        Raises RebuildRefused when a view can't follow.
        """

    async def drop_unused(self) -> None:
        """Remove the tables that are neither live nor of a build that is to be gone on with.

        Waits up to 10 seconds for readers; what remains goes the next time.
        """


class Topics(Protocol):
    """Our topics, read outside any consumer group."""

    async def ends(self) -> Offsets:
        """The end of every partition now. Raises UnknownTopic."""

    def read(self, start: Offsets, end: Offsets) -> AsyncIterator[list[LoggedEvent]]:
        """The events from `start` (0 where not given) up to `end`, each partition's in order.

        Records that are not events are left out. Raises TimeoutError when nothing comes for a
        minute.
        """


class Workers(Protocol):
    """Fill a version being built from the topics."""

    async def fill(
        self, number: int, shares: Mapping[int, Offsets], processes: int, on_records: OnRecords
    ) -> None:
        """Fill in the shares, in so many processes of their own, or in this one for 0.

        Raises WorkerFailed when one of them stops; the others are ended first.
        """


class Builder(Protocol):
    """Builds versions for a service that answers meanwhile."""

    async def build(self, projections: Sequence[str], on_progress: OnProgress) -> Built:
        """Build these of this code and switch to them.

        Raises RebuildRefused, and WorkerFailed when it was stopped; the same again goes on then.
        """


@dataclass(frozen=True, slots=True)
class RebuildPorts:
    """The ports that a rebuild works with."""

    #: A connection to the versions.
    versions: Callable[[], AbstractAsyncContextManager[Versions]]
    #: A connection to Kafka.
    topics: Callable[[], AbstractAsyncContextManager[Topics]]
    workers: Workers
