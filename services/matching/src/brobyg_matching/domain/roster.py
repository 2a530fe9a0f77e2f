"""The volunteers that can be asked, and who of them passes the rules that depend on no time."""

from collections.abc import Iterable

import msgspec
from brobyg_contracts import Needs, Pool

from brobyg_matching.domain import travel
from brobyg_matching.domain.volunteer import Profile, Volunteer

#: Ids of volunteers by the first hard rule that excludes them.
Excluded = dict[str, list[str]]

#: Competences that a citizen's mobility asks for.
COMPETENCES: dict[str, str] = {"wheelchair": "wheelchair"}


class Reachable(msgspec.Struct, frozen=True):
    """A volunteer who passes the rules that depend on no time, with the travel times in seconds.

    Flat, because the rules read it for every appointment.
    """

    volunteer_id: str
    weekly_limit: int
    profile: Profile
    distance_metres: int
    #: 1 at the meeting point, 0 at the edge of the volunteer's range.
    nearness: float
    out_seconds: int
    back_seconds: int


class Shortlist(msgspec.Struct, frozen=True):
    """Who passes the rules that depend on no time for certain needs and places, and who not."""

    reachable: list[Reachable]
    excluded: Excluded


class Roster:
    """All volunteers that can be asked, by department.

    Never altered, but it caches the shortlists it has computed, MAX_SHORTLISTS at most.
    """

    MAX_SHORTLISTS = 8192

    def __init__(self, volunteers: Iterable[Volunteer] = ()) -> None:
        """Volunteers who have only applied are left out: they can't be asked yet."""
        self.volunteers: dict[str, Volunteer] = {}
        self.profiles: dict[str, list[Profile]] = {}
        for volunteer in sorted(volunteers, key=lambda v: v.volunteer_id):
            if volunteer.status != "applied":
                self.volunteers[volunteer.volunteer_id] = volunteer
                self.profiles.setdefault(volunteer.department, []).append(Profile(volunteer))
        self._shortlists: dict[tuple[object, ...], Shortlist] = {}

    def shortlist(
        self,
        department: str,
        policy: travel.Policy,
        needs: Needs,
        meeting_place: str,
        parting_place: str,
    ) -> Shortlist:
        """Who passes the hard rules that depend on no time, for these needs and places."""
        key = (
            department, policy, needs.languages, needs.gender_wish, needs.mobility, meeting_place,
            parting_place,
        )  # fmt: skip
        known = self._shortlists.get(key)
        if known is None:
            if len(self._shortlists) >= self.MAX_SHORTLISTS:
                self._shortlists.clear()
            known = self._compute(department, policy, needs, meeting_place, parting_place)
            self._shortlists[key] = known
        return known

    def _compute(
        self, department: str, policy: travel.Policy, needs: Needs, meeting: str, parting: str
    ) -> Shortlist:
        result = Shortlist([], {})
        for profile in self.profiles.get(department, ()):
            volunteer = profile.volunteer
            rule = fixed_rule_broken(volunteer, policy.pools, needs, meeting)
            if rule is not None:
                result.excluded.setdefault(rule, []).append(volunteer.volunteer_id)
                continue
            result.reachable.append(_reachable(profile, policy, meeting, parting))
        return result


def _reachable(profile: Profile, policy: travel.Policy, meeting: str, parting: str) -> Reachable:
    volunteer = profile.volunteer
    home, means = volunteer.home_postcode, volunteer.travel
    distance = travel.metres(home, meeting)
    return Reachable(
        volunteer.volunteer_id,
        volunteer.weekly_limit,
        profile,
        distance,
        1 - distance / volunteer.range_metres if volunteer.range_metres else 0.0,
        policy.travel.alone(home, meeting, means) * 60,
        policy.travel.alone(parting, home, means) * 60,
    )


def fixed_rule_broken(
    volunteer: Volunteer, pools: frozenset[Pool], needs: Needs, meeting_place: str
) -> str | None:
    """The first hard rule that fails whatever the time, or None. HARD_RULES gives the order."""
    if volunteer.status != "active":
        return "active"
    if volunteer.pool not in pools:
        return "pool"
    if volunteer.languages.isdisjoint(needs.languages):
        return "language"
    if needs.gender_wish is not None and volunteer.gender != needs.gender_wish:
        return "gender"
    if needs.mobility in COMPETENCES and COMPETENCES[needs.mobility] not in volunteer.competences:
        return "competence"
    if travel.metres(volunteer.home_postcode, meeting_place) > volunteer.range_metres:
        return "range"
    return None
