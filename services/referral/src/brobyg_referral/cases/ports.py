"""What the use cases need of the outside, as narrow interfaces.

The database adapters implement them; all of it happens in the caller's transaction. Whoever changes
something locks in one order: a citizen, referrals by id, then appointments by id. What only reads
locks nothing. All methods raise database errors.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction

from brobyg_referral.cases.domain.appointment import Appointment, BusinessIdentifier
from brobyg_referral.cases.domain.consent import Consent
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.domain.retention import Course
from brobyg_referral.cases.domain.session import Session


@dataclass(frozen=True, slots=True)
class ActiveReferral:
    """An active referral of a citizen."""

    referral_id: str
    citizen_id: str
    pathway: str
    department: str


@dataclass(frozen=True, slots=True)
class StoredAppointment:
    """An appointment as it is stored, with whose it is."""

    appointment_id: str
    #: The one that sends it; None while it is only entered here.
    organisation: str | None
    identifiers: tuple[BusinessIdentifier, ...]
    referral: ActiveReferral
    state: Appointment
    #: Whether somebody entered it here, before any hospital booked it.
    is_entered: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Appointments of one organisation, by identifiers and by ids; and those entered here."""

    organisation: str
    identifiers: Collection[BusinessIdentifier] = ()
    appointment_ids: Collection[str] = ()
    #: Referrals whose appointments are wanted that are only entered here.
    entered_for: Collection[str] = ()


class AppointmentStore(Protocol):
    """Appointments. A few statements for any number of messages."""

    def locking(self, tx: Transaction) -> AbstractAsyncContextManager[None]:
        """What is locked within is free again once Overtaken is raised there, which ends here."""

    async def lock_active_referrals(
        self, tx: Transaction, citizen_ids: Collection[str], names: Names
    ) -> dict[str, ActiveReferral]:
        """Lock the active referrals of these citizens and of these appointments.

        Only those under which appointments open needs. They stay locked until the transaction ends:
        whoever changes one of their appointments, or a consent, waits. Returns them by id.
        """

    async def find(self, tx: Transaction, names: Names) -> list[StoredAppointment]:
        """What is stored under any of these names, of referrals that `lock_active_referrals` locks.

        What a restriction alone keeps, of a referral without consent, is nowhere here.
        """

    async def save(
        self,
        tx: Transaction,
        changed: Sequence[StoredAppointment],
        identifiers: Sequence[tuple[BusinessIdentifier, StoredAppointment]],
    ) -> None:
        """Write new and changed ones, and the identifiers that are new with whose they are.

        One of an appointment that `find` passes over becomes the new one's.
        """

    async def of_referral(self, tx: Transaction, referral_id: str) -> list[StoredAppointment]:
        """All appointments of the referral, by id."""

    async def referral_of(self, tx: Transaction, appointment_id: str) -> str | None:
        """The id of the referral that it belongs to; None when there is no such appointment."""

    async def ends_of(
        self, tx: Transaction, appointment_ids: Collection[str]
    ) -> dict[str, datetime | None]:
        """When these end, as far as they are stored."""

    async def forget(self, tx: Transaction, referral_id: str) -> None:
        """Delete the appointments of a referral, and what leads to them from requests."""


class OpenItems(Protocol):
    """Open items of the worklist, for a timer, which waits for no lock."""

    async def lock_free(self, tx: Transaction, ids: Collection[str]) -> dict[str, bool]:
        """Those of these that are open: True where it is locked from now on, False where another
        transaction has it.
        """


class WithheldItems(Protocol):
    """What coordinators are to be told of appointments once a restriction is lifted."""

    async def keep(self, tx: Transaction, items: Sequence[tuple[str, str, bool]]) -> None:
        """By kind and appointment, whether it needs them now; of several the last counts."""

    async def keep_open(self, tx: Transaction, items: Mapping[str, tuple[str, str]]) -> None:
        """Those of these items, by id, that are open now: kind and appointment."""

    async def take(self, tx: Transaction, appointment_ids: Collection[str]) -> set[tuple[str, str]]:
        """Kind and appointment of what was kept of these, which is kept no longer."""


