"""One appointment's search for a volunteer: its state, and what a transition may look at."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.roster import Excluded
from brobyg_matching.domain.rules import Points
from brobyg_matching.domain.snapshot import Snapshot
from brobyg_matching.domain.travel import Itinerary, Policy, itinerary

#: The timer of a search: the open wave's time is over. Subject: appointment_id.
WAVE = "offer-wave"
#: The timer of a volunteer who has just accepted: other open offers may clash with it.
#: Subject: volunteer_id.
PROMISED = "volunteer-promised"

MatchState = Literal["searching", "matched", "escalated", "closed"]
OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]
Escalation = Literal["nobody_available", "nobody_answered", "too_late"]
Outcome = Literal["asked", "nobody_available", "nobody_answered", "too_late"]


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One question to one volunteer about one appointment."""

    offer_id: str
    appointment_id: str
    volunteer_id: str
    #: How often the appointment's search had been opened.
    round: int
    #: How many groups had been asked in this round, this one included.
    wave: int
    #: Place in the order of asking, from 1 in each round.
    rank: int
    state: OfferState
    reason: str | None
    distance_metres: int
    known_to_citizen: bool
    made_at: datetime
    expires_at: datetime
    leave_at: datetime
    meet_at: datetime
    home_at: datetime
    answered_at: datetime | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where one appointment's search stands."""

    appointment_id: str
    referral_id: str
    citizen_id: str
    department: str
    location_id: str
    starts_at: datetime
    ends_at: datetime
    meeting: Literal["home", "at_location"]
    meet_at: datetime
    state: MatchState
    reason: str | None
    round: int
    wave: int
    opened_at: datetime
    #: When the coordinator is told unless somebody has accepted.
    decide_by: datetime
    match_id: str | None = None
    offer_id: str | None = None
    #: Set exactly while somebody's time is taken by this appointment.
    volunteer_id: str | None = None
    leave_at: datetime | None = None
    home_at: datetime | None = None
    #: Who was asked in this round, in order.
    asked: tuple[str, ...] = ()
    #: Who is not asked again while the times stay as they are.
    unwilling: tuple[str, ...] = ()
    #: The open offers, and the accepted one. Kept in a table of their own.
    offers: tuple[Offer, ...] = ()

    def open_offers(self, volunteer_id: str | None = None) -> list[Offer]:
        """The offers that await an answer; only this volunteer's, if one is given."""
        return [
            offer
            for offer in self.offers
            if offer.state == "open" and volunteer_id in (None, offer.volunteer_id)
        ]


class AskedVolunteer(msgspec.Struct, frozen=True, gc=False):
    """A line of the explanation: who was asked, at which place in the order, and why there."""

    volunteer_id: str
    rank: int
    distance_metres: int
    points: Points


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was decided; kept for ever."""

    appointment_id: str
    round: int
    wave: int
    decided_at: datetime
    #: `asked`, or the reason of an escalation.
    outcome: Outcome
    asked: list[AskedVolunteer]
    #: How many volunteers passed all rules.
    could: int
    excluded: Excluded


class Context(msgspec.Struct, frozen=True):
    """What a transition may look at beside the match itself."""

    now: datetime
    policy: Policy
    referral: Referral
    snapshot: Snapshot

    def itinerary(self, location_id: str, starts_at: datetime, ends_at: datetime) -> Itinerary:
        """The itinerary of an appointment at this place and these times for this citizen."""
        needs = self.referral.needs
        times = int(starts_at.timestamp()), int(ends_at.timestamp())
        return itinerary(
            self.policy, needs.meeting, needs.postcode, needs.mobility, location_id, *times
        )

    def latest_offer(self, match: Match) -> datetime:
        """From this moment on nobody is asked any more, wherever they live."""
        return match.meet_at - timedelta(minutes=self.policy.matching.latest_offer_minutes)


def have_met(reason: str | None, ends_at: datetime, now: datetime) -> bool:
    """Whether volunteer and citizen know each other by a match with this `reason`.

    Not if the appointment was missed or cancelled, also if that is heard after its end. One that
    has ended and of which the hospital says nothing counts: most are kept, some hospitals report
    late, and after consent is withdrawn nothing is reported any more. It only raises the
    volunteer's place in the order.
    """
    return reason == "completed" or (
        ends_at <= now and reason not in ("missed", "appointment_cancelled")
    )
