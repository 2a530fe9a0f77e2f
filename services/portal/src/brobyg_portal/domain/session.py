"""Who is signed in, and when that ends. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

#: Staff sign in at the provider; helpers and citizens by a link.
Kind: TypeAlias = Literal["staff", "helper", "citizen"]
#: So long somebody has just signed in: who comes upon an open session later adds nothing to it.
FRESH = timedelta(minutes=10)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has shown who they are."""

    kind: Kind
    #: An id that names nobody; of helpers and citizens their own.
    subject: str
    roles: frozenset[str]
    #: For which organisation and department they act; None for any.
    organisation: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in, for the time being."""

    session_id: str
    kind: Kind
    #: See `Person`, as the next three.
    subject: str
    roles: frozenset[str]
    organisation: str | None
    department: str | None
    #: When it ends at the latest.
    ends_at: datetime
    #: Whether they may see and end sessions.
    administrator: bool = False
    #: Signs the forms that are shown in it.
    form_key: bytes = field(default=b"", repr=False)
    #: When they signed in.
    began_at: datetime = _LONG_AGO

    def is_fresh(self, now: datetime) -> bool:
        """Whether they have just signed in, so that what lets them in again may be added."""
        return now < self.began_at + FRESH


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session is good for, and its cookie."""

    #: Without a request.
    idle: timedelta = timedelta(minutes=30)
    #: In all.
    longest: timedelta = timedelta(hours=10)
    #: How often the cookie is given anew.
    rotated_every: timedelta = timedelta(hours=1)
    #: So long a former cookie is good from the new one's first use, for requests that were on their
    #: way; who comes with it later is not who has the new one, and the session ends. Where the new
    #: one does not come back in this time, its answer was lost: it is made anew.
    former: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Times:
    """What is stored of a session's time."""

    rotated_at: datetime
    #: When the cookie of that time first came back; None when it has not.
    taken_up_at: datetime | None
    seen_at: datetime
    ends_at: datetime
    #: When it was ended before that.
    ended_at: datetime | None


#: How a session is with a request: `stolen` when a former cookie comes too late.
State: TypeAlias = Literal["open", "rotate", "ended", "stolen"]


def state_of(times: Times, lifetime: Lifetime, now: datetime, *, former: bool) -> State:
    """The state of a session with a request by its cookie, or by its `former` one."""
    over = now >= times.ends_at or now >= times.seen_at + lifetime.idle
    if times.ended_at is not None or over:
        return "ended"
    if former and times.taken_up_at is None:
        return "rotate" if now > times.rotated_at + lifetime.former else "open"
    if former and times.taken_up_at is not None:
        return "stolen" if now > times.taken_up_at + lifetime.former else "open"
    return "rotate" if now >= times.rotated_at + lifetime.rotated_every else "open"
