"""Links by which helpers and citizens sign in: minutes, once, in the browser that asked. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from brobyg_portal.domain.session import Kind, Person

#: How long a link is good for, from when it is mailed; and a request for one, from when it is made.
LIFE = timedelta(minutes=10)
#: How many requests for one address are followed within an hour, of those from one network, and
#: as many from browsers that were signed in by it before; those beyond end silently.
AN_HOUR = 5
#: As many from all networks together.
AN_HOUR_IN_ALL = 20
HOUR = timedelta(hours=1)
#: Requests that are taken within a minute, of everybody together.
IN_ALL = 600
#: Who signs in by links.
BY_LINK: tuple[Kind, ...] = ("helper", "citizen")
#: The role of each in the table of access.
_ROLES: dict[Kind, str] = {"helper": "volunteer", "citizen": "citizen"}


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom their owner knows, by id alone."""

    kind: Kind
    subject: str

    @property
    def person(self) -> Person:
        """As who they are signed in."""
        return Person(self.kind, self.subject, frozenset({_ROLES[self.kind]}))


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was mailed."""

    known: Known
    #: SHA-256 of the secret of the browser that asked.
    browser_hash: bytes
    ends_at: datetime
    used_at: datetime | None
    #: Where to go on.
    next: str
    #: What shows later that this browser was signed in by this address.
    proof: str = field(default="", repr=False)


def is_one_too_many(*, is_known: bool, of_network: int, of_all: int) -> bool:
    """Whether a request for an address is not followed, as so many were within the hour.

    Those count that are like it: from browsers that are known for the address as its own is, or is
    not. So nobody shuts somebody out from elsewhere by asking in their place.
    """
    if is_known:
        return of_all >= AN_HOUR
    return of_network >= AN_HOUR or of_all >= AN_HOUR_IN_ALL


#: How a link is with who opens it.
LinkState: TypeAlias = Literal["open", "unknown", "elsewhere", "used", "over"]


def state_of_link(link: Link | None, browser_hash: bytes | None, now: datetime) -> LinkState:
    """The state of a link in a browser. In another one than asked nothing is told of it."""
    if link is None:
        return "unknown"
    if link.browser_hash != browser_hash:
        return "elsewhere"
    if link.used_at is not None:
        return "used"
    return "over" if now >= link.ends_at else "open"
