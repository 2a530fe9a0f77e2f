"""How the services are, as an operator sees them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias

#: `silent`: no answer came; `refused`: it did not tell us, by an error of its own or ours.
State: TypeAlias = Literal["ready", "not_ready", "silent", "refused"]


#: Causes that stop no service: something waits.
WAITING = ("parked", "dead_letters")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not well with a service, as the service itself tells it."""

    #: A code; those of the kit are in `brobyg_kit.operations.HELPS`.
    cause: str
    #: In a few words of English; "" where the cause says it all.
    detail: str
    #: What helps, as it is typed.
    command: str


@dataclass(frozen=True, slots=True)
class Outbox:
    """What waits to be published."""

    rows: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """A token or key that ends soon, or has ended."""

    what: str
    #: Below zero when it has ended.
    days: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a service says of itself. None for a figure that it can't tell now, or does not have."""

    ready: bool
    troubles: tuple[Trouble, ...] = ()
    endings: tuple[Ending, ...] = ()
    outbox: Outbox | None = None
    parked: int | None = None
    dead_letters: int | None = None
    #: Events of each topic that are not handled yet.
    lag_by_topic: dict[str, int] = field(default_factory=dict)
    #: What needs a human, by its kind.
    attention: dict[str, int] = field(default_factory=dict)
    #: Messages that were refused since the beginning.
    rejections: int | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that could not be handled, or waits behind one: where it is, not what it says."""

    id: int
    event_id: str
    subject: str
    type: str
    topic: str
    partition: int
    offset: int
    #: `retrying`, `waiting` (behind an earlier one of the same subject), or `dead`.
    state: str
    reason: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    #: Whose it is.
    service: str = ""


@dataclass(frozen=True, slots=True)
class Letters:
    """The oldest of what a service could not handle."""

    letters: tuple[Letter, ...] = ()
    #: How many there are in all.
    total: int = 0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service as it was when it was asked."""

    name: str
    state: State
    #: None where none came.
    report: Report | None = None
    troubles: tuple[Trouble, ...] = ()
    letters: Letters | None = None

    def grave(self, trouble: Trouble) -> bool:
        """Whether it keeps the service from its work; else something waits."""
        return self.state != "ready" and trouble.cause not in WAITING

    def count(self, trouble: Trouble) -> int | None:
        """How many events the trouble is about; None where it is about none."""
        counts = (self.report.parked, self.report.dead_letters) if self.report else (None, None)
        return dict(zip(WAITING, counts, strict=True)).get(trouble.cause)

    @property
    def lag(self) -> int:
        """Events that are not handled yet."""
        return sum(self.report.lag_by_topic.values()) if self.report else 0


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is not well, where."""

    service: str
    trouble: Trouble
    #: Whether the service does not do its work; else something waits.
    grave: bool
    #: How many events it is about; None where it is about none.
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All services."""

    services: Sequence[ServiceState]

    @property
    def wrong(self) -> list[Wrong]:
        """What is not well: what stops a service first."""
        found = [
            Wrong(one.name, trouble, one.grave(trouble), one.count(trouble))
            for one in self.services
            for trouble in one.troubles
        ]
        return sorted(found, key=lambda one: not one.grave)

    @property
    def letters(self) -> list[Letter]:
        """The oldest of each service's, the oldest first."""
        told = (one.letters for one in self.services if one.letters is not None)
        found = [letter for letters in told for letter in letters.letters]
        return sorted(found, key=lambda one: one.first_failed_at)

    @property
    def letters_total(self) -> int:
        """How many there are in all, as far as services tell."""
        return sum(one.letters.total for one in self.services if one.letters is not None)

    @property
    def silent(self) -> list[str]:
        """Services of which nothing is known now."""
        return [one.name for one in self.services if one.report is None]

    @property
    def attention(self) -> list[tuple[str, str, int]]:
        """Service, kind and number of what needs a human, the most first."""
        found = [
            (one.name, kind, count)
            for one in self.services
            for kind, count in (one.report.attention.items() if one.report else ())
        ]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))

    @property
    def lags(self) -> list[tuple[str, str, int]]:
        """Service, topic and number of events that are not handled yet, the most first."""
        found = [
            (one.name, topic, count)
            for one in self.services
            for topic, count in (one.report.lag_by_topic.items() if one.report else ())
            if count
        ]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))

    @property
    def endings(self) -> list[tuple[str, Ending]]:
        """What is to be renewed, the first to end first."""
        found = [
            (one.name, ending)
            for one in self.services
            for ending in (one.report.endings if one.report else ())
        ]
        return sorted(found, key=lambda one: one[1].days)


def seen(name: str, report: Report, letters: Letters | None) -> ServiceState:
    """A service that answered."""
    state: State = "ready" if report.ready else "not_ready"
    return ServiceState(name, state, report, report.troubles, letters)


def of_service(name: str, letters: Letters) -> Letters:
    """The same, knowing whose they are."""
    return replace(letters, letters=tuple(replace(one, service=name) for one in letters.letters))
