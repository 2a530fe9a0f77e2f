"""`rotate_keys.py <database url> <batch>`: wraps every citizen's key with the newer master key.

The fault point is in the environment.
"""

import asyncio
import sys

from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.vault import Vault
from brobyg_referral.people.adapters.tables import person_key

OLDER, NEWER = b"e" * 32, b"n" * 32
KEYS = PersonKeys(person_key, Vault([NEWER, OLDER]))


async def rotate(url: str, batch: int) -> int:
    """How many keys were wrapped anew."""
    database = Database(url, WallClock(), "test")
    await database.open()
    try:
        return sum([done.rewrapped async for done in KEYS.rewrap(database, batch)])
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(rotate(sys.argv[1], int(sys.argv[2])))
