"""The tables that are declared are the tables that the migrations make."""

from brobyg_kit.migrate import check, migrate
from brobyg_portal.adapters.tables import metadata
from brobyg_portal.bootstrap import SERVICE


async def test_declared_tables_and_migrations_agree(database_for) -> None:
    async with database_for(SERVICE) as database:
        assert await migrate(database.url, metadata, SERVICE.versions) == []
        await check(database.url, metadata, SERVICE.versions)
