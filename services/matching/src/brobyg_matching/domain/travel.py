"""How long the ways take. Straight lines between centres of postcodes, made longer by a detour and slower by the means."""

from functools import lru_cache
from math import ceil

import msgspec
from brobyg_contracts import Meeting, Mobility
from brobyg_contracts.errors import UnknownPlace
from brobyg_contracts.pathways import Means, Pace, PathwayPolicy, WayPolicy, load_pathway
from brobyg_contracts.places import distance_metres

#: A place nobody knows is out of everybody's range, so that its appointment reaches the coordinator.
UNKNOWN_METRES = 1_000_000
#: The longest straight line that ways are reckoned for; beyond it the range rule has long said no.
LONGEST_METRES = 100_000


@lru_cache(maxsize=65_536)
def metres(a: str, b: str) -> int:
    """Straight-line metres between two postcodes or locations; UNKNOWN_METRES when one of them isn't known."""
    try:
        return distance_metres(a, b)
    except UnknownPlace:
        return UNKNOWN_METRES


class Ways:
    """The ways of one pathway's policy, each worked out once."""

    def __init__(self, policy: WayPolicy) -> None:
        """Nothing is worked out yet."""
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
        way = max(
            min(metres(a, b), LONGEST_METRES) * self._policy.detour_factor,
            self._policy.shortest_metres,
        )
        return ceil(way / pace.metres_per_minute) + pace.margin_minutes


class Itinerary(msgspec.Struct, frozen=True):
    """What an escort takes, apart from the volunteer's own ways from and to home. Instants in seconds."""

    meeting_place: str
    parting_place: str
    meet_at: int
    part_at: int


class Policy:
    """One pathway's declared policy (schemas/pathways), with its ways ready to use."""

    def __init__(self, declared: PathwayPolicy) -> None:
        """Takes the policy as it stands."""
        self.matching = declared.matching
        self.ways = Ways(declared.way)
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
    """Where and when an escort begins and ends: at the citizen's home and back there, or at the place of the appointment."""
    arrive = starts_at - policy.matching.arrive_before_minutes * 60
    done = ends_at + policy.matching.wait_after_minutes * 60
    if meeting == "at_location":
        return Itinerary(location_id, location_id, arrive, done)
    way = policy.ways.together(postcode, location_id, mobility) * 60
    return Itinerary(postcode, postcode, arrive - way, done + way)


@lru_cache
def policy_of(pathway: str) -> Policy:
    """The policy of a pathway. Raises UnknownPathway."""
    return Policy(load_pathway(pathway))