class CitizenItems(Protocol):
    """Items of the worklist by whom they are about."""

    async def open_of(self, tx: Transaction, kind: str, citizen_id: str) -> set[str]:
        """Ids of the citizen's items of this kind that are open."""

    async def settled_by(self, tx: Transaction, ids: Collection[str]) -> dict[str, str]:
        """Lock these; who has settled those that are settled."""


class SessionStore(Protocol):
    """Planned sessions."""

    async def insert(self, tx: Transaction, session: Session) -> None:
        """Store a new one."""

    async def get(self, tx: Transaction, session_id: str, *, lock: bool = False) -> Session | None:
        """The session, locked until the transaction ends if wanted; None when there is none."""

    async def lock_free(self, tx: Transaction, session_ids: Collection[str]) -> list[Session]:
        """Those of these that no other transaction has, locked; it waits for none."""

    async def save(self, tx: Transaction, session: Session) -> None:
        """Store it as it is now."""


class RequestStore(Protocol):
    """What requests with an Idempotency-Key have made."""

    async def made(
        self, tx: Transaction, sender: str, key_hash: bytes
    ) -> tuple[str, bytes] | tuple[None, None] | None:
        """The id of what a request with this key made, and that request's hash.

        Neither once the person was erased whom the request named.
        """

    async def remember(
        self, tx: Transaction, sender: str, key_hash: bytes, request_hash: bytes, made_id: str
    ) -> None:
        """Store it for repeats of the request."""

    async def forget(self, tx: Transaction, referral_ids: Collection[str]) -> None:
        """Delete what leads from the requests that made these referrals to them."""


class ReferenceSource(Protocol):
    """The reference data."""

    async def get(self, tx: Transaction) -> Reference:
        """As of now, by a small query."""


class ReferralStore(Protocol):
    """Referrals."""

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

    async def save_status(self, tx: Transaction, referral: Referral) -> None:
        """Store whether it is active now.

        Raises a unique violation when the citizen has another active one meanwhile.
        """


class ConsentStore(Protocol):
    """What citizens have consented to. Whoever changes it has locked the citizen."""

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Consent]:
        """All that was ever recorded of the citizen, the oldest record first."""

    async def insert(self, tx: Transaction, consent: Consent) -> None:
        """Store a new one."""

    async def save(self, tx: Transaction, consent: Consent) -> None:
        """Store that the one that stands is replaced or withdrawn now."""


class CourseStore(Protocol):
    """All that was done for a citizen, to know whether their time is over."""

    async def ended(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """Citizens whose last consent to the help was withdrawn before; no lock.

        Nobody who is erased or restricted.
        """

    async def silent(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """Citizens with a consent to the help, of whom nothing was heard since; no lock.

        Nobody who is erased or restricted, has a case that goes on, or was told of already.
        """

    async def told(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """Citizens of whom a coordinator was told before that they are silent; no lock.

        Nobody who is restricted.
        """

    async def heard(self, tx: Transaction, most: int) -> Sequence[str]:
        """Citizens of whom something was heard since a coordinator was told: told no longer."""

    async def tell(self, tx: Transaction, citizen_ids: Collection[str]) -> None:
        """A coordinator is told of these now."""

    async def lifted(self, tx: Transaction, citizen_id: str) -> None:
        """A restriction of the citizen, locked, is lifted now: a sign of them."""

    async def forget(self, tx: Transaction, citizen_id: str) -> None:
        """Nothing of this is kept of the citizen, locked, who is erased."""

    async def course(self, tx: Transaction, citizen_id: str) -> Course | None:
        """Lock the citizen's referrals, and return all; None when somebody else has one of them."""
