"""What this service needs from outside, as small interfaces."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Literal, Protocol

from brobyg_kit.database import Transaction
from brobyg_kit.wording import Language

from brobyg_notification.domain.calendar import Entry
from brobyg_notification.domain.calendar_status import Calendars, CalledOff
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Notice, Template

FailureReason = Literal["no_address", "recipient_erased", "refused", "appointment_over"]
PersonRole = Literal["citizen", "volunteer"]
State = Literal["waiting", "sent", "failed", "superseded"]


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """The signed link by which a volunteer answers an offer."""

    token: str
    expires_at: datetime
    #: The offer's: `open`, or how it was answered or ended.
    state: str


class People(Protocol):
    """The owners of people's data, who record each question with its purpose.

    A question may take seconds. Raises OwnerUnavailable.
    """

    async def contact(self, role: PersonRole, person_id: str, purpose: str) -> Contact | None:
        """The person; None only by the owner's own word that there is none, or none any more."""
        ...

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """The offer's answer link; None only by the owner's own word that there is no offer."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """All that one message is made of."""

    notification_id: str
    template: Template
    language: Language
    facts: Mapping[str, object]
    #: The recipient's mail address.
    recipient: str
    sent_at: datetime
    #: None for a message without a calendar file.
    entry: Entry | None


class Composer(Protocol):
    """Puts messages into words."""

    def compose(self, message: Message) -> EmailMessage:
        """The message in its language, as text, HTML and calendar file.

        Its Message-ID is the notification's, so that a second copy after a crash is recognised as
        the same message. Raises jinja2.UndefinedError when a fact the template needs is missing.
        """
        ...


class MailTransport(Protocol):
    """Where messages are handed over."""

    async def send(self, message: EmailMessage) -> None:
        """Return when the server has taken responsibility for the message (250 after DATA).

        May take minutes: to hang up on a server that has the message and takes its time would lead
        to a second copy. Raises MailServerDown, MailDeferred (RecipientDeferred where it is about
        this recipient) or MailRefused; after the first the server may still have the message.
        """
        ...

    async def probe(self) -> bool:
        """Whether the server answers. Bounded by the connect timeout; never raises."""
        ...

    async def close(self) -> None:
        """Say goodbye on open connections."""
        ...


class Notices(Protocol):
    """The notices that events lead to. Raises one of DATABASE_ERRORS when the database is away."""

    async def calendars(
        self, transaction: Transaction, referral_ids: Collection[str]
    ) -> dict[str, Calendars]:
        """The calendars of the referrals' people, by referral_id.

        Nobody else changes them until the transaction ends: waits for those who are at it.
        """
        ...

    async def keep(
        self,
        transaction: Transaction,
        notices: Sequence[Notice],
        called_off: Sequence[CalledOff],
    ) -> None:
        """Keep both with the transaction; its commit wakes the delivery.

        A notice that is there already (same cause, appointment and recipient) stays as it is, and
        so does what is known to be called off by a newer event.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A notice that this process has claimed."""

    notice: Notice
    #: The attempt about to be made counts.
    attempts: int
    created_at: datetime
    #: A newer notice of the thread replaces this one.
    overtaken: bool
    #: There were calendar files before this one, and the first attempt at each already found it no
    #: longer true or over: the recipient knows of none.
    unheard: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a notice."""

    state: Literal["sent", "failed", "superseded"]
    #: The language of the message, or the one it would have had; None if it is superseded.
    language: Language | None = None
    #: Why it can never arrive, if it failed.
    reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent. Seconds are of wall time, whatever clock the service lives by."""

    #: How many by what was in the way of the last attempt, `untried` where there was none.
    waiting: Mapping[str, int]
    #: How long the oldest has waited.
    oldest_seconds: float
    #: The same of those alone that something holds up which may concern others too: not one
    #: recipient's server.
    held_seconds: float


class DeliveryQueue(Protocol):
    """Notices on their way out. Raises one of DATABASE_ERRORS when the database is away."""

    async def end(self, claim: Claim, outcome: Outcome, follow_up: Sequence[Notice]) -> None:
        """Mark as sent, failed or superseded; publish the first two; keep `follow_up`.

        One transaction; no effect on a notice that has ended already.
        """
        ...

    async def postpone(self, claim: Claim, until: datetime, obstacle: str) -> None:
        """Give the claim back, to be tried again at `until`; `obstacle` was in the way."""
        ...

    async def backlog(self) -> Backlog:
        """What waits now. Raises RuntimeError before the database is open."""
        ...

    def session(
        self, worker: int, wake: Callable[[], None], *, again: bool
    ) -> AbstractAsyncContextManager["Claims"]:
        """A hold on the queue for the worker with the number `worker`.

        `wake` is called when a new notice has been committed and when the session is lost. What the
        worker has claimed stays its own when it comes back at once with the same number; else, also
        when the process was killed, it is free for others some seconds later.

        `again` says that this worker has had a session before and lost it, as others may have.
        Without it, what was postponed is due at once, save what a recipient's server asked to wait
        for.
        """
        ...


class Claims(Protocol):
    """What a worker may do while its session holds."""

    async def claim(self, limit: int) -> list[Claim]:
        """Up to `limit` due notices, each the oldest waiting one of its thread.

        Each is this worker's alone until it is ended or postponed. The attempt is counted before it
        is made.
        """
        ...

    async def free_abandoned(self, in_hand: Collection[str]) -> int:
        """Free what nobody works on; return how many.

        That is what workers had claimed that have been gone for some seconds of wall time, and what
        this worker had claimed in an earlier session: all but the notifications `in_hand`.
        """
        ...

    @property
    def somebody_is_missing(self) -> bool:
        """Whether a worker with claims was gone at the last `free_abandoned`: look again soon."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next notice that nobody has in hand is due; None when there is none."""
        ...
