"""A batch of events in memory: what it is about as it becomes, and an event ready to be applied to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec
from brobyg_contracts import AppointmentBooked, AppointmentRescheduled, ConsentWithdrawn
from brobyg_kit.event import Event, EventData

from brobyg_matching.domain.match import Change, Context, Match
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.world import Referral, World


class UnknownReferral(LookupError):
    """An appointment of a referral that nothing has been heard of. Its event is parked until that changes."""


@dataclass(slots=True)
class Batch:
    """What a batch of events is about, as it becomes."""

    now: datetime
    referrals: dict[str, Referral]
    matches: dict[str, Match]
    world: World
    changed_referrals: dict[str, Referral] = field(default_factory=dict)
    of_referral: dict[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.of_referral = {}
        for match in self.matches.values():
            self.of_referral.setdefault(match.referral_id, set()).add(match.appointment_id)

    def context(self, referral_id: str) -> Context:
        """What a transition of this referral may look at. Raises UnknownReferral."""
        referral = self.referrals.get(referral_id)
        if referral is None:
            raise UnknownReferral("the referral is not known here (yet)")
        return Context(self.now, policy_of(referral.pathway), referral, self.world)

    def know(self, referral: Referral) -> None:
        """The referral is like this now."""
        self.referrals[referral.referral_id] = self.changed_referrals[referral.referral_id] = (
            referral
        )

    def take(self, change: Change) -> Change:
        """The match is like this now."""
        match = change.match
        self.matches[match.appointment_id] = match
        self.of_referral.setdefault(match.referral_id, set()).add(match.appointment_id)
        return change


class OfReferral(EventData, Protocol):
    """What all events of referral's topic say."""

    @property
    def referral_id(self) -> str:
        """The referral this belongs to."""
        ...


DataT = TypeVar("DataT", bound=OfReferral)


class Read(msgspec.Struct):
    """An event that was read, ready to be applied."""

    event: Event
    referral_id: str
    appointment_id: str | None
    #: The appointment that a search may begin for.
    searches: AppointmentBooked | AppointmentRescheduled | None
    #: True when it touches all appointments of the referral.
    touches_all: bool
    apply: Callable[[Batch], list[Change | None]]


class Reader(Protocol):
    """A reaction whatever its event type."""

    def read(self, event: Event) -> Read:
        """The event, decoded. Raises UndecodableEvent."""
        ...


class Reaction(Generic[DataT]):
    """An event type with what is done about it."""

    __slots__ = ("_act", "_kind")

    def __init__(
        self, kind: type[DataT], act: Callable[[Batch, DataT], list[Change | None]]
    ) -> None:
        """`act` applies the event to a batch and returns what changed; None for what had no effect."""
        self._kind, self._act = kind, act

    def read(self, event: Event) -> Read:
        """The event, decoded. Raises UndecodableEvent."""
        data, act = event.decode(self._kind), self._act
        searches = data if isinstance(data, AppointmentBooked | AppointmentRescheduled) else None
        return Read(
            event,
            data.referral_id,
            getattr(data, "appointment_id", None),
            searches,
            isinstance(data, ConsentWithdrawn),
            lambda batch: act(batch, data),
        )
