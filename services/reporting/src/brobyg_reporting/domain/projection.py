"""What a projection is: one table, one row a thing, folded from that thing's events in order.

The rules every projection keeps, because live, catch-up and rebuild read topics and partitions in
different orders:

- a row depends on events of one key only, so the order between keys does not matter;
- each field of a row is written by the events of one topic only, so neither does the order between
  topics (what needs a human, and an acknowledgement, comes from one topic too: that of the service
  whose it is);
- a fold looks at nothing but the row, the event's data and the event's time: no clock, no I/O, and
  it accepts every valid event in every state.
"""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from brobyg_kit.event import EventData
from msgspec import UNSET, UnsetType

RowT = TypeVar("RowT", bound=msgspec.Struct)
DataT = TypeVar("DataT", bound=EventData)
ValueT = TypeVar("ValueT")
Row = msgspec.Struct
#: One of several, whatever its rows.
AnyProjection: TypeAlias = "Projection[Any]"

#: Changes the row in place; the row belongs to the fold alone until it is written. Typed exactly
#: where it is registered (`Projection.on`).
Fold = Callable[[Any, Any, datetime], None]


class Projection(Generic[RowT]):
    """A table whose rows are structs, folded from events.

    The table is made from the struct: its fields are the columns, in the same order, their `Doc`
    the columns' comments. The first field is the key. Every other field has a default, which is
    its value before the row's first event.
    """

    def __init__(
        self, table: str, row: type[RowT], key_of: Callable[[Any], str] | None = None
    ) -> None:
        """`row` is mutable; every event folded here has its key, or `key_of` makes it of one."""
        self.table = table
        self.row = row
        self.columns: tuple[str, ...] = row.__struct_fields__
        self.key = self.columns[0]
        self.key_of: Callable[[EventData], str] = key_of or attrgetter(self.key)
        #: What is done with which event.
        self.folds: dict[type[EventData], Fold] = {}

    def on(
        self, kind: type[DataT]
    ) -> Callable[
        [Callable[[RowT, DataT, datetime], None]], Callable[[RowT, DataT, datetime], None]
    ]:
        """Register the decorated function as the fold of `kind`.

        Raises ValueError when there is one already.
        """

        def register(
            fold: Callable[[RowT, DataT, datetime], None],
        ) -> Callable[[RowT, DataT, datetime], None]:
            if kind in self.folds:
                raise ValueError(f"{self.table} already folds {kind.EVENT_TYPE}")
            self.folds[kind] = fold
            return fold

        return register


def given(value: ValueT | UnsetType) -> ValueT | None:
    """The value of a property that may be absent; None when it is."""
    return None if value is UNSET else value
