"""Bringing projections to where the live event log is, which holds every event once."""

from collections.abc import Callable

from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.ports import Lag, Versions
from brobyg_reporting.use_cases.live import fold

#: Events of one transaction.
_BATCH = 2_000
#: So many records may be left to be caught up with while the consumer is held up, if it can be
#: brought about in so many rounds.
NEAR, MOST_ROUNDS = 2_000, 10
#: The projections by the name of their table.
BY_TABLE = {one.table: one for one in PROJECTIONS}


async def follow(
    versions: Versions,
    number: int | None = None,
    on_offsets: Callable[[int], None] = lambda _: None,
) -> int:
    """Fold what a build lacks, or for None what the live projections of this code lack.

    Returns the number of events. Ends where the log is when it comes there: what the consumer
    logs meanwhile is lacking again, unless that is held up. Goes on where it was stopped.
    """
    events = 0
    for lacks in await versions.lacking(number):
        left: Lag | None = lacks
        while left is not None:
            folded, done, left = await _step(versions, number, left)
            events += folded
            on_offsets(done)
    return events


async def follow_closely(
    versions: Versions, number: int, on_offsets: Callable[[int], None] = lambda _: None
) -> int:
    """As `follow`, again until what a build still lacks is little, or that does not help."""
    events = 0
    for _ in range(MOST_ROUNDS):
        events += await follow(versions, number, on_offsets)
        if sum(one.end - one.start for one in await versions.lacking(number)) <= NEAR:
            break
    return events


async def _step(versions: Versions, number: int | None, lacks: Lag) -> tuple[int, int, Lag | None]:
    """One transaction: events folded, offsets passed, and what is still lacking."""
    projection = BY_TABLE[lacks.projection]
    async with versions.transaction():
        live = await versions.live_to_write()
        await live.lock([lacks.partition])
        same = [one for one in await versions.lacking(number) if one[:4] == lacks[:4]]
        if not same:  # another process was faster
            return 0, 0, None
        [now] = same
        types = {kind.EVENT_TYPE for kind in projection.folds}
        events = await versions.logged(now, types, _BATCH)
        await fold(versions.version(now.number), projection, events)
        passed = events[-1].offset + 1 if len(events) >= _BATCH else now.end
        await versions.caught_up(now, passed)
    left = now._replace(start=passed)
    return len(events), passed - now.start, left if passed < now.end else None
