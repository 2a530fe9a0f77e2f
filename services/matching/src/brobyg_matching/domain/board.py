"""What a batch of events, answers or timers is about, in memory: read once, changed, written once.

Pure: no I/O and no clock. The functions that change it (`transitions`, `searching`, `answers`)
leave what is to be written in its attributes.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec
from brobyg_contracts.reference import Reference
from brobyg_kit.event import Event, EventData

from brobyg_matching.domain.diary import Booking, Diary
from brobyg_matching.domain.helper import Helper, Profile
from brobyg_matching.domain.need import Citizen, Need, Offer
from brobyg_matching.domain.neighbours import asked_of, neighbours
from brobyg_matching.domain.policy import Policy, policy_of
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.travel import Distances, Itinerary, itinerary


class Emission(msgspec.Struct, frozen=True, gc=False):
    """An event that has come about, with the event that caused it."""

    subject: str
    data: EventData
    cause: Event | None


class Raised(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something needs a human."""

    kind: str
    need_id: str
    urgency: str
    department: str
    reasons: tuple[str, ...]
    referral_id: str | None
    citizen_id: str | None
    other_need_id: str | None
    due_at: datetime | None
    cause: Event | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """Its cause is gone, or (`outcome` given) a human has decided so."""

    kind: str
    need_id: str
    cause: Event | None = None
    outcome: str | None = None


