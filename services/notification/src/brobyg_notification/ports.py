"""What this service needs from outside, as small interfaces."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from brobyg_contracts import AttentionRaised, Meeting
from brobyg_kit.catalogues import Language
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_notification.domain.calendar import Entry
from brobyg_notification.domain.calendar_status import Calendars, CalledOff
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.contents import MatchTimes
from brobyg_notification.domain.notice import Notice, Role, Template
from brobyg_notification.errors import FailureReason

PersonRole = Literal["citizen", "helper"]
#: What a citizen's contact is asked for: to write to them, or to tell a helper whom to meet.
Use = Literal["write", "meet"]
State = Literal["waiting", "sent", "failed", "superseded"]


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """The signed link by which a helper answers an offer, and what is not in the offer's event."""

    token: str
    expires_at: datetime
    #: The offer's: `open`, or how it was answered or ended.
    state: str
    #: The citizen's wish; None for a need of no citizen.
    meeting: Meeting | None
    #: From the helper's home to where the two meet; None for a need without a place.
    distance_metres: int | None
    #: When the two meet; None for a need without a span.
    meet_at: datetime | None


@dataclass(frozen=True, slots=True)
class MatchLink:
    """The signed link by which a match's helper signs off, and what is not in the match's event."""

    token: str
    times: MatchTimes


class People(Protocol):
    """The owners of people's data, who record each question with its purpose.

    A question may take seconds. Raises OwnerUnavailable, also for an id that the owner does not
    know: that answer may as well come from a gateway or a wrong address.
    """

    async def contact(
        self, role: PersonRole, person_id: str, purpose: str, use: Use = "write"
    ) -> Contact | None:
        """The person; None only if the owner says that they were erased.

        Raises NotToBeWrittenTo when the owner says so.
        """
        ...

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """The offer's answer link; None only if the owner says that the offer was erased."""
        ...

    async def match_link(self, need_id: str, match_id: str) -> MatchLink | None:
        """How the match's helper signs off, and when they meet; None if it no longer stands."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """All that one message is made of."""

    notification_id: str
    template: Template
    #: Whose text of the template is used, where they have one of their own.
    pathway: str
    seat_role: str | None
    language: Language
    #: In which times are written.
    zone: ZoneInfo
    facts: Mapping[str, object]
    #: The recipient's mail address.
    recipient: str
    sent_at: datetime
    #: None for a message without a calendar file.
    entry: Entry | None


#: Writes the message in its language, as text, HTML and calendar file. Its Message-ID is the
#: notification's, so that a second copy after a crash is recognised as the same message. Raises
#: jinja2.UndefinedError when a fact the template needs is missing.
Compose: TypeAlias = Callable[[Message], EmailMessage]


class MailTransport(Protocol):
    """Where messages are handed over."""

    async def send(self, message: EmailMessage) -> None:
        """Return when the server has taken responsibility for the message (250 after DATA).

        May take minutes: closing the connection before a slow server's answer would lead to a
        second copy. Raises MailServerDown, MailDeferred (RecipientDeferred where it is about this
        recipient) or MailRefused; after the first the server may still have the message.
        """
        ...

    async def probe(self) -> bool:
        """Whether the server answers. Bounded by the connect timeout; never raises."""
        ...


class Notices(Protocol):
    """The notices that events lead to. Raises one of DATABASE_ERRORS when the database is away."""

    async def calendars(
        self, transaction: Transaction, need_ids: Collection[str]
    ) -> dict[str, Calendars]:
        """The calendars of the needs' people, by need_id.

        Nobody else changes them until the transaction ends: waits for transactions that do.
        """
        ...

    async def lock_people(self, transaction: Transaction, person_ids: Collection[str]) -> None:
        """Until the transaction ends nobody else erases these, or keeps a notice to them."""
        ...

    async def keep(
        self,
        transaction: Transaction,
        notices: Sequence[Notice],
        called_off: Sequence[CalledOff],
    ) -> None:
        """Store both with the transaction; its commit wakes the delivery.

        A notice that is stored already (same cause and recipient) stays as it is, and so does what
        a newer event has called off. One to somebody who is erased is dropped. The recipients are
        locked.
        """
        ...

    async def close(self, transaction: Transaction, closed: Mapping[str, Event]) -> None:
        """Each of these needs was closed by its event: what is told of it is kept from then.

        What was to be told by phone about them is settled.
        """
        ...

    async def reopen(self, transaction: Transaction, need_ids: Collection[str]) -> None:
        """These needs are open: what is told of them is kept until they are closed."""
        ...

    async def restrict(
        self, transaction: Transaction, person_id: str, why: str | None, cause: Event
    ) -> None:
        """Delete nothing of this person, who is locked, until that is lifted: `why` is None then.

        Somebody who is erased is passed over.
        """
        ...

    async def erase(
        self, transaction: Transaction, role: Role, person_id: str, cause: Event
    ) -> None:
        """Nothing is written to this person, who is locked, any more, and that is acknowledged.

        What waits for them fails, as it could never arrive, and nobody is asked to phone them. What
        is being sent at this moment ends by itself: who is erased is told to nobody any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A notice that this process has claimed."""

    notice: Notice
    #: The number of the worker that made the claim.
    claimed_by: int
    #: With the attempt about to be made.
    attempts: int
    #: What was in the way of the attempt before; None where nothing is known of one.
    obstacle: str | None
    created_at: datetime
    #: A newer notice of the thread replaces this one.
    replaced: bool
    #: There were calendar files before this one, and none was sent: already the first attempt at
    #: each found it no longer true or over.
    earlier_unsent: bool
    #: A message of the same kind was sent to the same reader about the same need before this one.
    told_before: bool


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of a notice."""

    state: Literal["sent", "failed", "superseded"]
    #: Why it can never arrive, if it failed.
    reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What the end of a notice leads to."""

    notices: Sequence[Notice] = ()
    raised: Sequence[AttentionRaised] = ()
    #: The attention_ids of what is no longer so.
    settled: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent. Seconds are of wall time, whatever clock the service lives by."""

    #: How many by what was in the way of the last attempt, `untried` where there was none.
    waiting: Mapping[str, int]
    #: How long the oldest has waited.
    oldest_seconds: float
    #: The same without those that wait only because of their recipient's server.
    held_seconds: float


