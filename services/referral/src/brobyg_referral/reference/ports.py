"""What the use cases need of the outside. All methods raise database errors."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from brobyg_kit.database import Transaction

from brobyg_referral.reference.domain.entries import ReferenceRecord


class EntryStore(Protocol):
    """The records as they are now, withdrawn ones too."""

    async def lock(self, tx: Transaction) -> None:
        """Let no other transaction change anything until this one ends."""

    async def version(self, tx: Transaction) -> int:
        """The highest version of all; 0 without a record."""

    async def all(self, tx: Transaction) -> Mapping[str, ReferenceRecord]:
        """Every record by its key, in the keys' order."""

    async def of_kind(self, tx: Transaction, kind: str) -> Sequence[ReferenceRecord]:
        """The records of a kind, by id."""

    async def get(self, tx: Transaction, key: str) -> ReferenceRecord | None:
        """The record; None when there is none."""

    async def save(self, tx: Transaction, records: Sequence[ReferenceRecord]) -> None:
        """Write new and changed ones."""
