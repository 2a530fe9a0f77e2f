"""Many rows and values as one parameter, and Core statements for the driver."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, JSON, Column, String, bindparam, cast, column, func
from sqlalchemy.engine import make_url
from sqlalchemy.sql import ClauseElement

_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()


def array_literal(values: Sequence[str]) -> str:
    """`values` as the text of a PostgreSQL array, to be cast there to an array of any type.

    One text costs the driver a fifth of what an array parameter does, which counts where thousands
    of ids go into one statement. See `text_array`.
    """
    if not values:
        return "{}"
    text = '","'.join(values)
    if "\\" in text or text.count('"') != 2 * len(values) - 2:
        text = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{text}"}}'


def text_array(name: str, kind: Any) -> Any:  # SQLAlchemy's types of types are not expressible
    """The parameter `name`, given as `array_literal`, as an array of `kind`.

    For `unnest` only: in a comparison it would be cast again for each row that is looked at.
    """
    return cast(bindparam(name, type_=String()), ARRAY(kind))


def unnest(kinds: dict[str, Any], rows: Sequence[Sequence[object]]) -> Any:
    """`rows` as a table with these columns and types, each column sent as one array.

    The same statement for any number of rows, so that it is compiled and planned once.
    """
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in kinds]
    arrays = [
        bindparam(None, list(values), type_=ARRAY(kind), unique=True)
        for values, kind in zip(columns, kinds.values(), strict=True)
    ]
    return (
        func.unnest(*arrays)
        .table_valued(*(column(name, kind) for name, kind in kinds.items()))
        .render_derived(name="given")
    )


def json_rows(columns: Iterable[Column[Any]]) -> Any:  # a function's columns have no type
    """Rows with these columns, from one parameter `rows`: a JSON array of objects, as text.

    One text for all rows costs this process a seventh of what an array for each column does, and
    the server the same.
    """
    given = func.json_to_recordset(cast(bindparam("rows", type_=String()), JSON))
    return given.table_valued(*(column(one.name, one.type) for one in columns)).render_derived(
        name="given", with_types=True
    )


def driver_text(statement: ClauseElement) -> str:
    """The statement for the driver. Its parameters are numbered in the order they occur."""
    return str(statement.compile(dialect=_DIALECT))
