"""Connections for a rebuild, whose statements may take hours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brobyg_kit.database import create_engine
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from brobyg_reporting.adapters.rebuild_worker import SESSION, STATEMENT_TIMEOUT


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of its own, in autocommit mode. Raises one of kit's DATABASE_ERRORS."""
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={
            "timeout": 10,
            "command_timeout": STATEMENT_TIMEOUT,
            "server_settings": SESSION,
        },
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
