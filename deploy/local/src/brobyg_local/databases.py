"""Which databases these are: another than before once one was restored, made anew or opened."""

import asyncio
from collections.abc import Mapping

from .services import KEEPERS

_TIMEOUT = 5.0
#: A restore makes the table anew, whether or not it makes the database anew.
_IDENTITY = """
    select format('%s %s %s', oid, has_database_privilege('public', oid, 'connect'),
        to_regclass('public.alembic_version')::oid), to_regclass('public.alembic_version')
    from pg_database where datname = current_database()
"""
_HEADS = "select version_num::text from alembic_version order by 1"


def identities(server: str) -> Mapping[str, str]:
    """By service: which database it has, its revisions, and whether everybody may enter it.

    Without those that there are not, and those that can't be asked. `server` is the owner's
    address. Blocks for some 50 ms, and at most 5 s.
    """
    return asyncio.run(_identities(server)) if server else {}


async def _identities(server: str) -> dict[str, str]:
    import asyncpg  # a tenth of a second, which few commands need

    async def identity(service: str) -> str:
        connection = await asyncpg.connect(f"{server.rstrip('/')}/brobyg_{service}")
        try:
            [found] = await connection.fetch(_IDENTITY)
            heads = await connection.fetch(_HEADS) if found[1] else ()
            return " ".join([found[0], *(row[0] for row in heads)])
        finally:
            connection.terminate()

    found = {}
    for service in KEEPERS:
        try:
            async with asyncio.timeout(_TIMEOUT / len(KEEPERS)):
                found[service] = await identity(service)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            continue
    return found
