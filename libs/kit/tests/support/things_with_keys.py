"""Things that have a key each, in a database of the test's own; run as a program it rewraps them.

`things_with_keys.py <database url> <batch>`, with the fault point in the environment.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.person_keys import PersonKeys, person_key_table
from brobyg_kit.tables import Id
from brobyg_kit.vault import Vault
from sqlalchemy import Column, LargeBinary, MetaData, Table, insert, select

OLD, NEW, LOST = b"o" * 32, b"n" * 32, b"x" * 32
USE = "text"

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("thing_id", Id, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
key_table = person_key_table(metadata, thing.c.thing_id)


def keys(*masters: bytes) -> PersonKeys:
    """The keys as a process with these master keys has them."""
    return PersonKeys(key_table, Vault(masters))


async def write(database: Database, own: PersonKeys, thing_id: str) -> None:
    """A new thing, which holds its own id, sealed."""
    async with database.transaction() as tx:
        wrapped, key = own.vault.new_key(thing_id)
        sealed = key.seal(thing_id.encode(), USE)
        await tx.connection.execute(insert(thing).values(thing_id=thing_id, sealed=sealed))
        await own.add(tx, wrapped)


async def opened(database: Database, own: PersonKeys) -> dict[str, bool]:
    """Of each thing whether it opens and says its id; False for one whose key is destroyed."""
    found = {}
    async with database.connect() as connection:
        for row in (await connection.execute(select(thing))).all():
            key = await own.load(connection, row.thing_id)
            found[row.thing_id] = (
                key is not None and key.open(row.sealed, USE) == row.thing_id.encode()
            )
    return found


@asynccontextmanager
async def database_of(url: str) -> AsyncIterator[Database]:
    """The database, open."""
    database = Database(url, WallClock(), "test")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def main() -> None:
    """Wrap all anew."""
    url, batch = sys.argv[1:]
    async with database_of(url) as database:
        async for done in keys(NEW, OLD).rewrap(database, int(batch)):
            print(done.rewrapped, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
