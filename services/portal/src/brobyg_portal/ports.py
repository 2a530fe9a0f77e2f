"""What the portal needs from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from brobyg_portal.domain.session import Kind, Session
from brobyg_portal.domain.sign_in import Attempt
from brobyg_portal.domain.sign_in_link import Known

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


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says that somebody is."""

    #: Checked: signed by the provider, for us, for this sign-in, now.
    claims: Mapping[str, Any]
    #: As it came; the provider wants it back at the sign-out.
    id_token: str

    @property
    def provider_session(self) -> str | None:
        """The provider's own id of its session."""
        told = self.claims.get("sid")
        return told if isinstance(told, str) and 0 < len(told) <= 200 else None


@dataclass(frozen=True, slots=True)
class SignedOut:
    """What the provider has ended: one of its sessions, or all of somebody's."""

    #: The provider's own id of somebody; not ours.
    subject: str | None
    provider_session: str | None
    #: Names this telling, which counts once.
    token_id: str


class Provider(Protocol):
    """The identity provider of staff. May take seconds.

    Raises ProviderUnavailable while it cannot be asked, SignInRefused for what proves nothing.
    """

    async def sign_in_address(self, attempt: Attempt) -> str:
        """Where a browser goes to sign in."""
        ...

    async def redeem(self, code: str, attempt: Attempt) -> Identity:
        """Whose code it is that came back. A code is good once."""
        ...

    async def sign_out_address(self, id_token: str) -> str | None:
        """Where a browser goes to sign out there too; None for a provider without such a place."""
        ...

    async def signed_out(self, logout_token: str) -> SignedOut:
        """What the provider tells (OpenID Connect Back-Channel Logout 1.0)."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A service's answer, whatever it says."""

    status: int
    body: bytes
    #: Where what was changed stands in the event stream, for a question's `after`; "" for nothing.
    position: str
    #: The problem's type where it says what is wrong (RFC 9457), else "".
    problem: str


class Services(Protocol):
    """The services, asked for whoever is signed in."""

    async def ask(
        self,
        session: Session,
        service: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        key: str = "",
    ) -> Answered:
        """Ask `service` as this person; it decides what they may.

        `path` is quoted already, `body` becomes JSON. `key` is that of the form that is acted on:
        the service does the same once. Waits up to 5 seconds for each step, 10 in all. Raises
        ServiceUnavailable where no answer came, ServiceFailed where only a 5xx did.
        """
        ...


class Owners(Protocol):
    """The owners of helpers and citizens, who know their addresses; the portal does not.

    May take seconds. Raises ServiceUnavailable where no answer came, or none as agreed.
    """

    async def find(self, kind: Kind, address: str) -> list[Known]:
        """Who of this kind has this mail address and may be signed in: nobody or some."""
        ...

    async def may_sign_in(self, known: Known) -> bool:
        """Whether somebody may be signed in now: not who is erased."""
        ...

    async def mail(self, known: Known, token: str | None) -> None:
        """Have the link with this token mailed to them, to the address that is on file.

        Without a token they are told that a passkey was added.
        """
        ...
