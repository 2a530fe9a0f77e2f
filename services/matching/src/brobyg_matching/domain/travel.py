"""Travel times: straight lines between centres of postcodes, times a detour factor, by means."""

from math import ceil

import msgspec
from brobyg_contracts.pathways import Pace, TravelPolicy
from brobyg_contracts.reference import Located, Reference, distance_metres

from brobyg_matching.domain.need import Citizen, Facts
from brobyg_matching.domain.policy import Policy

#: The distance of an unknown place: out of everybody's range, so that the coordinator is told.
UNKNOWN_METRES = 1_000_000
#: The longest straight line that travel times are computed for; the range rule excludes it anyway.
LONGEST_METRES = 100_000


class Distances:
    """Straight lines between places and postcodes, each computed once; at most MAX remembered."""

    MAX = 65_536

    def __init__(self, reference: Reference) -> None:
        """Distances as this reference data has them."""
        self.reference = reference
        self._known: dict[tuple[str, str], int] = {}

    def metres(self, a: str, b: str) -> int:
        """Metres between two postcodes or places; UNKNOWN_METRES if one is unknown."""
        known = self._known.get((a, b))
        if known is None:
            if len(self._known) >= self.MAX:
                self._known.clear()
            known = self._known[a, b] = self._metres(a, b)
        return known

    def _metres(self, a: str, b: str) -> int:
        one, other = self._located(a), self._located(b)
        return UNKNOWN_METRES if one is None or other is None else distance_metres(one, other)

    def _located(self, id: str) -> Located | None:
        return self.reference.postcodes.get(id) or self.reference.places.get(id)


def minutes(metres: int, policy: TravelPolicy, pace: Pace) -> int:
    """Whole minutes for this straight line at this pace."""
    distance = max(min(metres, LONGEST_METRES) * policy.detour_factor, policy.shortest_metres)
    return ceil(distance / pace.metres_per_minute) + pace.margin_minutes


class Itinerary(msgspec.Struct, frozen=True, gc=False):
    """Where and when help begins and ends, without the helper's own travel.

    Times in seconds since 1970 UTC; None for a need without a span. A place is None where the need
    has none.
    """

    meeting_place: str | None
    parting_place: str | None
    meet_at: int | None
    part_at: int | None


def itinerary(
    policy: Policy, facts: Facts, citizen: Citizen | None, distances: Distances
) -> Itinerary:
    """From the citizen's home and back there, or at the need's own place.

    Without travel in the policy it is the span itself.
    """
    place, travel = facts.location_id, policy.travel
    if facts.starts_at is None or facts.ends_at is None:
        where = place or (citizen.postcode if citizen else None)
        return Itinerary(where, where, None, None)
    start, end = int(facts.starts_at.timestamp()), int(facts.ends_at.timestamp())
    if travel is None:
        return Itinerary(place, place, start, end)
    arrive, done = start - travel.arrive_before_minutes * 60, end + travel.wait_after_minutes * 60
    if citizen is None or citizen.meeting == "at_location" or place is None:
        return Itinerary(place, place, arrive, done)
    metres = distances.metres(citizen.postcode, place)
    seconds = minutes(metres, travel, travel.together[citizen.mobility]) * 60
    return Itinerary(citizen.postcode, citizen.postcode, arrive - seconds, done + seconds)
