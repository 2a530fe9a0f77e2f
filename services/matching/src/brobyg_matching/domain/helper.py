"""A helper as the rules see one. Name and contact are kept elsewhere and never needed here."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Literal

import msgspec
from brobyg_contracts import Gender
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.pathways import Means

from brobyg_matching.domain.local_time import (
    Day,
    Interval,
    Window,
    covers,
    free_intervals,
    ordinary_intervals,
)
from brobyg_matching.errors import NotAllowed, NotReady

Status = Literal["applied", "active", "paused", "restricted", "erased"]

#: No paper is from before this day: an older date is a typing error.
EARLIEST_PAPER = date(1950, 1, 1)


class Paper(msgspec.Struct, frozen=True, gc=False):
    """Something signed, checked or learned."""

    #: The day it is from.
    since: date
    #: The last day it holds; None without an end.
    valid_until: date | None = None


class Helper(msgspec.Struct, frozen=True, kw_only=True):
    """Who can be asked for what."""

    helper_id: str
    status: Status
    pools: tuple[str, ...]
    departments: tuple[str, ...]
    languages: frozenset[str]
    #: None once erased.
    gender: Gender | None
    competences: frozenset[str]
    home_postcode: str
    #: The longest straight line from home to the meeting point.
    range_metres: int
    travel: Means
    #: Weekly free time.
    availability: tuple[Window, ...]
    #: Dates without free time, whatever the week says.
    away: frozenset[date]
    #: Needs with a span in one ISO week at most.
    weekly_limit: int
    #: Cases at a time at most; None for the pool's limit.
    caseload_limit: int | None = None
    #: By kind.
    papers: Mapping[str, Paper] = {}
    #: Of one who is restricted: the status once that is lifted.
    status_before: Status | None = None


def activated(
    helper: Helper, papers: Mapping[str, Paper], required: Iterable[Collection[str]], now: datetime
) -> Helper:
    """The helper as active, with these papers beside those that are known.

    `required` names the papers of each of the helper's pools: of one pool all must be there.
    Activating an active helper renews the papers; a paused one comes back. Days are of the Danish
    calendar. Raises NotReady for a paper from the future or before 1950, and when in every pool
    one is missing or no longer holds; it tells of the pool in which the fewest are. Raises
    NotAllowed for one who is restricted.
    """
    if helper.status == "restricted":
        raise NotAllowed("restricted")
    today = now.astimezone(LOCAL_ZONE).date()
    for kind, paper in papers.items():
        if paper.since > today:
            raise NotReady(f"the paper {kind} lies in the future")
        if paper.since < EARLIEST_PAPER:
            raise NotReady(f"the paper {kind} lies before {EARLIEST_PAPER.year}")
    all_papers = {**helper.papers, **papers}
    failings = [_failings(kinds, all_papers, today) for kinds in required]
    nearest = min(failings, key=len, default=[])
    if nearest:
        raise NotReady(nearest[0])
    return msgspec.structs.replace(helper, status="active", papers=all_papers)


def _failings(kinds: Iterable[str], papers: Mapping[str, Paper], today: date) -> list[str]:
    found = []
    for kind in kinds:
        until = papers[kind].valid_until if kind in papers else None
        if kind not in papers:
            found.append(f"the paper {kind} is missing")
        elif until is not None and until < today:
            found.append(f"the paper {kind} no longer holds")
    return found


def paused(helper: Helper) -> Helper:
    """The helper as paused: asked for nothing new, keeps what was agreed.

    Raises NotAllowed for one who was never active, or is restricted.
    """
    if helper.status == "restricted":
        raise NotAllowed("restricted")
    if helper.status == "applied":
        raise NotAllowed("never_active")
    return msgspec.structs.replace(helper, status="paused")


def restricted(helper: Helper) -> Helper:
    """The helper as restricted: all is kept, nothing is done (GDPR art. 18)."""
    if helper.status == "restricted":
        return helper
    return msgspec.structs.replace(helper, status="restricted", status_before=helper.status)


def unrestricted(helper: Helper) -> Helper:
    """The helper as they were before they were restricted."""
    if helper.status_before is None:
        return helper
    return msgspec.structs.replace(helper, status=helper.status_before, status_before=None)


def erased(helper: Helper) -> Helper:
    """The id alone, and what it served: nothing of the person is left."""
    return Helper(
        helper_id=helper.helper_id,
        status="erased",
        pools=helper.pools,
        departments=helper.departments,
        languages=frozenset(),
        gender=None,
        competences=frozenset(),
        home_postcode="",
        range_metres=0,
        travel="walk",
        availability=(),
        away=frozenset(),
        weekly_limit=0,
    )


class Profile:
    """A helper with the free time of each weekday, worked out once and remembered."""

    __slots__ = ("_week", "helper", "tie")

    def __init__(self, helper: Helper) -> None:
        """Nothing is worked out yet."""
        self.helper = helper
        #: Orders helpers of equal points, together with the need's id.
        self.tie = int(helper.helper_id[-12:], 16)
        self._week: list[tuple[Interval, ...] | None] = [None] * 8

    def is_free(self, day: Day, since: int, until: int) -> bool:
        """Whether all of [since, until) is free time; `day` is the date about which it is."""
        helper = self.helper
        if not day.ordinary or not day.around.isdisjoint(helper.away):
            return covers(free_intervals(helper.availability, helper.away, day.local), since, until)
        week = self._week[day.weekday]
        if week is None:
            week = self._week[day.weekday] = ordinary_intervals(helper.availability, day.weekday)
        return covers(week, since - day.midnight, until - day.midnight)
