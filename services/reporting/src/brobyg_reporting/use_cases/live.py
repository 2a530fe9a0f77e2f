"""Keeping the live version of the projections up to date: event log, rows and offsets together."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.handling import Handler

from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.log import LoggedEvent, offsets_after
from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.ports import Version, Versions

#: Writes events to a version, folded by some projections; those that were new.
Write: TypeAlias = Callable[
    [Version, Sequence[LoggedEvent], Sequence[AnyProjection]], Awaitable[list[LoggedEvent]]
]


async def log_and_fold(
    version: Version, events: Sequence[LoggedEvent], projections: Sequence[AnyProjection]
) -> list[LoggedEvent]:
    """Log the events and fold those that were not in the log yet, which are returned.

    An event that is in the log already has no effect, so the same records may come any number of
    times. The version's partitions must be locked.
    """
    fresh = await version.log(events)
    for projection in projections:
        await fold(version, projection, [one for one in fresh if version.takes(projection, one)])
    return fresh


async def fold(version: Version, projection: AnyProjection, events: Sequence[LoggedEvent]) -> None:
    """Fold the events into the projection's rows. The version's partitions must be locked."""
    decoded = [(one.decoded, one.time) for one in events if one.decoded is not None]
    folder = Folder([projection])
    rows = folder.rows[projection.table]
    if keys := folder.keys(data for data, _ in decoded)[projection.table]:
        rows.update(await version.load(projection, keys))
    for data, time in decoded:
        folder.fold(data, time)
    if rows:
        await version.save(projection, list(rows.values()))


class Live:
    """Writes each batch of events to the live version, in one transaction."""

    def __init__(
        self,
        versions: Callable[[Transaction], Versions],
        handlers: Sequence[Handler[Write, Sequence[AnyProjection]]],
        metrics: ReportingMetrics,
    ) -> None:
        """`versions` gives the versions within a transaction."""
        self._versions, self._handlers, self._metrics = versions, handlers, metrics

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Log and fold the events. Waits while a rebuild is switching.

        A projection that lacks earlier events, or is of other code, is left behind the log, which
        has what it lacks. Raises NoVersion or OtherCode while there is no log that this code may
        write; the consumer then waits.
        """
        placed = [_placed(event) for event in events]
        versions = self._versions(tx)
        version = await versions.live_to_write()
        await version.lock(sorted({event.partition for event in placed}))
        new: list[LoggedEvent] = []
        for handler in self._handlers:
            if mine := [event for event in placed if event.topic == handler.event]:
                new += await handler.function(version, mine, handler.loads)
        await versions.advance(offsets_after(placed))
        tx.after_commit(lambda: self._count(len(new), known=len(placed) - len(new)))

    def _count(self, new: int, *, known: int) -> None:
        self._metrics.logged.inc(new)
        self._metrics.known.inc(known)


def _placed(event: Event) -> LoggedEvent:
    if not isinstance(event, LoggedEvent):
        raise TypeError(
            "an event came without its place; every topic must be read by `domain.log.read_logged`"
        )
    return event
