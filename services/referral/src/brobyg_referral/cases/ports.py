"""What the use cases need of the outside, as narrow interfaces.

The database adapters implement them; all of it happens in the caller's transaction. Whoever changes
something locks in one order: a citizen, referrals by id, then appointments by id. What only reads
locks nothing. All methods raise database errors.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from brobyg_kit.database import Transaction

from brobyg_referral.cases.domain.appointment import Appointment, BusinessIdentifier
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.people.domain.contact import Contact

#: The way a message of the hospital came in.
IntakeChannel = Literal["http", "kafka"]
IntakeOutcome = Literal["rejected", "dropped_without_consent", "kept", "unchanged"]


@dataclass(frozen=True, slots=True)
class ActiveReferral:
    """An active referral of a citizen."""

    referral_id: str
    citizen_id: str


@dataclass(frozen=True, slots=True)
class StoredAppointment:
    """An appointment as it is stored, with whose it is."""

    appointment_id: str
    organisation: str
    identifiers: tuple[BusinessIdentifier, ...]
    referral: ActiveReferral
    state: Appointment


@dataclass(frozen=True, slots=True)
class Names:
    """Appointments of one organisation, by identifiers and by ids."""

    organisation: str
    identifiers: Collection[BusinessIdentifier] = ()
    appointment_ids: Collection[str] = ()


class AppointmentStore(Protocol):
    """Appointments. A few statements for any number of messages."""

    async def lock_active_referrals(
        self, tx: Transaction, cpr_hashes: Collection[bytes], names: Names
    ) -> tuple[dict[bytes, ActiveReferral], frozenset[str]]:
        """Lock the active referrals of these citizens and of these appointments.

        They stay locked until the transaction ends: whoever changes one of their appointments, or a
        consent, waits. Returns the referral by the hash of its citizen's number, and the ids of all
        that are locked.
        """

    async def find(self, tx: Transaction, names: Names) -> list[StoredAppointment]:
        """What is stored under any of these names."""

    async def save(
        self,
        tx: Transaction,
        changed: Sequence[StoredAppointment],
        identifiers: Sequence[tuple[BusinessIdentifier, StoredAppointment]],
    ) -> None:
        """Write new and changed ones, and the identifiers that are new with whose they are."""

    async def forget(self, tx: Transaction, referral_id: str) -> None:
        """Delete the appointments of a referral."""

    async def count(
        self, tx: Transaction, channel: IntakeChannel, counts: dict[IntakeOutcome, int]
    ) -> None:
        """Add to the durable totals."""

    async def totals(self, tx: Transaction) -> dict[IntakeOutcome, int]:
        """The durable totals; what is zero may be missing."""


class CitizenStore(Protocol):
    """Citizens: who they are and how they are reached."""

    async def find_or_add(
        self, tx: Transaction, cpr_hash: bytes, new_id: str, contact: Contact
    ) -> str:
        """The id of the citizen with this hash, locked until the transaction ends.

        An unknown one is stored now, as `new_id`.
        """

    async def lock(self, tx: Transaction, citizen_id: str) -> bool | None:
        """Lock the citizen until the transaction ends.

        Returns whether they were erased; None when there is no such citizen.
        """

    async def renew(self, tx: Transaction, citizen_id: str, contact: Contact) -> None:
        """Store `contact` in place of what was known."""

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """How to reach the citizen; None when erased.

        Raises NoSuchCitizen, and CannotDecrypt when the key is missing.
        """

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """Delete all that names the citizen or finds them; the opaque id stays."""

    async def record_access(
        self, tx: Transaction, citizen_id: str, purpose: str, subject: str, organisation: str | None
    ) -> None:
        """Record who was told how to reach the citizen."""


class ReferralStore(Protocol):
    """Referrals, and the answers to requests with an Idempotency-Key."""

    async def insert(self, tx: Transaction, referral: Referral) -> None:
        """Store a new one.

        Raises a unique violation when the citizen has an active one of the pathway.
        """

    async def get(self, tx: Transaction, referral_id: str) -> Referral | None:
        """The referral; None when there is none."""

    async def lock(self, tx: Transaction, referral_id: str) -> Referral | None:
        """The referral, locked until the transaction ends. Its citizen is locked before."""

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Referral]:
        """All of the citizen's referrals."""

    async def save_consent(self, tx: Transaction, referral: Referral) -> None:
        """Store the consent as it is now.

        Raises a unique violation when the citizen has another active one meanwhile.
        """

    async def answered(
        self, tx: Transaction, organisation: str, key_hash: bytes
    ) -> tuple[str, bytes] | None:
        """The id of the referral that a request with this key made, and that request's hash."""

    async def remember(
        self,
        tx: Transaction,
        organisation: str,
        key_hash: bytes,
        request_hash: bytes,
        referral: Referral,
    ) -> None:
        """Store the answer for repeats of the request."""
