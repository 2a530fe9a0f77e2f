"""Reference data applied from files, read, and changed entry by entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brobyg_contracts.pathways import PathwayPolicy, pathways
from brobyg_kit.database import Transaction

from brobyg_referral.reference.domain.checks import faults_of
from brobyg_referral.reference.domain.entries import Entry, ReferenceRecord, versioned
from brobyg_referral.reference.errors import (
    EntryChanged,
    EntryExists,
    FaultyReference,
    NoSuchEntry,
)
from brobyg_referral.reference.ports import EntryStore


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply has changed."""

    #: The version of the reference data now; 0 when there is none.
    version: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


def check(
    entries: Sequence[Entry],
    known: Mapping[str, ReferenceRecord] | None = None,
    *,
    move: bool = False,
    policies: Mapping[str, PathwayPolicy] | None = None,
) -> None:
    """Raises FaultyReference with all that is wrong with a whole set of entries.

    `known` is what was recorded before; without it, what is gone or has moved can't be told.
    """
    policies = pathways() if policies is None else policies
    faults = faults_of(entries, known or {}, policies, move=move)
    if faults:
        raise FaultyReference(faults)


class ReferenceRecords:
    """What can be done with the reference data. Every method is one transaction's work."""

    def __init__(self, entries: EntryStore) -> None:
        """No state of its own."""
        self._entries = entries

    async def apply(
        self, tx: Transaction, entries: Sequence[Entry], *, move: bool = False
    ) -> Applied:
        """Make the reference data what `entries` say: all of it or nothing.

        What differs is stored and told under one new version, nothing when nothing differs.
        Raises FaultyReference.
        """
        await self._entries.lock(tx)
        known = await self._entries.all(tx)
        check(entries, known, move=move)
        differing = [
            entry for entry in entries if entry.key not in known or not entry.says(known[entry.key])
        ]
        version = await self._record(tx, known, differing)
        return Applied(
            version=version,
            added=tuple(one.key for one in differing if one.key not in known),
            changed=tuple(one.key for one in differing if one.key in known),
            unchanged=len(entries) - len(differing),
        )

    async def version(self, tx: Transaction) -> int:
        """The version of the reference data; 0 when there is none."""
        return await self._entries.version(tx)

    async def listed(self, tx: Transaction, kind: str) -> Sequence[ReferenceRecord]:
        """The records of a kind, by id."""
        return await self._entries.of_kind(tx, kind)

    async def get(self, tx: Transaction, key: str) -> ReferenceRecord:
        """The record of this key. Raises NoSuchEntry."""
        record = await self._entries.get(tx, key)
        if record is None:
            raise NoSuchEntry(f"there is no {key}")
        return record

    async def put(
        self, tx: Transaction, entry: Entry, seen: int | None, *, move: bool = False
    ) -> ReferenceRecord:
        """Store a new entry (`seen` is None) or one that the caller has seen at this version.

        No effect when nothing differs. A postcode moves to another municipality only with `move`.
        Raises EntryExists, EntryChanged, and FaultyReference with
        what would be wrong with the whole.
        """
        await self._entries.lock(tx)
        known = await self._entries.all(tx)
        before = known.get(entry.key)
        if before is None and seen is not None:
            raise EntryChanged(f"there is no {entry.key}: leave If-Match out for a new one")
        if before is not None and seen is None:
            raise EntryExists(f"{entry.key} has version {before.version}: name it in If-Match")
        if before is not None and before.version != seen:
            raise EntryChanged(f"{entry.key} has version {before.version}: read it again")
        if before is not None and entry.says(before):
            return before
        others = [Entry(record) for key, record in known.items() if key != entry.key]
        check([*others, entry], known, move=move)
        await self._record(tx, known, [entry])
        return await self.get(tx, entry.key)

    async def _record(
        self,
        tx: Transaction,
        known: Mapping[str, ReferenceRecord],
        differing: Sequence[Entry],
    ) -> int:
        """Store and tell what differs under the next version; the version then."""
        last = max((record.version for record in known.values()), default=0)
        if not differing:
            return last
        records = [versioned(entry.record, last + 1) for entry in differing]
        await self._entries.save(tx, records)
        for record in records:
            tx.emit(record, subject=record.record)
        return last + 1
