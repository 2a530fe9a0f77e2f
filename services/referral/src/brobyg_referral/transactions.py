"""One way to carry a request out in a transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS, cause_of

T = TypeVar("T")


async def in_transaction(database: Database, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Do `work` in a transaction. Raises what it raises, and database errors.

    It is done once more when somebody else has stored the same at the same moment: the second time
    it sees what they stored.
    """
    try:
        async with database.transaction() as tx:
            return await work(tx)
    except DATABASE_ERRORS as error:
        if not isinstance(cause_of(error), asyncpg.UniqueViolationError):
            raise
    async with database.transaction() as tx:
        return await work(tx)
