"""A volunteer as the rules see one. Name and contact are kept elsewhere and never needed here."""

from datetime import date, datetime
from typing import Literal

import msgspec
from brobyg_contracts import Gender, Pool
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.pathways import Means

from brobyg_matching.domain.local_time import Interval, Window, free_intervals
from brobyg_matching.errors import NotAllowed, NotReady

Status = Literal["applied", "active", "paused"]

#: No volunteer was checked before this day: an older date is a typing error.
EARLIEST_CHECK = date(1950, 1, 1)


class Volunteer(msgspec.Struct, frozen=True, kw_only=True):
    """Who can be asked for what."""

    volunteer_id: str
    status: Status
    pool: Pool
    department: str
    languages: frozenset[str]
    gender: Gender
    competences: frozenset[str]
    home_postcode: str
    #: The longest straight line from home to the meeting point.
    range_metres: int
    travel: Means
    #: Weekly free time.
    availability: tuple[Window, ...]
    #: Dates without free time, whatever the week says.
    away: frozenset[date]
    #: Escorts in one ISO week at most.
    weekly_limit: int
    #: Rises with each change.
    version: int = 1
    confidentiality_signed_on: date | None = None
    record_checked_on: date | None = None
    introduced_on: date | None = None


def activated(
    volunteer: Volunteer, signed: date, checked: date, introduced: date, now: datetime
) -> Volunteer:
    """The volunteer as active: confidentiality signed, record checked, introduction course held.

    The dates are days of the Danish calendar. Activating an active volunteer renews them; a paused
    one comes back. Raises NotReady for a date in the future or before 1950.
    """
    for name, day in (
        ("confidentiality_signed_on", signed),
        ("record_checked_on", checked),
        ("introduced_on", introduced),
    ):
        if day > now.astimezone(LOCAL_ZONE).date():
            raise NotReady(f"{name} lies in the future")
        if day < EARLIEST_CHECK:
            raise NotReady(f"{name} lies before {EARLIEST_CHECK.year}")
    return msgspec.structs.replace(
        volunteer,
        status="active",
        version=volunteer.version + 1,
        confidentiality_signed_on=signed,
        record_checked_on=checked,
        introduced_on=introduced,
    )


def paused(volunteer: Volunteer) -> Volunteer:
    """The volunteer as paused: asked for nothing new, keeps what was accepted.

    Raises NotAllowed for one who was never active.
    """
    if volunteer.status == "applied":
        raise NotAllowed("never_active")
    return msgspec.structs.replace(volunteer, status="paused", version=volunteer.version + 1)


class Profile:
    """A volunteer with the free time of each day, computed once and remembered."""

    __slots__ = ("days", "tie", "volunteer")

    MAX_DAYS = 400

    def __init__(self, volunteer: Volunteer) -> None:
        """Nothing is computed yet."""
        self.volunteer = volunteer
        #: Orders volunteers of equal points, together with the appointment's id.
        self.tie = int(volunteer.volunteer_id.replace("-", "")[-12:], 16)
        #: Free intervals by local date, as far as they are computed.
        self.days: dict[date, tuple[Interval, ...]] = {}

    def free(self, day: date) -> tuple[Interval, ...]:
        """Free intervals around the local date `day`."""
        known = self.days.get(day)
        if known is None:
            if len(self.days) >= self.MAX_DAYS:
                self.days.clear()
            known = self.days[day] = free_intervals(
                self.volunteer.availability, self.volunteer.away, day
            )
        return known