class DeliveryQueue(Protocol):
    """Notices on their way out. Raises one of DATABASE_ERRORS when the database is away."""

    async def end(self, claim: Claim, outcome: DeliveryOutcome, follow_up: FollowUp) -> None:
        """Mark as sent, failed or superseded; publish the first two; store `follow_up`.

        One transaction; no effect on a notice that has ended already.
        """
        ...

    async def postpone(
        self, claim: Claim, until: datetime, obstacle: str, raised: Sequence[AttentionRaised]
    ) -> None:
        """End the claim; the notice is tried again at `until`. `obstacle` was in the way.

        Raise `raised` with it. No effect on a notice that has ended, or that another worker has
        claimed meanwhile.
        """
        ...

    async def settle(self, attention_ids: Collection[str]) -> None:
        """Settle those of these that are open, as they are no longer so."""
        ...

    async def backlog(self) -> Backlog:
        """What waits now. Raises RuntimeError before the database is open."""
        ...

    def session(
        self, worker: int, wake: Callable[[], None], *, again: bool
    ) -> AbstractAsyncContextManager["Claims"]:
        """The session in which the worker with the number `worker` claims notices.

        `wake` is called when a new notice has been committed and when the session is lost. A worker
        that opens a new session at once with the same number keeps its claims; else, also when the
        process was killed, they are free for others some seconds later.

        `again` says that this worker has had a session before and lost it, as others may have.
        Without it, postponed notices are due at once, except those that a recipient's server
        deferred.
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
        """Free the claims that nobody works on; return how many.

        Those are the claims of workers that have been gone for some seconds of wall time, and this
        worker's own from an earlier session: all but the notifications `in_hand`.
        """
        ...

    @property
    def worker_missing(self) -> bool:
        """Whether the last `free_abandoned` saw a worker gone: call it again soon."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next unclaimed notice is due; None when there is none."""
        ...
