"""What the use cases need of the outside, as narrow interfaces. The database adapter implements them; all of it happens in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from brobyg_kit.database import Transaction

from brobyg_referral.domain.appointment import Appointment
from brobyg_referral.fhir.reading import BusinessIdentifier

Door = Literal["http", "kafka"]
IntakeOutcome = Literal["rejected", "dropped_without_consent", "kept", "unchanged"]


@dataclass(frozen=True, slots=True)
class ActiveReferral:
    """An active referral of a citizen."""

    referral_id: str
    citizen_id: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An appointment as it is kept, with whose it is."""

    appointment_id: str
    organisation: str
    identifiers: tuple[BusinessIdentifier, ...]
    referral: ActiveReferral
    state: Appointment


class AppointmentStore(Protocol):
    """Appointments and the referrals they belong to. A few statements for any number of messages."""

    async def lock_active_referrals(
        self, tx: Transaction, cpr_hashes: Collection[bytes]
    ) -> dict[bytes, ActiveReferral]:
        """The active referrals of these citizens, locked until the transaction ends: whoever changes one of their appointments, or a consent, waits."""
        ...

    async def by_identifier(
        self, tx: Transaction, organisation: str, identifiers: Collection[BusinessIdentifier]
    ) -> list[Kept]:
        """What is kept under any of these identifiers of this organisation."""
        ...

    async def by_id(
        self, tx: Transaction, organisation: str, appointment_ids: Collection[str]
    ) -> list[Kept]:
        """What is kept under these ids, of this organisation only."""
        ...

    async def save(
        self,
        tx: Transaction,
        touched: Sequence[Kept],
        names: Sequence[tuple[BusinessIdentifier, Kept]],
    ) -> None:
        """Write new and changed ones, and the identifiers that are new with whose they are."""
        ...

    async def count(self, tx: Transaction, door: Door, counts: dict[IntakeOutcome, int]) -> None:
        """Add to the durable totals."""
        ...
