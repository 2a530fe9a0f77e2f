"""The reference data in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert

from brobyg_referral.reference.adapters.tables import reference_entry
from brobyg_referral.reference.domain.entries import KINDS, ReferenceRecord

_LOCK = 0x72656672
_LAST = select(func.coalesce(func.max(reference_entry.c.version), 0))


class PostgresEntries:
    """Implements `ports.EntryStore`."""

    async def lock(self, tx: Transaction) -> None:
        """As the port says, by an advisory lock: readers do not wait."""
        await tx.connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    async def version(self, tx: Transaction) -> int:
        """As the port says."""
        last: int = (await tx.connection.execute(_LAST)).scalar_one()
        return last

    async def all(self, tx: Transaction) -> Mapping[str, ReferenceRecord]:
        """As the port says."""
        statement = select(reference_entry).order_by(reference_entry.c.key)
        return {row.key: _record(row) for row in await tx.connection.execute(statement)}

    async def of_kind(self, tx: Transaction, kind: str) -> Sequence[ReferenceRecord]:
        """As the port says."""
        statement = (
            select(reference_entry)
            .where(reference_entry.c.key.startswith(f"{kind}/", autoescape=True))
            .order_by(reference_entry.c.key)
        )
        return [_record(row) for row in await tx.connection.execute(statement)]

    async def get(self, tx: Transaction, key: str) -> ReferenceRecord | None:
        """As the port says."""
        statement = select(reference_entry).where(reference_entry.c.key == key)
        row = (await tx.connection.execute(statement)).one_or_none()
        return None if row is None else _record(row)

    async def save(self, tx: Transaction, records: Sequence[ReferenceRecord]) -> None:
        """As the port says."""
        statement = insert(reference_entry)
        new = statement.excluded
        await tx.connection.execute(
            statement.on_conflict_do_update(
                index_elements=[reference_entry.c.key],
                set_={"version": new.version, "withdrawn": new.withdrawn, "record": new.record},
            ),
            [
                {
                    "key": one.record,
                    "version": one.version,
                    "withdrawn": one.withdrawn,
                    "record": msgspec.to_builtins(one),
                }
                for one in records
            ],
        )


class CurrentReference:
    """The reference data for the service's other packages, as the table is."""

    def __init__(self, entries: PostgresEntries) -> None:
        """Nothing is read yet."""
        self._entries, self._reference = entries, Reference()

    async def get(self, tx: Transaction) -> Reference:
        """As of now, with what `tx` has changed; reads the entries only when the version differs.

        Asks for the version each time, which is one row of an index.
        """
        if await self._entries.version(tx) == self._reference.version:
            return self._reference
        reference = Reference((await self._entries.all(tx)).values())
        # What a transaction sees that may yet be rolled back is not for others.
        tx.after_commit(lambda: self._keep(reference))
        return reference

    def _keep(self, reference: Reference) -> None:
        if reference.version > self._reference.version:
            self._reference = reference


def _record(row: Row[Any]) -> ReferenceRecord:
    record: ReferenceRecord = msgspec.convert(row.record, KINDS[row.key.partition("/")[0]])
    return record
