"""What reporting ends by time, and that nothing of somebody restricted does."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from random import Random

import pytest
from brobyg_contracts import HelperRegistered, HelperRestricted
from brobyg_kit import access_log
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database
from brobyg_kit.tables import access_entry, attention
from brobyg_reporting.adapters.retention import RETENTION
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.testing import START, new_uuid
from sqlalchemy import insert, select

from .conftest import first_version
from .test_live_and_rebuild import placed
from .test_projection_versions import handle
from .test_research_consent import CITIZEN, told, word

HELPER, NOBODY = (new_uuid(Random(number)) for number in (100, 101))
DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]


REGISTERED = HelperRegistered(
    helper_id=HELPER,
    pools=("volunteers",),
    departments=("randers-norddjurs",),
    municipality_code="0730",
)
WHO = {
    "citizen": (CITIZEN, [word("restricted")]),
    "helper": (
        HELPER,
        [REGISTERED, HelperRestricted(helper_id=HELPER, reason="accuracy_contested")],
    ),
}


@pytest.mark.parametrize("who", WHO)
async def test_exports_of_somebody_restricted_stay(database_for: DatabaseFor, who: str) -> None:
    """By the history's word, of whichever way it came into the database."""
    person, said = WHO[who]
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, placed(told(said)))
        for one in (person, NOBODY):
            async with database.transaction() as tx:
                await access_log.record(tx, Caller("r", frozenset()), [one], access_log.EXPORT)
                await access_log.seal(tx)
        async with database.transaction() as tx:
            over = tx.now + timedelta(days=1)
            ended = await RETENTION[access_log.KIND].carry_out(tx, over, 100)
            left = await tx.connection.scalars(select(access_entry.c.person_id))
            assert (ended, list(left)) == (1, [person])


async def test_settled_items_of_a_restricted_citizen_stay(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, placed(told([word("restricted")])))
        rows = [
            {
                "attention_id": new_uuid(Random(number)),
                "kind": "clash",
                "department": "randers-norddjurs",
                "raised_at": START,
                "settled_at": START,
                "settled_by": "s",
                "outcome": "no_longer_so",
                "body": {"citizen_id": one} if one else {},
            }
            for number, one in enumerate((CITIZEN, NOBODY, None))
        ]
        async with database.transaction() as tx:
            await tx.connection.execute(insert(attention), rows)
        async with database.transaction() as tx:
            ended = await RETENTION["attention"].carry_out(tx, START + timedelta(days=1), 100)
            left = await tx.connection.scalars(select(attention.c.body))
            assert (ended, list(left)) == (2, [{"citizen_id": CITIZEN}])
