"""What reporting ends by time, and that nothing of somebody restricted does."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from brobyg_kit.database import Database
from brobyg_kit.tables import export_log
from brobyg_reporting.adapters.retention import RETENTION
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.testing import START
from sqlalchemy import insert, select

from .conftest import first_version
from .test_live_and_rebuild import placed
from .test_projection_versions import handle
from .test_research_consent import CITIZEN, FIRST, told, word

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]


async def test_exports_of_somebody_restricted_stay(database_for: DatabaseFor) -> None:
    """By the history's word, of whichever way it came into the database."""
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, placed(told([word("restricted")])))
        async with database.transaction() as tx:
            rows = [
                {"person_id": who, "reader": "r", "exported_at": START} for who in (CITIZEN, FIRST)
            ]
            await tx.connection.execute(insert(export_log), rows)
        async with database.transaction() as tx:
            ended = await RETENTION["export_log"].carry_out(tx, START + timedelta(days=1), 100)
            left = await tx.connection.scalars(select(export_log.c.person_id))
            assert (ended, list(left)) == (1, [CITIZEN])
