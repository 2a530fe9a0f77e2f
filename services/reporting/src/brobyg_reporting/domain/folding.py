"""Folding events into rows in memory, the same way for live, catch-up and rebuild."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from brobyg_kit.event import EventData

from brobyg_reporting.domain.projection import AnyProjection, Fold, Row
from brobyg_reporting.domain.projections import PROJECTIONS

#: Of one projection: its table, its rows, an event's key, a new row, and the fold.
_Step = tuple[str, dict[str, Row], Callable[[EventData], str], Callable[[str], Row], Fold]


class Folder:
    """Rows of projections, held in memory while events are folded into them.

    Not thread-safe. Holds as many rows as the events touch: use one a batch or one a partition.
    """

    def __init__(self, projections: Sequence[AnyProjection] = PROJECTIONS) -> None:
        """Start with no rows."""
        self.rows: dict[str, dict[str, Row]] = {one.table: {} for one in projections}
        self._steps: dict[type[EventData], list[_Step]] = {}
        for one in projections:
            for kind, fold in one.folds.items():
                step = (one.table, self.rows[one.table], one.key_of, one.row, fold)
                self._steps.setdefault(kind, []).append(step)

    def keys(self, events: Iterable[EventData]) -> dict[str, set[str]]:
        """For each table the keys of the rows that the events will touch."""
        touched: dict[str, set[str]] = {table: set() for table in self.rows}
        for event in events:
            for table, _, key_of, _, _ in self._steps.get(type(event), ()):
                touched[table].add(key_of(event))
        return touched

    def fold(self, event: EventData, time: datetime) -> None:
        """Fold in one event; no effect when no projection folds its type."""
        for _, rows, key_of, new, apply in self._steps.get(type(event), ()):
            key = key_of(event)
            row = rows.get(key)
            if row is None:
                row = rows[key] = new(key)
            apply(row, event, time)
