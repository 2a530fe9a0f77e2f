"""A planned session, at which several helpers are wanted."""

from dataclasses import dataclass
from datetime import datetime

from brobyg_contracts.events import SeatWanted

from brobyg_referral.cases.domain.need import Need


@dataclass(frozen=True, slots=True)
class Session:
    """A planned session."""

    session_id: str
    pathway: str
    department: str
    location_id: str
    #: Zone-aware UTC.
    starts_at: datetime
    ends_at: datetime
    #: Where they differ from the policy's.
    seats: tuple[SeatWanted, ...]
    created_at: datetime
    #: When it was called off; None while it is to take place.
    withdrawn_at: datetime | None = None

    @property
    def need(self) -> Need:
        """What it wants."""
        return Need(
            about="session",
            about_id=self.session_id,
            pathway=self.pathway,
            department=self.department,
            location_id=self.location_id,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            seats=self.seats,
        )
