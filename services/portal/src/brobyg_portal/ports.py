"""What the portal needs from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]
Answer = Literal["accept", "decline"]
#: What became of an answer. `answered`: the other answer was given before; `prevented`: something
#: else is in the way, such as the week's limit.
Reply = Literal["accepted", "declined", "expired", "taken", "withdrawn", "answered", "prevented"]


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as the volunteer who was asked may see it. Names nobody."""

    state: OfferState
    starts_at: datetime
    ends_at: datetime
    location_name: str
    meeting: Literal["home", "at_location"]
    meet_at: datetime
    home_at: datetime
    language: str
    distance_metres: int
    expires_at: datetime


class Offers(Protocol):
    """Offers by their signed link. May take seconds; raises UnknownLink, MatchingUnavailable."""

    async def offer(self, token: str) -> Offer:
        """The offer. Has no effect, however often."""
        ...

    async def answer(self, token: str, answer: Answer) -> Reply:
        """Answer the offer and return what became of it.

        The same answer again has no further effect.
        """
        ...
