"""What the use cases need of the citizens, in the caller's transaction.

All methods raise database errors.
"""

from collections.abc import Collection
from typing import Protocol

from brobyg_kit.database import Transaction

from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.record import CitizenRecord


class CitizenStore(Protocol):
    """Citizens: who they are, how they are reached, and what helpers must know of them."""

    async def ids_of(self, tx: Transaction, cpr_hashes: Collection[bytes]) -> dict[bytes, str]:
        """The ids of the citizens with these hashes; unknown ones are left out."""

    async def find_or_add(
        self, tx: Transaction, cpr_hash: bytes, new_id: str, contact: Contact
    ) -> str:
        """The id of the citizen with this hash, locked until the transaction ends.

        An unknown one is stored now, as `new_id`.
        """

    async def lock(self, tx: Transaction, citizen_id: str, *, wait: bool = True) -> bool | None:
        """Lock the citizen until the transaction ends.

        Returns whether they were erased; None when there is no such citizen, and without `wait`
        also when somebody else has them.
        """

    async def renew(
        self, tx: Transaction, citizen_id: str, contact: Contact, record: CitizenRecord
    ) -> None:
        """Store `contact` and `record` in place of what was known."""

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """How to reach the citizen; None when erased.

        Raises NoSuchCitizen, and CannotDecrypt when the key is missing.
        """

    async def record(self, tx: Transaction, citizen_id: str) -> CitizenRecord | None:
        """What helpers must know of the citizen; None before a first referral, and when erased."""

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """Delete all that names the citizen, finds them or is said of them; the id stays."""

    async def record_access(
        self, tx: Transaction, citizen_id: str, purpose: str, subject: str, organisation: str | None
    ) -> None:
        """Record who was told how to reach the citizen."""
