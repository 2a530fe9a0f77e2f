"""What a table shows of many rows: in which order, and which page of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Rows on a page of a table.
PAGE_ROWS = 10

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its cells in a row, and whether rows can be sorted by it."""

    key: str
    sortable: bool = True
    #: Set to the end of the line, as figures are.
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of rows. `number` is 1 or more, and never more than `of`."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    #: The key of the column by which they are sorted; "" for the order in which they came.
    by: str
    descending: bool
    number: int
    of: int
    total: int

    @property
    def numbers(self) -> list[int | None]:
        """The pages that are offered: the first, the last and those near; None is a gap."""
        near = range(max(1, self.number - 1), min(self.of, self.number + 1) + 1)
        shown = sorted({1, *near, self.of})
        numbers: list[int | None] = []
        for one in shown:
            if numbers and one != (numbers[-1] or 0) + 1:
                numbers.append(None)
            numbers.append(one)
        return numbers

    def turned(self, key: str) -> str:
        """What `sort` asks for when the heading of this column is chosen."""
        return f"-{key}" if self.by == key and not self.descending else key


def listing(
    columns: Sequence[Column], rows: Sequence[Row], sort: str, page: str, size: int = PAGE_ROWS
) -> Listing:
    """One page of `rows`, by the words of an address.

    `sort` is a column's key, with `-` before it for the other way round; anything else leaves the
    order. `page` that is no number is 1, one that is too far is the last.
    """
    key = sort.removeprefix("-")
    by = key if any(one.key == key and one.sortable for one in columns) else ""
    descending = bool(by) and sort.startswith("-")
    ordered = sorted(rows, key=lambda row: _rank(row[by]), reverse=descending) if by else rows
    of = max(1, -(-len(ordered) // size))
    number = min(max(1, int(page) if page.isdecimal() and len(page) < 7 else 1), of)
    return Listing(
        columns, ordered[(number - 1) * size : number * size], by, descending, number, of,
        len(ordered),
    )  # fmt: skip


def _rank(value: object) -> tuple[int, float, str]:
    """Numbers by their size, before words by the alphabet."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value).casefold()
