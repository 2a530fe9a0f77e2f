"""A department's helpers, and who of them passes the rules that no time changes."""

from collections.abc import Iterable
from datetime import date

import msgspec
from brobyg_contracts import Gender
from brobyg_contracts.pathways import TravelPolicy
from brobyg_contracts.reference import Pool, Reference

from brobyg_matching.domain.helper import Helper, Profile
from brobyg_matching.domain.need import Citizen, Need, Seat
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.travel import UNKNOWN_METRES, Distances, Itinerary, minutes

#: Ids of helpers by the first hard rule that excludes them.
Excluded = dict[str, list[str]]

#: What a helper in memory takes, with free time worked out for some weeks, in bytes.
HELPER_BYTES = 6_000
#: What a helper takes in a shortlist, in bytes.
ENTRY_BYTES = 200


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a seat asks of a helper at any time."""

    policy: str
    policy_version: int
    #: The pools that may be asked, in the policy's order.
    pools: tuple[str, ...]
    competences: tuple[str, ...]
    #: Competences that the citizen's mobility asks for.
    for_mobility: tuple[str, ...]
    #: One in common is enough; empty where nothing is asked.
    languages: tuple[str, ...]
    gender: Gender | None
    meeting_place: str | None
    parting_place: str | None
    has_span: bool
    #: Whether the helper's range counts. Not for a claim: whoever wants to come may.
    in_range: bool = True


def wish_of(
    need: Need, seat: Seat, policy: Policy, citizen: Citizen | None, way: Itinerary,
    reference: Reference,
) -> Wish:  # fmt: skip
    """What this seat asks. The pools are those of the policy that the department may ask."""
    declared, department = policy.seat(seat.role), reference.departments.get(need.department)
    pools = declared.pools if declared else ()
    if department is not None:
        pools = tuple(pool for pool in pools if pool in department.pools)
    own = declared.competences if declared else ()
    return Wish(
        policy.name,
        policy.version,
        pools,
        tuple(dict.fromkeys((*own, *need.competences))),
        policy.mobility_competences.get(citizen.mobility, ()) if citizen else (),
        citizen.languages if citizen else (),
        citizen.gender_wish if citizen else None,
        way.meeting_place,
        way.parting_place,
        way.meet_at is not None,
    )


class Reachable(msgspec.Struct, frozen=True, gc=False):
    """A helper who passes the timeless rules, with the travel times in seconds.

    Flat, because the rules read it for every seat.
    """

    helper_id: str
    #: The pool by which the helper was found.
    pool: str
    weekly_limit: int
    #: Cases at a time at most.
    case_limit: int
    profile: Profile
    distance_metres: int | None
    #: 1 at the meeting point, 0 at the edge of the helper's range.
    nearness: float
    out_seconds: int
    back_seconds: int
    #: The last day on which all papers hold; None without an end.
    until: date | None


class Shortlist(msgspec.Struct, frozen=True):
    """Who passes the timeless rules of a wish, and who does not."""

    reachable: list[Reachable]
    excluded: Excluded


class Roster:
    """All helpers of a department who were ever active.

    Never altered, but it remembers the shortlists it has worked out, in MAX_BYTES at most.
    """

    MAX_BYTES = 4_000_000

    def __init__(self, helpers: Iterable[Helper], distances: Distances) -> None:
        """Helpers who have only applied are left out: they are nobody's candidates yet."""
        self.distances = distances
        self.profiles = {
            helper.helper_id: Profile(helper)
            for helper in sorted(helpers, key=lambda one: one.helper_id)
            if helper.status != "applied"
        }
        self._shortlists: dict[Wish, Shortlist] = {}
        self._active: dict[frozenset[str], frozenset[str]] = {}
        self._most = max(16, self.MAX_BYTES // (ENTRY_BYTES * max(1, len(self.profiles))))

    @property
    def size(self) -> int:
        """What it takes in memory, roughly, in bytes."""
        entries = len(self._shortlists) * len(self.profiles)
        return HELPER_BYTES * len(self.profiles) + ENTRY_BYTES * entries

    def active(self, pools: frozenset[str]) -> frozenset[str]:
        """The ids of its active helpers in one of these pools."""
        known = self._active.get(pools)
        if known is None:
            known = self._active[pools] = frozenset(
                name
                for name, one in self.profiles.items()
                if one.helper.status == "active" and not pools.isdisjoint(one.helper.pools)
            )
        return known

    def shortlist(self, wish: Wish, travel: TravelPolicy | None) -> Shortlist:
        """The result of the timeless hard rules for this wish."""
        known = self._shortlists.get(wish)
        if known is None:
            if len(self._shortlists) >= self._most:
                self._shortlists.clear()
            known = self._shortlists[wish] = self._work_out(wish, travel)
        return known

    def _work_out(self, wish: Wish, travel: TravelPolicy | None) -> Shortlist:
        result = Shortlist([], {})
        for profile in self.profiles.values():
            rule = timeless_rule_broken(profile.helper, wish, self.distances)
            if rule is not None:
                result.excluded.setdefault(rule, []).append(profile.helper.helper_id)
            else:
                result.reachable.append(reachable(profile, wish, travel, self.distances))
        return result


def reachable(
    profile: Profile, wish: Wish, travel: TravelPolicy | None, distances: Distances
) -> Reachable:
    """The helper with what the rules read, whether or not the timeless rules hold."""
    helper, reference = profile.helper, distances.reference
    named = [pool for pool in wish.pools if pool in helper.pools] or list(helper.pools)
    pool = next((one for one in named if _has_papers(helper, reference.pools.get(one))), named[0])
    record = reference.pools.get(pool)
    distance, nearness, out, back = None, 0.0, 0, 0
    if wish.meeting_place is not None:
        distance = distances.metres(helper.home_postcode, wish.meeting_place)
        nearness = max(0.0, 1 - distance / helper.range_metres) if helper.range_metres else 0.0
        if travel is not None and wish.has_span and wish.parting_place is not None:
            pace = travel.alone[helper.travel]
            home = distances.metres(wish.parting_place, helper.home_postcode)
            out = minutes(distance, travel, pace) * 60
            back = minutes(home, travel, pace) * 60
    ends = [
        until
        for kind in (record.requires if record else ())
        if kind in helper.papers and (until := helper.papers[kind].valid_until) is not None
    ]
    return Reachable(
        helper.helper_id, pool, helper.weekly_limit, case_limit(helper, record), profile, distance,
        nearness, out, back, min(ends, default=None),
    )  # fmt: skip


def case_limit(helper: Helper, pool: Pool | None) -> int:
    """How many cases the helper has at a time at most: one call, or the caseload's limit."""
    if pool is not None and pool.capacity == "call":
        return 1
    if helper.caseload_limit is not None:
        return helper.caseload_limit
    return pool.limit if pool is not None and pool.limit is not None else 1


def timeless_rule_broken(helper: Helper, wish: Wish, distances: Distances) -> str | None:
    """The first hard rule that fails at any time, or None. HARD_RULES gives the order."""
    if helper.status != "active":
        return "active"
    pools = [pool for pool in wish.pools if pool in helper.pools]
    if not pools:
        return "pool"
    records = distances.reference.pools
    if not any(_has_papers(helper, records.get(pool)) for pool in pools):
        return "paper"
    if (rule := citizen_rule_broken(helper, wish)) is not None:
        return rule
    if not helper.competences.issuperset(wish.competences):
        return "competence"
    if wish.in_range and wish.meeting_place is not None:
        metres = distances.metres(helper.home_postcode, wish.meeting_place)
        if metres > helper.range_metres or metres >= UNKNOWN_METRES:
            return "range"
    return None


def citizen_rule_broken(helper: Helper, wish: Wish) -> str | None:
    """The first hard rule about what the citizen speaks, wishes or needs that fails, or None."""
    if wish.languages and helper.languages.isdisjoint(wish.languages):
        return "language"
    if wish.gender is not None and helper.gender != wish.gender:
        return "gender"
    if not helper.competences.issuperset(wish.for_mobility):
        return "mobility"
    return None


def _has_papers(helper: Helper, pool: Pool | None) -> bool:
    return pool is None or all(kind in helper.papers for kind in pool.requires)
