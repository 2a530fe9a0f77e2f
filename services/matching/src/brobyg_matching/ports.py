"""What the use cases need of the database.

Every method may raise one of the kit's DATABASE_ERRORS.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_matching.domain.change import Change
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.snapshot import Snapshot
from brobyg_matching.domain.volunteer import Volunteer


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How a volunteer is reached."""

    name: str
    email: str
    phone: str | None
    language: str


class RegisteredRequest(msgspec.Struct, frozen=True):
    """A request by which a volunteer was registered, as far as it is kept."""

    key_hash: bytes
    request_hash: bytes
    volunteer_id: str


class Loaded(msgspec.Struct, frozen=True):
    """Matches, locked until the transaction ends, and their referrals, by their ids."""

    referrals: dict[str, Referral]
    matches: dict[str, Match]


class Matches(Protocol):
    """Referrals, matches, offers and decisions."""

    async def load(
        self,
        tx: Transaction,
        *,
        referrals: Collection[str] = (),
        appointments: Collection[str] = (),
        all_of: Collection[str] = (),
        wait: bool = True,
    ) -> Loaded:
        """The matches of these appointments and all of the referrals `all_of`, and `referrals`.

        Matches are locked in the order of their ids; blocks while somebody else holds one.
        Without `wait`, matches that somebody else holds are left out.
        """
        ...

    async def snapshot(
        self, tx: Transaction, appointments: Collection[tuple[str, datetime]]
    ) -> Snapshot:
        """What the rules look at for these appointments, given as citizen and start.

        Empty when there are none.
        """
        ...

    async def appointments_of(
        self, tx: Transaction, volunteer_id: str, citizen_id: str | None
    ) -> set[str]:
        """The appointments with an open offer to the volunteer.

        With `citizen_id`, only that citizen's, and also those where the two are matched.
        """
        ...

    async def offer(self, tx: Transaction, offer_id: str) -> tuple[Offer, Loaded] | None:
        """The offer, and its match as `load` gives it; None if there is no such offer."""
        ...

    async def save(
        self,
        tx: Transaction,
        referrals: Iterable[Referral],
        changes: Sequence[tuple[Change, Event | None]],
    ) -> None:
        """Write the changes, each row once; emit the events and set the timers.

        `changes` are in order, each with the event that caused it. Raises DoubleBooking.
        """
        ...

    async def knows_citizen(self, tx: Transaction, citizen_id: str) -> bool:
        """Whether an event has named a referral of the citizen."""
        ...


class Volunteers(Protocol):
    """Volunteers, how they are reached, and whom they are not brought together with."""

    async def registered(
        self, tx: Transaction, key_hashes: Collection[bytes]
    ) -> RegisteredRequest | None:
        """The request that is known by one of these hashes, or None.

        Until the transaction ends, others that ask for one of these hashes wait.
        """
        ...

    async def add(
        self,
        tx: Transaction,
        added: Volunteer,
        contact: Contact,
        request: RegisteredRequest | None = None,
    ) -> None:
        """Keep a new volunteer, and the request that registered them."""
        ...

    async def lock(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """The volunteer, locked until the transaction ends, or None.

        Blocks while somebody else holds the lock: no answer of theirs is taken meanwhile.
        """
        ...

    async def update(self, tx: Transaction, changed: Volunteer) -> None:
        """Write the volunteer as they are now."""
        ...

    async def block(
        self, tx: Transaction, volunteer_id: str, citizen_id: str, asked_by: str
    ) -> None:
        """Keep that the two are not to be brought together. Again has no effect."""
        ...
