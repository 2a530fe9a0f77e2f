"""Folding events into rows in memory, the same way for live, catch-up and rebuild."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
from brobyg_kit.event import EventData

from brobyg_reporting.domain.projection import Fold, Projection, Row
from brobyg_reporting.domain.projections import PROJECTIONS

_Step = tuple[dict[str, Row], Callable[[EventData], str], Callable[[str], Row], Fold]
_Plan = tuple[Callable[[bytes | msgspec.Raw], EventData], tuple[_Step, ...]]


def event_kinds(projections: Iterable[Projection[Row]] = PROJECTIONS) -> list[type[EventData]]:
    """The event types that at least one projection folds, by name."""
    return sorted(
        {kind for projection in projections for kind in projection.folds},
        key=lambda kind: kind.EVENT_TYPE,
    )


class Folder:
    """Rows of every projection, held in memory while events are folded into them.

    Not thread-safe. Holds as many rows as the events touch: use one a batch or one a partition.
    """

    def __init__(self, projections: Sequence[Projection[Row]] = PROJECTIONS) -> None:
        """Start with no rows."""
        self.rows: dict[str, dict[str, Row]] = {projection.table: {} for projection in projections}
        self._plans: dict[str, _Plan] = {
            kind.EVENT_TYPE: (
                msgspec.json.Decoder(kind).decode,
                tuple(
                    (
                        self.rows[projection.table],
                        projection.key_of,
                        projection.row,
                        projection.folds[kind],
                    )
                    for projection in projections
                    if kind in projection.folds
                ),
            )
            for kind in event_kinds(projections)
        }

    def keys(self, events: Iterable[tuple[str, bytes | msgspec.Raw]]) -> dict[str, set[str]]:
        """For each table the keys of the rows that the events, given as type and data, will touch."""
        touched: dict[str, set[str]] = {table: set() for table in self.rows}
        tables = {id(rows): table for table, rows in self.rows.items()}
        for kind, data in events:
            plan = self._plans.get(kind)
            decoded = _decoded(plan, data) if plan else None
            if plan and decoded is not None:
                for rows, key_of, _, _ in plan[1]:
                    touched[tables[id(rows)]].add(key_of(decoded))
        return touched

    def fold(self, kind: str, data: bytes | msgspec.Raw, time: datetime) -> bool:
        """Fold one event of type `kind` in; False when no projection knows the type or the data breaks its schema, which changes nothing.

        An event that is not folded still stands in the event log, so a later version of the code can fold it in a rebuild.
        """
        plan = self._plans.get(kind)
        if plan is None:
            return False
        decoded = _decoded(plan, data)
        if decoded is None:
            return False
        for rows, key_of, new, apply in plan[1]:
            key = key_of(decoded)
            row = rows.get(key)
            if row is None:
                row = rows[key] = new(key)
            apply(row, decoded, time)
        return True


def _decoded(plan: _Plan, data: bytes | msgspec.Raw) -> EventData | None:
    try:
        return plan[0](data)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