class GivenUp(msgspec.Struct, frozen=True, gc=False):
    """A search that has ended without anybody: why, how many were asked, who was ruled out."""

    reason: str
    asked: int
    excluded: dict[str, int]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around the needs, beside them."""

    citizens: Mapping[str, Citizen] = {}
    #: By referral: whether consent stands.
    consents: Mapping[str, bool] = {}
    #: By department.
    rosters: Mapping[str, Roster] = {}
    #: Helpers who are named by what is done, in no shortlist perhaps.
    profiles: Mapping[str, Profile] = {}
    bookings: tuple[Booking, ...] = ()
    #: How many cases each helper has.
    cases: Mapping[str, int] = {}
    #: How many offers are open to each helper.
    open_offers: Mapping[str, int] = {}
    #: By citizen: the helper who came to know them by each need.
    met: Mapping[str, Mapping[str, str]] = {}
    #: By citizen: helpers who are not brought together with them.
    blocks: Mapping[str, frozenset[str]] = {}
    #: When each helper was last asked in turn, seconds since 1970 UTC.
    turns: Mapping[str, int] = {}


class Board:
    """Needs and what is known around them, as they become."""

    def __init__(
        self, now: datetime, distances: Distances, needs: Mapping[str, Need], known: Known
    ) -> None:
        """Take what was read; it is not altered."""
        self.now, self.distances = now, distances
        self.reference: Reference = distances.reference
        self.needs: dict[str, Need] = dict(needs)
        self.citizens, self.consents = dict(known.citizens), dict(known.consents)
        self.rosters, self.profiles, self.blocks = known.rosters, known.profiles, {**known.blocks}
        self.diary = Diary(known.bookings, known.cases)
        self.open_offers, self.turns = dict(known.open_offers), dict(known.turns)
        self._met = {citizen: dict(met) for citizen, met in known.met.items()}
        self._policies: dict[str, Policy] = {}
        #: What each was computed of, and the itinerary.
        self._itineraries: dict[str, tuple[tuple[object, ...], Itinerary]] = {}
        self._of_citizen: dict[str, set[str]] = {}
        self._of_referral: dict[str, set[str]] = {}
        for need in needs.values():
            self._index(need)
        #: The event in hand.
        self.cause: Event | None = None
        #: The needs that were changed since the last `finish`.
        self.touched: dict[str, None] = {}
        #: Searches that were given up since the last `finish`, by need.
        self.given_up: dict[str, list[GivenUp]] = {}
        #: Needs from which a helper has withdrawn when it is late.
        self.late: set[str] = set()
        #: Needs to be decided anew, as what stood in their way has gone.
        self.again: dict[str, None] = {}

        # What is to be written.
        #: Each changed need as it was read; None for a new one.
        self.before: dict[str, Need | None] = {}
        self.changed_citizens: set[str] = set()
        self.changed_consents: dict[str, str] = {}
        #: Citizens of whom nothing is kept any more, with the event that said so; None where only
        #: their record was deleted so far.
        self.erased: dict[str, Event | None] = {}
        #: Why nothing is deleted of citizens from now on; None once that was lifted.
        self.restricted: dict[str, str | None] = {}
        #: Services that hold nothing more of somebody: person and service.
        self.acknowledged: list[tuple[str, str]] = []
        #: Offers that are new or changed, by id; `made` are the new ones.
        self.offers: dict[str, Offer] = {}
        self.made: set[str] = set()
        #: By place: what is booked now, or None for what was freed.
        self.booked: dict[tuple[str, int], Booking | None] = {}
        #: By helper: cases taken less cases given back, and the limit that held.
        self.case_changes: dict[str, tuple[int, int | None]] = {}
        self.emissions: list[Emission] = []
        self.attention: list[Raised | Settled] = []
        #: When each need's timer is to fire; None to delete it.
        self.timers: dict[str, datetime | None] = {}
        #: Helpers who have been matched: their other open offers may clash with it.
        self.promised: set[str] = set()
        #: Departments in which capacity has become free.
        self.freed: set[str] = set()
        #: Helpers who were asked in turn.
        self.turned: set[str] = set()

    def _index(self, need: Need) -> None:
        if need.citizen_id is not None:
            self._of_citizen.setdefault(need.citizen_id, set()).add(need.need_id)
        if need.referral_id is not None:
            self._of_referral.setdefault(need.referral_id, set()).add(need.need_id)

    def put(self, need: Need) -> None:
        """The need is like this now."""
        before = self.needs.get(need.need_id)
        self.before.setdefault(need.need_id, before)
        if before is None or before.citizen_id != need.citizen_id:
            self._index(need)
        self.needs[need.need_id] = need
        self.touched[need.need_id] = None

    def emit(self, need_id: str, data: EventData) -> None:
        """The event about this need has come about."""
        self.emissions.append(Emission(need_id, data, self.cause))

    def of_citizen(self, citizen_id: str | None) -> list[Need]:
        """The citizen's needs that have not ended, in the order of their opening."""
        ids = self._of_citizen.get(citizen_id, ()) if citizen_id is not None else ()
        found = [one for need_id in ids if (one := self.needs[need_id]).state != "closed"]
        if len(found) < 2:
            return found
        return sorted(found, key=lambda one: (one.opened_at, one.need_id))

    def of_referral(self, referral_id: str) -> list[Need]:
        """The referral's needs, in the order of their ids."""
        return [self.needs[one] for one in sorted(self._of_referral.get(referral_id, ()))]

    def policy(self, need: Need) -> Policy:
        """The policy of the need's pathway. Raises UnknownPathway."""
        known = self._policies.get(need.pathway)
        if known is None:
            known = self._policies[need.pathway] = policy_of(need.pathway)
        return known

    def citizen(self, need: Need) -> Citizen | None:
        """The record of the need's citizen, if there is one and the pathway is about citizens."""
        if need.citizen_id is None or not self.policy(need).need.of_citizen:
            return None
        return self.citizens.get(need.citizen_id)

    def itinerary(self, need: Need) -> Itinerary:
        """Where and when the need's help begins and ends."""
        citizen = self.citizen(need)
        of = (need.location_id, need.starts_at, need.ends_at, need.pathway, citizen)
        known = self._itineraries.get(need.need_id)
        if known is None or known[0] != of:
            found = itinerary(self.policy(need), need, citizen, self.distances)
            known = self._itineraries[need.need_id] = of, found
        return known[1]

    def profile(self, need: Need, helper_id: str) -> Profile | None:
        """The helper, if they were read: as one of the need's department or of a neighbour's."""
        found = self.profiles.get(helper_id)
        for name in (need.department, *self.rosters):
            roster = self.rosters.get(name) if found is None else None
            found = roster.profiles.get(helper_id) if roster is not None else found
        return found

    def neighbours(self, need: Need) -> tuple[str, ...]:
        """The departments whose helpers are asked when nobody of the need's own can."""
        return neighbours(need, self.itinerary(need).meeting_place, self.reference)

    def set_free(self, departments: Iterable[str]) -> None:
        """Helpers of these departments may do more now: for them, and where they are neighbours."""
        for one in map(self.reference.present_department, departments):
            self.freed.update((one, *asked_of(one, self.reference)))

    def serves(self, helper: Helper, departments: Collection[str]) -> bool:
        """Whether the helper serves one of these departments, by whatever name they have it."""
        present = self.reference.present_department
        return any(present(one) in departments for one in helper.departments)

    def acquainted(self, need: Need) -> frozenset[str]:
        """The helpers who have helped the need's citizen before."""
        met = self._met.get(need.citizen_id or "")
        return frozenset(met.values()) if met else frozenset()

    def note_met(self, need: Need, helper_id: str, *, met: bool) -> None:
        """The two have come to know each other by this need, or (`met` false) have not."""
        if need.citizen_id is not None:
            of_citizen = self._met.setdefault(need.citizen_id, {})
            if met:
                of_citizen[need.need_id] = helper_id
            else:
                of_citizen.pop(need.need_id, None)

    def block(self, citizen_id: str, helper_id: str) -> None:
        """The two are not brought together from now on."""
        self.blocks[citizen_id] = self.blocks.get(citizen_id, frozenset()) | {helper_id}

    def know(self, citizen: Citizen) -> None:
        """The citizen's record is this now."""
        self.citizens[citizen.citizen_id] = citizen
        self.changed_citizens.add(citizen.citizen_id)

    def forget(self, citizen_id: str) -> None:
        """Nothing is known of the citizen any more."""
        self.erased.setdefault(citizen_id, None)
        if self.citizens.pop(citizen_id, None) is not None:
            self.changed_citizens.add(citizen_id)

    def consent(self, referral_id: str, citizen_id: str, *, given: bool) -> None:
        """The referral's consent stands, or not."""
        self.consents[referral_id] = given
        self.changed_consents[referral_id] = citizen_id

    def book(self, booking: Booking, limit: int | None = None) -> None:
        """Take capacity. `limit` is how many cases the holder may have."""
        self.diary.book(booking)
        self.booked[booking.place] = booking
        if booking.since is None:
            taken, _ = self.case_changes.get(booking.holder, (0, None))
            self.case_changes[booking.holder] = taken + 1, limit

    def free(self, booking: Booking) -> None:
        """Give the capacity back."""
        self.diary.free(booking)
        self.booked[booking.place] = None
        if booking.since is None:
            taken, limit = self.case_changes.get(booking.holder, (0, None))
            self.case_changes[booking.holder] = taken - 1, limit
