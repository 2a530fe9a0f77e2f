"""What the use cases need of the citizens, in the caller's transaction.

All methods raise database errors.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.errors import CannotDecrypt, MasterKeyMissing, PersonKeyLost

from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.names import How, Kind, Term
from brobyg_referral.people.domain.record import CitizenRecord

#: Why a citizen who is not erased can't be opened now; others can.
UNREADABLE = (CannotDecrypt, MasterKeyMissing, PersonKeyLost)


class FoundCitizen(msgspec.Struct, frozen=True):
    """A citizen that a search has found, and by what."""

    citizen_id: str
    matched: Mapping[Kind, How]


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
        self,
        tx: Transaction,
        citizen_id: str,
        contact: Contact,
        record: CitizenRecord,
        born: date | None,
    ) -> None:
        """Store `contact` and `record` in place of what was known, and what finds the citizen."""

    async def is_kept(self, tx: Transaction, citizen_id: str) -> bool:
        """Whether who they are is kept; not of who is erased or unknown."""

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """How to reach the citizen; None when erased.

        Raises NoSuchCitizen, and the kit's MasterKeyMissing, PersonKeyLost and CannotDecrypt.
        """

    async def record(self, tx: Transaction, citizen_id: str) -> CitizenRecord | None:
        """What helpers must know of the citizen; None before a first referral, and when erased."""

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """Delete all that names the citizen, finds them or is said of them; the id stays.

        Their key goes with it: what it has sealed can't be read, wherever a copy remains.
        """


class NameIndex(Protocol):
    """Finds citizens by what names them; reads no sealed identity."""

    async def find(
        self,
        tx: Transaction,
        wanted: Sequence[Collection[Term]],
        departments: Sequence[str] | None,
        limit: int,
    ) -> list[FoundCitizen]:
        """Citizens of whom a term of each part of `wanted` is known, the best first.

        Only those that one of these departments has referred; None for any.
        """

    async def of_address(self, tx: Transaction, email: str, limit: int) -> list[str]:
        """The ids of up to so many citizens with this mail address; see `comparable_address`.

        First of those for whom something is done.
        """
