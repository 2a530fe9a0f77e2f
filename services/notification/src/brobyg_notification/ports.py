"""What this service needs from outside, as small interfaces."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Literal, Protocol

from brobyg_contracts import VolunteerMatched
from brobyg_kit.wording import Language

from brobyg_notification.domain.notice import Notice

FailureReason = Literal["no_address", "recipient_erased", "refused", "appointment_over"]
State = Literal["waiting", "sent", "failed", "superseded"]


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as their owner describes them at the moment of use. Never stored, logged or published here."""

    given_name: str
    email: str | None
    language: Language
    meeting_point: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """The signed link by which a volunteer answers an offer."""

    token: str
    expires_at: datetime
    is_open: bool


class OwnerUnavailable(Exception):
    """The service that owns the data can't be asked now; later it may. Carries the owner's name and what happened, nothing personal."""


class NoCoordinator(Exception):
    """The settings name no address for the department's coordinator; later they may. Carries the department's name."""


class People(Protocol):
    """Who knows people. Each question is recorded by the owner with its purpose. May take seconds; raises OwnerUnavailable."""

    async def citizen(self, citizen_id: str, purpose: str) -> Contact | None:
        """The citizen; None when there is no such citizen any more."""
        ...

    async def volunteer(self, volunteer_id: str, purpose: str) -> Contact | None:
        """The volunteer; None when there is no such volunteer any more."""
        ...

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """The offer's answer link and whether it is still open; None when there is no such offer."""
        ...


class MailServerDown(Exception):
    """No mail can be handed over at all now: the server can't be reached, or says so itself. Nothing is wrong with the message."""


class MailDeferred(Exception):
    """The server won't take this message now (SMTP 4yz); later it may. Carries the code."""


class RecipientDeferred(MailDeferred):
    """It won't take it for this recipient now: a full mailbox, or a server that makes strangers wait (greylisting)."""


class MailRefused(Exception):
    """The server will never take this message for this recipient (SMTP 5yz). Carries the code."""


class Postbox(Protocol):
    """Where messages are handed over."""

    async def send(self, message: EmailMessage) -> None:
        """Return when the server has taken responsibility for the message (250 after DATA). May take minutes: a server that has the message
        may think about it for long, and to hang up on it would lead to a second copy.

        Raises MailServerDown, MailDeferred (RecipientDeferred where it is so for this recipient) or MailRefused; after the first the server may
        still have the message.
        """
        ...

    async def probe(self) -> bool:
        """Whether the server answers. Bounded by the connect timeout; never raises."""
        ...

    async def close(self) -> None:
        """Say goodbye on open connections."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that this process has claimed. `attempts` counts the one about to be made. `earlier` is the match that the same recipient
    was last to be told of for the same appointment. `overtaken` says that a newer notice of the lane replaces this one, `unheard` that there
    were calendar files before this one and the first attempt at each already found it no longer true or over: the recipient knows of none.
    """

    notice: Notice
    sequence: int | None
    attempts: int
    created_at: datetime
    earlier: VolunteerMatched | None
    overtaken: bool
    unheard: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent: how many by what was in the way of the last attempt (`untried` where there was none), and for how many seconds
    of wall time the oldest has waited, whatever clock the service lives by. `held_seconds` is the same of those alone that something holds up
    which may concern others too: not one recipient's server.
    """

    waiting: Mapping[str, int]
    oldest_seconds: float
    held_seconds: float


class Store(Protocol):
    """The notices of this service, safe before they are sent. Raises one of `brobyg_kit.database.DATABASE_ERRORS` when the database is away."""

    async def sent(self, waiting: Waiting, language: Language) -> None:
        """Mark as sent and publish `notification.sent`, in one transaction; no effect on a notice that has ended already."""
        ...

    async def failed(self, waiting: Waiting, language: Language, reason: FailureReason) -> None:
        """Mark as failed, publish `notification.failed` and, for a citizen whom no e-mail reaches, keep a notice to the coordinator, in one
        transaction; no effect on a notice that has ended already.
        """
        ...

    async def superseded(self, waiting: Waiting) -> None:
        """Mark as no longer true; nobody is told and nothing published."""
        ...

    async def postpone(self, waiting: Waiting, until: datetime, cause: str) -> None:
        """Give the claim back, to be tried again at `until`; `cause` is the kind of thing that was in the way."""
        ...

    async def backlog(self) -> Backlog:
        """What waits now. Raises RuntimeError before the database is open."""
        ...

    def session(
        self, sender: int, wake: Callable[[], None], *, again: bool
    ) -> AbstractAsyncContextManager["Claims"]:
        """A hold on the store of the sender with the number `sender`; `wake` is called when a new notice has been committed and when the session
        is lost. What it has claimed stays its own when it comes back at once with the same number; else, also when the process was killed, it
        is free for the others some seconds later; `again` says that this sender has had a session before and lost it, as others may have.
        Without it, what was put off is due at once, save what a recipient's server asked to wait for.
        """
        ...


class Claims(Protocol):
    """What a sender may do while its session holds."""

    async def claim(self, limit: int) -> list[Waiting]:
        """Up to `limit` due notices, each the oldest waiting one of its lane; each is this session's alone until it is ended or postponed.
        The attempt is counted before it is made.
        """
        ...

    async def free_abandoned(self, in_hand: Collection[str]) -> int:
        """Free what senders had claimed that have been gone for some seconds of wall time, and what this sender had claimed in an earlier session
        and knows nothing of: all but the notifications `in_hand`, which it still works on. Returns how many.
        """
        ...

    @property
    def somebody_is_missing(self) -> bool:
        """Whether a sender with claims was not there at the last `free_abandoned`: it is worth to look again soon."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next notice that nobody has in hand is due; None when there is none."""
        ...
