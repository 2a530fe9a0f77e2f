"""What the portal needs from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]
#: `withdraw` takes an acceptance back: the helper can't after all.
Answer = Literal["accept", "decline", "withdraw"]
#: What became of an answer. `released`: the acceptance was taken back; `answered`: the other answer
#: was given before; `begun`: it is too late to take an acceptance back; `ended`: there is none any
#: more; `prevented`: something else is in the way, such as the week's limit.
Reply = Literal[
    "accepted", "declined", "released", "expired", "taken", "withdrawn", "answered", "begun",
    "ended", "prevented",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as the helper who was asked may see it. Names nobody."""

    state: OfferState
    #: Why it was withdrawn.
    reason: str | None
    pathway: str
    #: The next seven are None where the need has no span, no place or no citizen.
    starts_at: datetime | None
    ends_at: datetime | None
    location_name: str | None
    meeting: Literal["home", "at_location"] | None
    meet_at: datetime | None
    home_at: datetime | None
    distance_metres: int | None
    #: The helper's own; None where it is not known.
    language: str | None
    expires_at: datetime
    #: Whether an acceptance can be taken back here and now.
    withdrawable: bool


class Offers(Protocol):
    """Offers by their signed link. May take seconds; raises UnknownLink, MatchingUnavailable."""

    async def offer(self, token: str) -> Offer:
        """The offer. Has no effect, however often."""
        ...

    async def answer(self, token: str, answer: Answer) -> Reply:
        """Answer the offer, or take an acceptance back, and return what became of it.

        The same answer again has no further effect.
        """
        ...
