"""What wants helpers, as it is told to those who look for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from brobyg_contracts import pathways
from brobyg_contracts.events import NeedChanged, NeedClosed, NeedOpened, SeatWanted
from msgspec import UNSET

#: What a need of this service is about. Its id is that thing's: one thing, one need.
NeedSubject: TypeAlias = Literal["appointment", "referral", "session"]
NeedEvent: TypeAlias = NeedOpened | NeedChanged | NeedClosed
_ToldT = TypeVar("_ToldT", NeedOpened, NeedChanged)
#: What is ordinary among 1 (the most urgent) to 9.
_PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Need:
    """A need, with all that is said of it."""

    about: NeedSubject
    about_id: str
    pathway: str
    department: str
    #: Whose it is; None where it is nobody's in particular.
    referral_id: str | None = None
    citizen_id: str | None = None
    location_id: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    #: Where they differ from the policy's.
    seats: tuple[SeatWanted, ...] = ()

    def opened(self) -> NeedOpened:
        """That helpers are wanted, for the first time or again. Raises UnknownPathway."""
        return self._told(NeedOpened)

    def changed(self) -> NeedChanged:
        """That it is otherwise than before. Raises UnknownPathway."""
        return self._told(NeedChanged)

    def closed(self, reason: str) -> NeedClosed:
        """That nobody is looked for any more."""
        return NeedClosed(
            need_id=self.about_id,
            about_kind=self.about,
            about_id=self.about_id,
            reason=reason,
            referral_id=self.referral_id or UNSET,
            citizen_id=self.citizen_id or UNSET,
        )

    def _told(self, kind: type[_ToldT]) -> _ToldT:
        return kind(
            need_id=self.about_id,
            about_kind=self.about,
            about_id=self.about_id,
            pathway=self.pathway,
            policy_version=pathways.load_pathway(self.pathway).version,
            department=self.department,
            mode="in_person",
            priority=_PRIORITY,
            competences=(),
            referral_id=self.referral_id or UNSET,
            citizen_id=self.citizen_id or UNSET,
            location_id=self.location_id or UNSET,
            starts_at=self.starts_at or UNSET,
            ends_at=self.ends_at or UNSET,
            seats=self.seats or UNSET,
        )


def pathways_about(subject: NeedSubject) -> list[str]:
    """The pathways in which it is this that opens a need, by name."""
    return sorted(
        name for name, policy in pathways.pathways().items() if policy.need.about == subject
    )
