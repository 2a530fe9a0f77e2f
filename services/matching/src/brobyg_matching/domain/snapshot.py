"""What the rules look at: who the volunteers are, what they have promised, whom they know. Loaded once, then kept up in memory."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from brobyg_contracts import Gender, Meeting, Mobility, Pool

from brobyg_matching.domain import travel
from brobyg_matching.domain.local_time import week_of
from brobyg_matching.domain.volunteer import Profile, Volunteer

Excluded = dict[str, list[str]]


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What the citizen needs of whoever comes along."""

    languages: frozenset[str]
    gender_wish: Gender | None
    mobility: Mobility
    meeting: Meeting
    postcode: str


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """A request for company for one citizen. Without consent nothing is searched."""

    referral_id: str
    citizen_id: str
    pathway: str
    department: str
    consented: bool
    needs: Needs


class Commitment(msgspec.Struct, frozen=True):
    """Time a volunteer has promised: from leaving home to being home again, in instants (seconds)."""

    appointment_id: str
    volunteer_id: str
    leave_at: int
    home_at: int
    starts_at: int

    @property
    def week(self) -> int:
        """The local ISO week that the escort counts in."""
        return week_of(self.starts_at)


class Reachable(msgspec.Struct, frozen=True):
    """A volunteer who passes the rules that no appointment's time changes, with the ways in seconds.

    Flat, because the rules look at it for every appointment. `nearness` is 1 at the meeting point and 0 at the edge of the range.
    """

    volunteer_id: str
    weekly_limit: int
    profile: Profile
    distance_metres: int
    nearness: float
    out_seconds: int
    back_seconds: int


class Shortlist(msgspec.Struct, frozen=True):
    """Who passes the timeless rules for certain needs and places, and who does not, by the first rule that fails."""

    reachable: list[Reachable]
    excluded: Excluded


#: Competences a citizen's mobility asks for.
COMPETENCES: dict[str, str] = {"wheelchair": "wheelchair"}


class Roster:
    """All volunteers that can be asked, by department, with the shortlists worked out so far."""

    MAX_SHORTLISTS = 8192

    def __init__(self, volunteers: Iterable[Volunteer]) -> None:
        """Volunteers who only applied are left out: they are nobody's candidates yet."""
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
        """The timeless part of the hard rules, remembered for needs and places like these."""
        key = (
            department,
            policy,
            needs.languages,
            needs.gender_wish,
            needs.mobility,
            meeting_place,
            parting_place,
        )
        known = self._shortlists.get(key)
        if known is None:
            if len(self._shortlists) >= self.MAX_SHORTLISTS:
                self._shortlists.clear()
            known = self._work_out(department, policy, needs, meeting_place, parting_place)
            self._shortlists[key] = known
        return known

    def _work_out(
        self, department: str, policy: travel.Policy, needs: Needs, meeting: str, parting: str
    ) -> Shortlist:
        result = Shortlist([], {})
        for profile in self.profiles.get(department, ()):
            volunteer = profile.volunteer
            rule = timeless_rule_broken(volunteer, policy.pools, needs, meeting)
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
        policy.ways.alone(home, meeting, means) * 60,
        policy.ways.alone(parting, home, means) * 60,
    )


def timeless_rule_broken(
    volunteer: Volunteer, pools: frozenset[Pool], needs: Needs, meeting_place: str
) -> str | None:
    """The first hard rule that fails whatever the time, or None. The order is the one the counts are explained in."""
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


class World:
    """The roster and what moves: promises, open offers, acquaintances and blocks."""

    def __init__(
        self,
        roster: Roster,
        commitments: Iterable[Commitment] = (),
        open_offers: Iterable[tuple[str, int]] = (),
        known: Iterable[tuple[str, str, str]] = (),
        blocks: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`open_offers` are (volunteer, count); `known` are (citizen, appointment, volunteer); `blocks` (volunteer, citizen)."""
        self.roster = roster
        self.commitments: dict[str, dict[str, Commitment]] = {}
        for commitment in commitments:
            self.promise(commitment)
        self.open_offers: Counter[str] = Counter(dict(open_offers))
        self.known: dict[str, dict[str, str]] = {}
        for citizen, appointment, volunteer in known:
            self.known.setdefault(citizen, {})[appointment] = volunteer
        self.blocks = frozenset(blocks)

    def promise(self, commitment: Commitment) -> None:
        """A volunteer has promised this time."""
        self.commitments.setdefault(commitment.volunteer_id, {})[commitment.appointment_id] = (
            commitment
        )

    def acquaint(
        self, citizen_id: str, appointment_id: str, volunteer_id: str, *, met: bool
    ) -> None:
        """The two have come to know each other by this appointment, or have not."""
        known = self.known.setdefault(citizen_id, {})
        if met:
            known[appointment_id] = volunteer_id
        else:
            known.pop(appointment_id, None)

    def release(self, volunteer_id: str, citizen_id: str, appointment_id: str) -> None:
        """The promise is void."""
        self.commitments.get(volunteer_id, {}).pop(appointment_id, None)
        self.known.get(citizen_id, {}).pop(appointment_id, None)

    def acquainted(self, citizen_id: str) -> frozenset[str]:
        """Volunteers who have escorted the citizen before."""
        known = self.known.get(citizen_id)
        return frozenset(known.values()) if known else frozenset()
