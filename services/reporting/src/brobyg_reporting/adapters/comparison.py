"""Two versions of a table compared."""

from typing import Any

from sqlalchemy import BigInteger, Table, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.ports import TableComparison

_MOST_KEYS = 5


async def compare(connection: AsyncConnection, table: Table, other: Table) -> TableComparison:
    """The live and the rebuilt version by number of rows and order-independent hash.

    The same rows give the same numbers, in whatever order they were written. Tables that differ
    come with the first keys that do.
    """
    ours, theirs = await _sum(connection, table), await _sum(connection, other)
    keys = [] if ours == theirs else await _differing(connection, table, other)
    return TableComparison(str(table.name), ours[0], theirs[0], ours[1], theirs[1], keys)


async def _sum(connection: AsyncConnection, table: Table) -> tuple[int, str]:
    """The number of rows and the sum of their 64-bit hashes."""
    rows = _hashed(table)
    total = cast(func.coalesce(func.sum(rows.c.hash), 0), Text)
    found = await connection.execute(select(func.count(), total).select_from(rows))
    count, hashes = found.one()
    return int(count), str(hashes)


async def _differing(connection: AsyncConnection, table: Table, other: Table) -> list[str]:
    """Keys of rows that the two do not hold alike, the first in key order."""
    ours, theirs = _hashed(table), _hashed(other)
    key = func.coalesce(ours.c.key, theirs.c.key)
    found = await connection.execute(
        select(key)
        .select_from(ours.join(theirs, ours.c.key == theirs.c.key, full=True))
        .where(ours.c.hash.is_distinct_from(theirs.c.hash))
        .order_by(key)
        .limit(_MOST_KEYS)
    )
    return [str(one) for one in found.scalars()]


def _hashed(table: Table) -> Any:  # a subquery of key and hash
    row = table.alias("t")
    [key] = table.primary_key.columns
    hashed = func.hash_record_extended(row.table_valued(), literal(0, BigInteger), type_=BigInteger)
    return select(cast(row.c[key.name], Text).label("key"), hashed.label("hash")).subquery()
