"""What matching needs from outside its domain."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Protocol

import asyncpg
import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_matching.domain.match import Change, Match, Offer
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Referral, World

#: What the database says when the last guard against double booking holds.
TwoPlacesAtOnce = asyncpg.ExclusionViolationError


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How a volunteer is reached."""

    name: str
    email: str
    phone: str | None
    language: str


class Touched(msgspec.Struct, frozen=True):
    """What a batch is about, as it stands. Matches are locked until the transaction ends."""

    referrals: dict[str, Referral]
    matches: dict[str, Match]


class Store(Protocol):
    """Keeps referrals, matches, offers and decisions. Every method may raise an asyncpg error or OSError."""

    async def load(
        self,
        tx: Transaction,
        referral_ids: Collection[str],
        appointment_ids: Collection[str],
        all_of: Collection[str],
        *,
        wait: bool = True,
    ) -> Touched:
        """The matches of these appointments and all of the referrals `all_of`, locked in the order of their ids, and the referrals.

        Without `wait`, matches that somebody else has locked are left out.
        """
        ...

    async def world(
        self, tx: Transaction, citizens: Collection[str], days: Sequence[date]
    ) -> World:
        """Volunteers and what they have promised around `days`, whom these citizens know, and blocks."""
        ...

    async def between(self, tx: Transaction, volunteer_id: str, citizen_id: str | None) -> set[str]:
        """The appointments with an open question to the volunteer or, with `citizen_id`, that citizen's where they ask or have the volunteer."""
        ...

    async def save(
        self,
        tx: Transaction,
        referrals: Iterable[Referral],
        changes: Sequence[tuple[Change, Event | None]],
    ) -> None:
        """Write what became of them, each row once, and hand events and timers to the transaction in the order of `changes`."""
        ...


class Answers(Store, Protocol):
    """What answering a single offer needs of the store beside it."""

    async def offer(self, tx: Transaction, offer_id: str) -> tuple[Match, Offer, Referral] | None:
        """The offer with its match locked, or None when there is no such offer."""
        ...

    async def volunteer(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """The volunteer, locked: their answers are taken one at a time."""
        ...


class Partings(Store, Protocol):
    """What blocking and pausing need of the store beside it."""

    async def volunteer(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """The volunteer, locked: no answer of theirs is taken meanwhile."""
        ...

    async def knows(self, tx: Transaction, citizen_id: str) -> bool:
        """Whether a referral of the citizen has been heard of."""
        ...

    async def block(
        self, tx: Transaction, volunteer_id: str, citizen_id: str, asked_by: str
    ) -> None:
        """Keep that the two are not to be brought together. Again has no effect."""
        ...

    async def pause(self, tx: Transaction, volunteer: Volunteer) -> None:
        """Keep the volunteer's new standing, and say so."""
        ...
