"""Connections for a rebuild, whose statements may take hours, and transactions on them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brobyg_kit.database import create_engine, driver_of
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

#: The longest one statement of a rebuild may take, seconds: a COPY of a whole partition is one.
_STATEMENT_TIMEOUT = 6 * 3600.0


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of its own, in autocommit mode. Raises one of kit's DATABASE_ERRORS.

    Its commits need not be on the disk: what a crash of the server takes is built again. The
    switch alone waits for the disk (`Versions.switching`).
    """
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={
            "timeout": 10,
            "command_timeout": _STATEMENT_TIMEOUT,
            "server_settings": {
                "application_name": "brobyg-reporting-rebuild",
                "synchronous_commit": "off",
                "maintenance_work_mem": "128MB",
            },
        },
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction on a connection in autocommit mode; a savepoint within another."""
    driver = await driver_of(connection)
    async with driver.transaction():
        yield
