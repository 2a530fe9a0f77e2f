"""The key and the indexes of a version's table, built when it is filled."""

import asyncpg
from brobyg_kit.database import driver_of
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, CreateIndex, ExecutableDDLElement

from brobyg_reporting.errors import RebuildRefused


async def build(connection: AsyncConnection, one: Table) -> None:
    """Build the table's key and indexes, unless they are there, and take its statistics.

    Raises RebuildRefused when a key occurs twice.
    """
    driver = await driver_of(connection)
    parts: list[ExecutableDDLElement] = [AddConstraint(one.primary_key)]
    parts += [CreateIndex(index) for index in one.indexes]
    keys = [str(part.compile(dialect=connection.dialect)) for part in parts]
    keyed = "select relhasindex from pg_class where oid = to_regclass($1)"
    try:
        async with driver.transaction():
            has = await driver.fetchval(keyed, f'{one.schema}."{one.name}"')
            await driver.execute(";".join([*([] if has else keys), f"analyze {one.fullname}"]))
    except asyncpg.UniqueViolationError as error:
        raise RebuildRefused(
            f"{one.name}: one key is in two partitions, so partitions can't be folded separately;"
            " were partitions added to a topic?"
        ) from error
