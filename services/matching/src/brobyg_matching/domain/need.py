"""A need with its seats and offers, and what is known of the citizen whose need it is."""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import Gender, Meeting, Mobility, SeatWanted
from brobyg_contracts.reference import Reference
from brobyg_kit.ids import derived_id

#: The timer of a need: one of its seats is to be looked at. Subject: need_id.
SEARCH = "need-search"
#: The timer of a helper who has just been matched or paused: open offers may no longer hold.
#: Subject: helper_id.
RECHECK = "helper-recheck"
#: The timer of a helper who is restricted or erased: what they were offered and have agreed to
#: ends. Subject: helper_id.
ENDED = "helper-ended"
#: The timer of a department in which capacity has become free. Subject: the department.
CAPACITY = "capacity-free"

#: The reason of a seat that is searched for among the helpers of neighbouring departments too.
NEIGHBOURS = "neighbours"

#: `waiting`: for the citizen's record or consent. `filled`: the least crew is there.
NeedState = Literal["waiting", "open", "filled", "closed"]
#: `waiting`: for capacity, for the citizen's record or consent, or for the first of one way.
SeatState = Literal["searching", "waiting", "held", "escalated", "filled", "closed"]
OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]


class Citizen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What helpers must know of a citizen."""

    citizen_id: str
    #: One in common is enough.
    languages: tuple[str, ...]
    gender_wish: Gender | None
    mobility: Mobility
    meeting: Meeting
    postcode: str


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One question to one helper about one seat."""

    offer_id: str
    need_id: str
    seat_no: int
    helper_id: str
    #: How often the seat's search had been opened.
    round: int
    #: How many groups had been asked in this round, this one included.
    wave: int
    #: Place in the order of asking, from 1 in each round.
    rank: int
    state: OfferState
    reason: str | None
    #: From home to where the two meet; None where the need has no place.
    distance_metres: int | None
    known_to_citizen: bool
    made_at: datetime
    expires_at: datetime
    #: The helper's time; None for a need without a span.
    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None
    answered_at: datetime | None = None


class Seat(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One helper wanted by a need."""

    no: int
    role: str
    state: SeatState = "waiting"
    reason: str | None = None
    round: int = 0
    wave: int = 0
    #: When this round's search began.
    searched_at: datetime | None = None
    #: When the search is given up unless somebody was found; None for never.
    decide_by: datetime | None = None
    #: When the search is to be looked at again; None while nothing is to be done.
    due_at: datetime | None = None
    #: The next five are set exactly while the seat is filled, and stay when the need has ended.
    helper_id: str | None = None
    pool: str | None = None
    match_id: str | None = None
    way: str | None = None
    matched_at: datetime | None = None
    offer_id: str | None = None
    leave_at: datetime | None = None
    meet_at: datetime | None = None
    home_at: datetime | None = None
    #: Who was asked in this round, in order.
    asked: tuple[str, ...] = ()
    #: Who is not asked again while the need stays as it is.
    unwilling: tuple[str, ...] = ()
    #: The matches from which the helpers themselves have withdrawn.
    withdrawn: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it waits for capacity."""
        return self.state == "waiting" and self.reason == "capacity"

    @property
    def asks_neighbours(self) -> bool:
        """Whether helpers of neighbouring departments may have it too."""
        return self.waits or self.reason == NEIGHBOURS


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a need's events say."""

    need_id: str
    about_kind: str
    about_id: str
    pathway: str
    department: str
    mode: str
    priority: int
    competences: tuple[str, ...]
    #: How many of each role, in the order of the seats.
    crew: tuple[SeatWanted, ...]
    referral_id: str | None
    citizen_id: str | None
    location_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    answer_by: datetime | None
    not_before: datetime | None


class Need(Facts, frozen=True, kw_only=True, gc=False):
    """Where a need stands."""

    state: NeedState
    #: Why it is closed.
    reason: str | None = None
    opened_at: datetime
    #: When it was closed last.
    closed_at: datetime | None = None
    #: When helper and citizen meet, worked out from the facts; None without a span.
    meet_at: datetime | None = None
    #: The resource that is held for it.
    resource_id: str | None = None
    #: The citizen's other need that is the same way: who fills that, fills this.
    follows: str | None = None
    #: The citizen's other need at the same time, for which nobody is asked for this one.
    clashes_with: str | None = None
    #: The kinds of attention that are raised.
    attention: tuple[str, ...] = ()
    seats: tuple[Seat, ...] = ()
    #: The open offers, and the accepted ones of filled seats.
    offers: tuple[Offer, ...] = ()

    def seat(self, no: int) -> Seat | None:
        """The seat of this number, if there is one."""
        for one in self.seats:
            if one.no == no:
                return one
        return None

    def open_offers(self, seat_no: int | None = None, helper_id: str | None = None) -> list[Offer]:
        """The offers that await an answer; only of this seat, only to this helper."""
        return [
            offer
            for offer in self.offers
            if offer.state == "open"
            and seat_no in (None, offer.seat_no)
            and helper_id in (None, offer.helper_id)
        ]

    def helpers(self) -> list[str]:
        """Who fills its seats."""
        return [one.helper_id for one in self.seats if one.state == "filled" and one.helper_id]

    @property
    def waits(self) -> bool:
        """Whether a seat waits for capacity, and is to be searched for when there is some."""
        return self.state in ("open", "filled") and any(one.waits for one in self.seats)

    @property
    def missing(self) -> int:
        """How many helpers are missing to the least crew."""
        missing = 0
        for wanted in self.crew:
            if wanted.least:
                there = sum(o.state == "filled" and o.role == wanted.role for o in self.seats)
                missing += max(0, wanted.least - there)
        return missing


def match_of(offer: Offer) -> str:
    """The id of the match that comes about when the offer is accepted."""
    return derived_id("match", offer.offer_id, offer.helper_id)


def at_present(need: Need, reference: Reference) -> Need:
    """The need as one of the department that it is of now, if its own was taken over."""
    now = reference.present_department(need.department)
    return need if now == need.department else msgspec.structs.replace(need, department=now)


FACTS = Facts.__struct_fields__
#: The facts by whose change everything about a need is decided anew.
DECISIVE = ("pathway", "department", "mode", "competences", "location_id", "starts_at", "ends_at",
            "citizen_id", "referral_id")  # fmt: skip


def seats_of(crew: tuple[SeatWanted, ...]) -> list[str]:
    """The role of each seat, the first has number 1."""
    return [wanted.role for wanted in crew for _ in range(wanted.wanted)]


def have_met(reason: str | None, ends_at: datetime | None, now: datetime) -> bool:
    """Whether a helper on record and the citizen know each other by a need closed for `reason`.

    Not if it was missed or called off, also if that is heard after its end. One that has ended and
    of which nothing is said counts: most take place, some senders report late, and after consent
    is withdrawn nothing is reported any more. It only raises the helper's place in the order.
    """
    if reason == "completed":
        return True
    over = ends_at is not None and ends_at <= now
    return over and reason not in ("missed", "appointment_cancelled", "withdrawn")
