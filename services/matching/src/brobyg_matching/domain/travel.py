"""Travel times: straight lines between centres of postcodes, times a detour factor, by means."""

from functools import lru_cache
from math import ceil

import msgspec
from brobyg_contracts import Meeting, Mobility
from brobyg_contracts.errors import UnknownPlace
from brobyg_contracts.pathways import Means, Pace, PathwayPolicy, WayPolicy, load_pathway
from brobyg_contracts.places import distance_metres

#: The distance of an unknown place: out of everybody's range, so that the coordinator is told.
UNKNOWN_METRES = 1_000_000
#: The longest straight line that travel times are computed for; the range rule excludes it anyway.
LONGEST_METRES = 100_000


@lru_cache(maxsize=65_536)
def metres(a: str, b: str) -> int:
    """Straight-line metres between two postcodes or locations; UNKNOWN_METRES if one is unknown."""
    try:
        return distance_metres(a, b)
    except UnknownPlace:
        return UNKNOWN_METRES


class TravelTimes:
    """The travel times under one pathway's policy, each computed once."""

    def __init__(self, policy: WayPolicy) -> None:
        """Nothing is computed yet."""
        self._policy = policy
        self.alone = lru_cache(maxsize=65_536)(self._alone)
        self.together = lru_cache(maxsize=65_536)(self._together)

    def _alone(self, a: str, b: str, means: Means) -> int:
        """Whole minutes a volunteer needs from a to b."""
        return self._minutes(a, b, self._policy.alone[means])

    def _together(self, a: str, b: str, mobility: Mobility) -> int:
        """Whole minutes citizen and volunteer need from a to b."""
        return self._minutes(a, b, self._policy.together[mobility])

    def _minutes(self, a: str, b: str, pace: Pace) -> int:
        distance = max(
            min(metres(a, b), LONGEST_METRES) * self._policy.detour_factor,
            self._policy.shortest_metres,
        )
        return ceil(distance / pace.metres_per_minute) + pace.margin_minutes


class Itinerary(msgspec.Struct, frozen=True):
    """Where and when an escort begins and ends, without the volunteer's own travel.

    Times in seconds since 1970 UTC.
    """

    meeting_place: str
    parting_place: str
    meet_at: int
    part_at: int


class Policy:
    """One pathway's declared policy (schemas/pathways), with its travel times ready to use."""

    def __init__(self, declared: PathwayPolicy) -> None:
        """The policy as declared."""
        self.matching = declared.matching
        self.travel = TravelTimes(declared.way)
        self.pools = frozenset(declared.matching.pools)


def itinerary(
    policy: Policy,
    meeting: Meeting,
    postcode: str,
    mobility: Mobility,
    location_id: str,
    starts_at: int,
    ends_at: int,
) -> Itinerary:
    """The itinerary from the citizen's home and back there, or at the appointment's own place."""
    arrive = starts_at - policy.matching.arrive_before_minutes * 60
    done = ends_at + policy.matching.wait_after_minutes * 60
    if meeting == "at_location":
        return Itinerary(location_id, location_id, arrive, done)
    seconds = policy.travel.together(postcode, location_id, mobility) * 60
    return Itinerary(postcode, postcode, arrive - seconds, done + seconds)


@lru_cache
def policy_of(pathway: str) -> Policy:
    """The policy of a pathway. Raises UnknownPathway."""
    return Policy(load_pathway(pathway))
