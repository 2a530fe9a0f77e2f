"""Makes what citizens are searched by anew, by the newest rules, while the service runs.

Each citizen's tokens say by which rules they were made, so that nothing else is kept of how far it
has come: ended at any point, it goes on with those who are left. Nobody is told what is opened.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from brobyg_kit import faultpoints
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.logs import get_logger
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.tables import citizen, name_token
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import RULES
from brobyg_referral.people.ports import UNREADABLE

log = get_logger(__name__)

#: Citizens who are locked together: who refers one of them waits for hundredths of a second.
BATCH = 10
#: How often it is looked for some that a process of before the rules has written, seconds.
_EVERY = 3600.0
_NOWHERE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of a batch of citizens."""

    rebuilt: int
    #: Who can't be opened now; what they were found by stays.
    unreadable: int


class NameRebuild:
    """Finds those whose tokens are of older rules, or who have none, and makes them anew."""

    def __init__(self, database: Database, citizens: PostgresCitizens, hasher: Hasher) -> None:
        """`database` is open before anything is asked."""
        self._database, self._citizens, self._hasher = database, citizens, hasher

    async def run(self) -> None:
        """All who are left, and again every hour, until cancelled. Trouble is waited out."""
        backoff = Backoff()
        while True:
            pause = _EVERY
            try:
                await self._once()
                backoff.reset()
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                log.warning("names.rebuild_interrupted", error=error, retry_seconds=pause)
            await asyncio.sleep(pause)

    async def _once(self) -> None:
        done = unreadable = 0
        async for batch in self.batches():
            done, unreadable = done + batch.rebuilt, unreadable + batch.unreadable
        if done or unreadable:
            log.warning("names.rebuilt", people=done, unreadable=unreadable)

    async def remaining(self, connection: AsyncConnection) -> int:
        """How many are left."""
        found = select(func.count()).select_from(citizen).where(*self._left())
        return int((await connection.execute(found)).scalar_one())

    async def batches(self, batch: int = BATCH) -> AsyncIterator[Rebuilt]:
        """Make those who are left anew, a batch a transaction.

        Whom others hold are passed over, and waited for at the end.
        """
        for skip_locked in (True, False):
            after: str | None = _NOWHERE
            while after is not None:
                done, after = await self._batch(after, batch, skip_locked=skip_locked)
                if skip_locked:  # told at the end
                    done = Rebuilt(done.rebuilt, 0)
                if done.rebuilt or done.unreadable:
                    yield done
                faultpoints.reach(faultpoints.BETWEEN_REBUILT_NAMES)

    async def _batch(
        self, after: str, batch: int, *, skip_locked: bool
    ) -> tuple[Rebuilt, str | None]:
        """What was done, and the citizen after whom the next batch begins; None at the end."""
        rebuilt = unreadable = 0
        async with self._database.transaction() as tx:
            wanted = (
                select(citizen.c.citizen_id)
                .where(*self._left(), citizen.c.citizen_id > after)
                .order_by(citizen.c.citizen_id)
                .limit(batch)
                .with_for_update(key_share=True, skip_locked=skip_locked)
            )
            ids = list(await tx.connection.scalars(wanted))
            for one in ids:
                try:
                    contact = await self._citizens.contact(tx, one)
                except UNREADABLE:
                    unreadable += 1
                    continue
                if contact is not None:  # else erased since
                    # A date of birth that is not sealed stands in the index alone.
                    keep = contact.born is None
                    await self._citizens.index(tx, one, contact, contact.born, keep=keep)
                    rebuilt += 1
                await asyncio.sleep(0)  # requests must not wait for all of them
            faultpoints.reach(faultpoints.BEFORE_REBUILT_NAMES_COMMIT)
        return Rebuilt(rebuilt, unreadable), ids[-1] if len(ids) == batch else None

    def _left(self) -> tuple[ColumnElement[bool], ...]:
        marked = exists().where(
            name_token.c.citizen_id == citizen.c.citizen_id,
            name_token.c.token == self._hasher.rules(RULES[0].version),
        )
        return citizen.c.erased_at.is_(None), ~marked
