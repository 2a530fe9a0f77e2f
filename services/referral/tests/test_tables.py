from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from brobyg_kit.database import Database
from brobyg_kit.migrate import check
from brobyg_kit.service import Service
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.metadata import metadata


async def test_the_tables_that_are_declared_are_the_tables_that_the_migrations_make(
    database_for: Callable[[Service], AbstractAsyncContextManager[Database]],
) -> None:
    async with database_for(SERVICE) as database:
        await check(database.url, metadata, SERVICE.versions)
