"""What the portal needs from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]
#: `withdraw` takes an acceptance back: the helper can't after all.
Answer = Literal["accept", "decline", "withdraw"]
#: What became of an answer. `released`: the acceptance was taken back; `answered`: the other answer
#: was given before; `begun`: it is too late to take an acceptance back; `ended`: there is none any
#: more; `restricted`: nothing is done with the helper's data; `prevented`: something else is in the
#: way, such as the week's limit.
Reply = Literal[
    "accepted", "declined", "released", "expired", "taken", "withdrawn", "answered", "begun",
    "ended", "restricted", "prevented",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link is about, as its helper may see it: an offer, or a match. Names nobody.

    A match is accepted, or withdrawn when it is gone.
    """

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
    #: None for a match.
    expires_at: datetime | None
    #: Whether an acceptance can be taken back here and now.
    withdrawable: bool


class Offers(Protocol):
    """Offers and matches by their signed link.

    May take seconds; raises UnknownLink, MatchingUnavailable.
    """

    async def offer(self, token: str) -> Offer:
        """The offer or match. Has no effect, however often."""
        ...

    async def answer(self, token: str, answer: Answer) -> Reply:
        """Answer the offer, or take an acceptance back, and return what became of it.

        The same answer again has no further effect.
        """
        ...
