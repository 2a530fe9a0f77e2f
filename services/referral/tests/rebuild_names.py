"""`rebuild_names.py <database url> <batch>`: makes what citizens are searched by anew.

The fault point is in the environment, the keys are those of the tests.
"""

import asyncio
import sys

from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.vault import Vault
from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.name_rebuild import NameRebuild
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.hashing import Hasher


def rebuilding(database: Database) -> NameRebuild:
    """As the service of `referral_bench.KEYS` does it."""
    hasher = Hasher(b"c" * 32)
    keys = PersonKeys(person_key, Vault([b"e" * 32]))
    return NameRebuild(database, PostgresCitizens(keys, hasher), hasher)


async def main() -> None:
    """All who are left."""
    url, batch = sys.argv[1:]
    database = Database(url, WallClock(), "test")
    await database.open()
    try:
        async for done in rebuilding(database).batches(int(batch)):
            print(done.rebuilt, flush=True)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
