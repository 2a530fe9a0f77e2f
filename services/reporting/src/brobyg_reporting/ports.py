"""What the use cases need of the database, of Kafka and of other processes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from brobyg_reporting.domain.log import LoggedEvent, Offsets
from brobyg_reporting.domain.projection import AnyProjection, Row

#: Called with the number of records read since the last call.
OnRecords = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version that the views show and the consumer writes."""

    number: int
    #: Whether this code wrote it, and so may go on writing it.
    own: bool


@dataclass(frozen=True, slots=True)
class Build:
    """A version being built, and up to which offsets."""

    number: int
    watermarks: Offsets
    resumed: bool


@dataclass(frozen=True, slots=True)
class BuiltShares:
    """The shares that a version being built holds, and what was read for them."""

    numbers: frozenset[int]
    events: int
    skipped: int


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
    """One version's event log and rows, within a transaction."""

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
        """The version, to be written within the current transaction."""

    async def live(self) -> LiveVersion | None:
        """The live version; None before the first."""

    async def live_to_write(self) -> Version:
        """The live version, which stays live until the current transaction ends.

        May wait for a switch. Raises NoVersion or OtherCode when this code must not write it.
        """

    async def offsets(self) -> Offsets:
        """The first offset of each partition that the live version does not hold."""

    async def advance(self, offsets: Offsets) -> None:
        """Store the live version's offsets; one never goes back."""

    async def claim_rebuild(self) -> bool:
        """Be the only one that builds versions, until the connection closes; False if one does."""

    async def was_replaced(self) -> bool:
        """Whether a version of this code was live and gave way to another."""

    async def create_first(self) -> bool:
        """Make an empty version and show it, unless there is a live one; True when it was made."""

    async def begin(self, ends: Offsets, *, fresh: bool) -> Build:
        """The unfinished build of this code, unless `fresh`, or a new one up to `ends`.

        Drops builds that nobody can go on with.
        """

    async def shares(self, number: int) -> BuiltShares:
        """The shares that the version holds."""

    async def tables(self) -> list[str]:
        """The tables of a version, by name."""

    async def index(self, number: int, table: str) -> None:
        """Build the table's key and indexes, unless they are there, and take its statistics."""

    async def compare(self, live: int, rebuilt: int) -> list[TableComparison]:
        """Every table of the two versions by number of rows and order-independent hash."""

    async def waiting(self) -> int:
        """Events that the live consumer has parked and not given up."""

    async def finish(
        self, number: int, events: int, seconds: float, result: Sequence[TableComparison]
    ) -> None:
        """Note how the build ended."""

    async def switch(self, number: int, position: Offsets) -> None:
        """Show the version and make it the live one, which holds everything up to `position`."""

    async def drop_unused(self) -> None:
        """Remove the tables of versions that are neither live nor being built.

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


@dataclass(frozen=True, slots=True)
class RebuildPorts:
    """The ports that a rebuild works with."""

    #: A connection to the versions.
    versions: Callable[[], AbstractAsyncContextManager[Versions]]
    #: A connection to Kafka.
    topics: Callable[[], AbstractAsyncContextManager[Topics]]
    workers: Workers
