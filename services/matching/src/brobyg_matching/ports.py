"""What the use cases need of the database.

Every method may raise one of the kit's DATABASE_ERRORS.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction

from brobyg_matching.domain.board import Board, Known
from brobyg_matching.domain.helper import Helper, Profile
from brobyg_matching.domain.need import Citizen, Need, Offer
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.travel import Distances


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How a helper is reached."""

    name: str
    email: str
    phone: str | None
    language: str


class RegisteredRequest(msgspec.Struct, frozen=True):
    """A request by which a helper was registered, as far as it is kept."""

    key_hash: bytes
    request_hash: bytes
    helper_id: str


class Loaded(msgspec.Struct, frozen=True):
    """Needs with their seats and live offers, locked until the transaction ends, by their ids."""

    needs: dict[str, Need]
    citizens: dict[str, Citizen]
    #: By referral.
    consents: dict[str, bool]


class Waiting(NamedTuple):
    """A place in a waiting list: by priority, then age."""

    priority: int
    opened_at: datetime
    need_id: str


class LookedThrough(NamedTuple):
    """How far a waiting list has been looked through since capacity became free."""

    #: When it became free: the timer's `due_at`.
    freed_at: datetime
    #: Whether some has become free meanwhile, of which those before `last` know nothing.
    again: bool
    last: Waiting


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What a search looks at beside the needs."""

    #: Helpers of these departments may be asked.
    rosters: Mapping[str, Roster] = {}
    #: Helpers who are named by what is done.
    profiles: Mapping[str, Profile] = {}
    #: Whose bookings, offers, cases and turns can matter.
    helpers: Collection[str] = ()
    #: Resources that may be held.
    resources: Collection[str] = ()
    citizens: Collection[str] = ()
    #: The time in which bookings can matter; None where none can.
    since: datetime | None = None
    until: datetime | None = None
    #: Whether cases are counted, and whether turns are.
    cases: bool = False
    turns: bool = False


class Needs(Protocol):
    """Needs, seats, offers, bookings, and the copies of citizens' records and consents."""

    async def load(
        self,
        tx: Transaction,
        *,
        needs: Collection[str] = (),
        citizens: Collection[str] = (),
        referrals: Collection[str] = (),
        new: bool = False,
        wait: bool = True,
    ) -> Loaded:
        """These needs, and all needs of these citizens that have not ended, by their own locks.

        Blocks while somebody else holds one; without `wait`, what somebody else holds is left out.
        `new` says that citizens may be unknown here so far; they are locked all the same. A need's
        own citizen is one of `citizens` without being named.
        """
        ...

    async def around(self, tx: Transaction, loaded: Loaded, around: Around) -> Known:
        """What is known around the needs."""
        ...

    async def hold_places(
        self, tx: Transaction, places: Collection[str], *, wait: bool = True
    ) -> bool:
        """Have others wait who want to hold a resource at these places.

        Blocks while somebody else holds one; without `wait`, False then.
        """
        ...

    async def claim_timers(
        self, tx: Transaction, needs: Collection[str], helpers: Collection[str]
    ) -> bool:
        """Claim the timers of what `tx` has locked; False if somebody else has one. Never blocks.

        For transactions of timers only: two of them could wait for each other's.
        """
        ...

    async def save(self, tx: Transaction, board: Board) -> None:
        """Write what has changed; emit the events and set the timers. Raises DoubleBooking."""
        ...

    async def offer(self, tx: Transaction, offer_id: str) -> Offer | None:
        """The offer as it is now, or None. Not locked: its need is."""
        ...

    async def asked(self, tx: Transaction, helper_id: str) -> set[str]:
        """The needs with an open offer to the helper."""
        ...

    async def waiting(
        self, tx: Transaction, departments: Collection[str], after: Waiting | None, limit: int
    ) -> list[Waiting]:
        """The first needs that wait for capacity, or those that come after `after`.

        `departments` are the ids that mean one department, at least one.
        """
        ...

    async def looked_through(self, tx: Transaction, department: str) -> LookedThrough | None:
        """How far the department's waiting list is looked through; None when it is not."""
        ...

    async def keep_looked_through(
        self, tx: Transaction, department: str, now: LookedThrough | None
    ) -> None:
        """Keep it; for who has claimed the department's timer."""
        ...

    async def knows_citizen(self, tx: Transaction, citizen_id: str) -> bool:
        """Whether an event has named the citizen."""
        ...


class Rosters(Protocol):
    """The helpers of departments, held in memory."""

    def distances(self, reference: Reference) -> Distances:
        """Distances as this reference data has them."""
        ...

    async def get(
        self, tx: Transaction, departments: Collection[str], distances: Distances
    ) -> dict[str, Roster]:
        """The rosters as they are now. Not after `tx` has changed a helper: they are remembered."""
        ...


class Helpers(Protocol):
    """Helpers, how they are reached, and whom they are not brought together with."""

    async def registered(
        self, tx: Transaction, key_hashes: Collection[bytes]
    ) -> RegisteredRequest | None:
        """The request that is known by one of these hashes, or None.

        Until the transaction ends, others that ask for one of these hashes wait.
        """
        ...

    async def alike(self, tx: Transaction, contact: Contact) -> list[str]:
        """Helpers with the same mail address or the same phone number.

        Until the transaction ends, others that ask for the same wait.
        """
        ...

    async def add(
        self,
        tx: Transaction,
        added: Helper,
        contact: Contact,
        request: RegisteredRequest | None = None,
    ) -> None:
        """Keep a new helper, and the request that registered them."""
        ...

    async def lock(
        self, tx: Transaction, helper_ids: Collection[str], *, wait: bool = True
    ) -> dict[str, Helper]:
        """The helpers, locked until the transaction ends.

        Blocks while somebody else holds a lock; without `wait`, those are left out.
        """
        ...

    async def update(self, tx: Transaction, before: Helper, changed: Helper) -> None:
        """Write the helper as they are now."""
        ...

    async def block(self, tx: Transaction, helper_id: str, citizen_id: str, asked_by: str) -> None:
        """Keep that the two are not to be brought together. Again has no effect."""
        ...
