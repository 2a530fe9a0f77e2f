"""The keys of persons in a service's own database: the table `person_key`, and what is done to it.

Locks nothing but the rows themselves: who reads waits for nobody, who erases a person waits for
one batch at most.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_kit import faultpoints
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.errors import CannotDecrypt
from brobyg_kit.health import Check
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id
from brobyg_kit.vault import DataKey, Vault, WrappedKey

#: Keys that are wrapped anew in one transaction: some milliseconds.
BATCH = 500
#: The database is away, or not open yet.
_NOT_ASKED: tuple[type[Exception], ...] = (*DATABASE_ERRORS, RuntimeError)
#: The person before all.
_NOWHERE = "00000000-0000-0000-0000-000000000000"


def person_key_table(metadata: MetaData, person: Column[Any]) -> Table:
    """The table `person_key` among a service's own; `person` is the id that it belongs to."""
    return Table(
        "person_key",
        metadata,
        Column("person_id", Id, ForeignKey(person, ondelete="CASCADE"), primary_key=True),
        Column("master_key_id", Text, nullable=False),
        Column(
            "wrapped",
            LargeBinary,
            nullable=False,
            comment="Nonce and ciphertext; master_key_id and person_id are authenticated with it.",
        ),
        Index("person_key_master", "master_key_id", "person_id"),
        comment=(
            "Each person's own key (AES-256), wrapped by a master key. Without its row whatever"
            " it has sealed can't be read: to delete it is to erase."
        ),
    )


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What became of a batch of keys."""

    master_key_id: str
    rewrapped: int
    #: Keys that were altered: they open nothing any more.
    unreadable: int


class PersonKeys:
    """The keys of a service's persons. Every method may raise one of DATABASE_ERRORS."""

    def __init__(self, table: Table, vault: Vault) -> None:
        """`table` is of `person_key_table`."""
        self._table, self.vault = table, vault

    async def add(self, tx: Transaction, key: WrappedKey) -> None:
        """Keep a new person's key, of `vault.new_key`; the person's own row is there already."""
        values = {
            "person_id": key.person_id,
            "master_key_id": key.master_key_id,
            "wrapped": key.wrapped,
        }
        await tx.connection.execute(insert(self._table).values(values))

    async def load(self, connection: AsyncConnection, person_id: str) -> DataKey | None:
        """The person's key, ready for use; None when there is none, or no longer.

        Raises MasterKeyMissing and CannotDecrypt.
        """
        wanted = select(self._table).where(self._table.c.person_id == person_id)
        row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else self.vault.unwrap(_key(row))

    async def destroy(self, tx: Transaction, person_ids: Collection[str]) -> None:
        """Delete the keys of these persons: what they have sealed can never be read again."""
        await tx.connection.execute(
            delete(self._table).where(self._table.c.person_id.in_(person_ids))
        )

    async def counts(self, connection: AsyncConnection) -> dict[str, int]:
        """How many keys each master key wraps."""
        of = self._table.c.master_key_id
        found = await connection.execute(select(of, func.count()).group_by(of))
        return {row[0]: row[1] for row in found}

    async def check(self, database: Database) -> Check:
        """Whether every master key that wraps a key is among ours, for readiness.

        Looks into the gaps between ours in the index, however many keys there are.
        """
        of, ours = self._table.c.master_key_id, self.vault.key_ids
        gaps = [and_(of > one, of < other) for one, other in pairwise(ours)]
        others = or_(of < ours[0], of > ours[-1], *gaps)
        try:
            async with asyncio.timeout(2), database.connect() as connection:
                missing = await connection.scalar(select(of).where(others).limit(1))
        except _NOT_ASKED:
            return Check(True, "not known: the database can't be asked")
        if missing is None:
            return Check(True)
        return Check(False, f"persons' keys are wrapped by the master key {missing}: it is missing")

    async def rewrap(self, database: Database, batch: int = BATCH) -> AsyncIterator[Rewrapped]:
        """Wrap anew what another master key than the first wraps, a batch a transaction.

        Keys that others hold are passed over, and waited for at the end. What was done stands,
        wherever this is interrupted; begun again it goes on with the rest. Keys whose master key
        is missing are left alone.
        """
        async with database.connect() as connection:
            old = set(await self.counts(connection)) & set(self.vault.key_ids)
        for skip_locked in (True, False):
            for master_key_id in sorted(old - {self.vault.key_id}):
                after: str | None = _NOWHERE
                while after is not None:
                    done, after = await self._rewrap_batch(
                        database, master_key_id, after, batch, skip_locked=skip_locked
                    )
                    if skip_locked:  # told at the end
                        done = replace(done, unreadable=0)
                    if done.rewrapped or done.unreadable:
                        yield done
                    faultpoints.reach(faultpoints.BETWEEN_REWRAPPED_BATCHES)

    async def _rewrap_batch(
        self, database: Database, master_key_id: str, after: str, batch: int, *, skip_locked: bool
    ) -> tuple[Rewrapped, str | None]:
        """What was done, and the person after whom the next batch begins; None at the end."""
        async with database.transaction() as tx:
            found = await tx.connection.execute(
                self._held(master_key_id, after)
                .limit(batch)
                .with_for_update(skip_locked=skip_locked, key_share=True)
            )
            stored = [_key(row) for row in found]
            made, unreadable = [], 0
            for one in stored:
                try:
                    made.append(self.vault.rewrap(one))
                except CannotDecrypt:
                    unreadable += 1
            await self._replace(tx, made)
            faultpoints.reach(faultpoints.BEFORE_REWRAPPED_COMMIT)
        last = stored[-1].person_id if len(stored) == batch else None
        return Rewrapped(master_key_id, len(made), unreadable), last

    def _held(self, master_key_id: str, after: str) -> Select[Any]:
        columns = self._table.c
        return (
            select(self._table)
            .where(columns.master_key_id == master_key_id, columns.person_id > after)
            .order_by(columns.person_id)
        )

    async def _replace(self, tx: Transaction, keys: Sequence[WrappedKey]) -> None:
        if not keys:
            return
        kinds = {"person_id": Id, "master_key_id": Text(), "wrapped": LargeBinary()}
        given = unnest(kinds, [(one.person_id, one.master_key_id, one.wrapped) for one in keys])
        await tx.connection.execute(
            update(self._table)
            .where(self._table.c.person_id == given.c.person_id)
            .values(master_key_id=given.c.master_key_id, wrapped=given.c.wrapped)
        )


def _key(row: Row[Any]) -> WrappedKey:
    return WrappedKey(row.person_id, row.master_key_id, row.wrapped)
