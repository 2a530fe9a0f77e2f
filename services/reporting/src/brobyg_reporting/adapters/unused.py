"""Tables of versions that nobody needs any more, dropped."""

import asyncpg
from brobyg_kit.database import driver_of
from brobyg_kit.database_errors import cause_of
from sqlalchemy import column, func, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import DropSchema

from brobyg_reporting.adapters.tables import build_end, lag, projection_version, schema_of

_version = projection_version.c
#: What somebody still reads, or has built a view of their own on.
_STILL_USED = (asyncpg.LockNotAvailableError, asyncpg.DependentObjectsStillExistError)


async def drop(connection: AsyncConnection) -> None:
    """Drop those that are neither live nor of a build that is to be gone on with.

    Waits up to 10 seconds for readers; what remains goes the next time.
    """
    listed = table("pg_tables", column("schemaname"), column("tablename"))
    schema = func.concat(schema_of(0)[:-1], _version.number)
    found = await connection.execute(
        select(_version.number, _version.projection)
        .where(_version.state.in_(("replaced", "dropped", "verifying")))
        .where(listed.c.schemaname == schema, listed.c.tablename == _version.projection)
    )
    driver = await driver_of(connection)
    for number, name in found.all():
        try:
            async with driver.transaction():
                await connection.execute(text("set local lock_timeout = '10s'"))
                await _drop(connection, number, name)
        except DBAPIError as error:
            if not isinstance(cause_of(error), _STILL_USED):
                raise


async def _drop(connection: AsyncConnection, number: int, name: str) -> None:
    schema, listed = schema_of(number), table("pg_tables", column("schemaname"))
    await connection.execute(text(f'drop table {schema}."{name}"'))
    left = select(listed.c.schemaname).where(listed.c.schemaname == schema).limit(1)
    if await connection.scalar(left) is None:
        await connection.execute(DropSchema(schema))
    mine = lag.c.number == number, lag.c.projection == name
    await connection.execute(lag.delete().where(*mine))
    await connection.execute(build_end.delete().where(build_end.c.number == number))
