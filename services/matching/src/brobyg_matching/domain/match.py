"""One appointment's search for company: its state, and the small steps every transition is made of."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    ReleaseReason,
    WithdrawalReason,
)
from brobyg_kit.event import EventData
from brobyg_kit.ids import derived_id

from brobyg_matching.domain import rules
from brobyg_matching.domain.local_time import instant
from brobyg_matching.domain.rules import Candidate, Points, Question, Selection
from brobyg_matching.domain.travel import Itinerary, Policy, itinerary
from brobyg_matching.domain.world import Excluded, Referral, World

#: The one timer of a search: the open wave's time is over. Subject: appointment_id.
WAVE = "offer-wave"
#: The one timer of a volunteer: what they have just promised may stand against other questions to them. Subject: volunteer_id.
PROMISED = "volunteer-promised"

MatchState = Literal["searching", "matched", "escalated", "closed"]
OfferState = Literal["open", "accepted", "declined", "expired", "withdrawn"]
Escalation = Literal["nobody_available", "nobody_answered", "too_late"]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One question to one volunteer. `round` counts how often the appointment has been opened, `wave` the askings within."""

    offer_id: str
    appointment_id: str
    volunteer_id: str
    round: int
    wave: int
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


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Where one appointment's search stands. `volunteer_id` is set exactly when somebody's time is taken by it."""

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
    decide_by: datetime
    match_id: str | None = None
    offer_id: str | None = None
    volunteer_id: str | None = None
    leave_at: datetime | None = None
    home_at: datetime | None = None
    asked: tuple[str, ...] = ()
    unwilling: tuple[str, ...] = ()
    #: The open offers, and the accepted one. Kept in their own table.
    offers: tuple[Offer, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """A line of the explanation: who was asked, at which place, why there."""

    volunteer_id: str
    rank: int
    distance_metres: int
    points: Points


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was decided, kept for ever. `outcome` is asked, or the reason of an escalation."""

    appointment_id: str
    round: int
    wave: int
    decided_at: datetime
    outcome: Literal["asked", "nobody_available", "nobody_answered", "too_late"]
    asked: list[Asked]
    could: int
    excluded: Excluded


class Context(msgspec.Struct, frozen=True):
    """What a transition may look at beside the match itself."""

    now: datetime
    policy: Policy
    referral: Referral
    world: World


class Change:
    """A transition in progress: the match as it becomes, and what is said, asked and set on the way."""

    __slots__ = ("before", "context", "decisions", "events", "match", "offers", "timer")

    def __init__(self, match: Match, context: Context, before: Match | None) -> None:
        """Nothing has changed yet."""
        self.before = before
        self.match = match
        self.context = context
        self.events: list[EventData] = []
        self.offers: dict[str, Offer] = {}
        self.decisions: list[Decision] = []
        #: When the wave timer is to fire; None to forget it; absent (False) to leave it.
        self.timer: datetime | Literal[False] | None = False

    def set(self, **fields: object) -> None:
        """Change fields of the match."""
        self.match = msgspec.structs.replace(self.match, **fields)

    def close_offer(self, offer: Offer, state: OfferState, reason: str | None = None) -> None:
        """An open offer is open no longer."""
        self.offers[offer.offer_id] = msgspec.structs.replace(
            offer, state=state, reason=reason, answered_at=self.context.now
        )
        self.set(offers=tuple(o for o in self.match.offers if o.offer_id != offer.offer_id))
        self.context.world.open_offers[offer.volunteer_id] -= 1


def open_offers(match: Match) -> list[Offer]:
    """The offers that still await an answer."""
    return [offer for offer in match.offers if offer.state == "open"]


def way_of(context: Context, location_id: str, starts_at: datetime, ends_at: datetime) -> Itinerary:
    """The itinerary of an appointment at these times for this citizen."""
    needs = context.referral.needs
    times = int(starts_at.timestamp()), int(ends_at.timestamp())
    return itinerary(
        context.policy, needs.meeting, needs.postcode, needs.mobility, location_id, *times
    )


def withdraw_offer(change: Change, offer: Offer, reason: WithdrawalReason) -> None:
    """Take back one open question."""
    change.close_offer(offer, "withdrawn", reason)
    change.events.append(
        OfferWithdrawn(
            offer_id=offer.offer_id,
            referral_id=change.match.referral_id,
            appointment_id=change.match.appointment_id,
            volunteer_id=offer.volunteer_id,
            reason=reason,
        )
    )


def withdraw_offers(change: Change, reason: WithdrawalReason) -> None:
    """Take back all open questions."""
    for offer in open_offers(change.match):
        withdraw_offer(change, offer, reason)
    change.timer = None


def expire_offers(change: Change) -> None:
    """Silence has become a no, for the open offers whose time is over."""
    for offer in open_offers(change.match):
        if offer.expires_at <= change.context.now:
            change.close_offer(offer, "expired")
            change.events.append(
                OfferExpired(
                    offer_id=offer.offer_id,
                    referral_id=change.match.referral_id,
                    appointment_id=change.match.appointment_id,
                    volunteer_id=offer.volunteer_id,
                )
            )


def release_volunteer(change: Change, reason: ReleaseReason) -> None:
    """Give the volunteer's time back, if anybody's is taken.

    This is said even when the time agreed has passed: whoever counts must know that the appointment has no volunteer any more. That nobody
    is written to about the past is for whoever sends the messages.
    """
    match = change.match
    if match.volunteer_id is None or match.match_id is None:
        return
    change.events.append(
        MatchReleased(
            match_id=match.match_id,
            referral_id=match.referral_id,
            citizen_id=match.citizen_id,
            appointment_id=match.appointment_id,
            volunteer_id=match.volunteer_id,
            reason=reason,
            starts_at=match.starts_at,
            ends_at=match.ends_at,
        )
    )
    for offer in match.offers:
        if offer.offer_id == match.offer_id:
            change.offers[offer.offer_id] = msgspec.structs.replace(
                offer, state="withdrawn", reason=reason
            )
    change.context.world.release(match.volunteer_id, match.citizen_id, match.appointment_id)
    kept = tuple(offer for offer in match.offers if offer.state == "open")
    change.set(
        match_id=None, offer_id=None, volunteer_id=None, leave_at=None, home_at=None, offers=kept
    )


def have_met(reason: str | None, ends_at: datetime, now: datetime) -> bool:
    """Whether who is matched and the citizen have come to know each other by it; `reason` is the match's.

    Not by what was missed or cancelled, also when that is heard after the end. An appointment that has ended and of which the hospital says
    nothing counts: most are kept, some hospitals are slow, and after consent is withdrawn no word comes any more. It only lifts the
    volunteer's place in the order.
    """
    return reason == "completed" or (
        ends_at <= now and reason not in ("missed", "appointment_cancelled")
    )


def acquaint(change: Change) -> None:
    """Keep up whom the citizen knows with how the match stands now."""
    match, context = change.match, change.context
    if match.volunteer_id is not None:
        met = have_met(match.reason, match.ends_at, context.now)
        context.world.acquaint(match.citizen_id, match.appointment_id, match.volunteer_id, met=met)


def latest_offer(match: Match, context: Context) -> datetime:
    """From this moment on nobody is asked to come along any more, wherever they live."""
    return match.meet_at - timedelta(minutes=context.policy.matching.latest_offer_minutes)


def start_search(change: Change, first: str | None = None) -> None:
    """Open the appointment: ask the first wave, or tell the coordinator at once when nobody can or it is too late.

    `first` is somebody to ask before everybody else if the rules still allow it.
    """
    context, match = change.context, change.match
    policy, now = context.policy.matching, context.now
    deadline = match.starts_at - timedelta(minutes=policy.escalate_before_minutes)
    last_moment = latest_offer(match, context)
    if now + timedelta(minutes=policy.shortest_wave_minutes) > deadline:
        # Too near for waves: one question, and half of the remaining time is the coordinator's.
        deadline = min(
            now + timedelta(minutes=policy.offer_lifetime_minutes), now + (last_moment - now) / 2
        )
    change.set(
        state="searching",
        reason=None,
        round=match.round + 1,
        wave=0,
        asked=(),
        opened_at=now,
        decide_by=deadline,
    )
    if last_moment <= now:
        escalate(change, "too_late", survey(change))
    else:
        ask_next_wave(change, first)


def survey(change: Change, first: str | None = None) -> Selection:
    """Who could be asked now and has not been."""
    match, context = change.match, change.context
    question = Question(
        appointment_id=match.appointment_id,
        starts_at=int(match.starts_at.timestamp()),
        itinerary=way_of(context, match.location_id, match.starts_at, match.ends_at),
        now=int(context.now.timestamp()),
        wanted=context.policy.matching.wave_size,
        skip=frozenset(match.asked + match.unwilling),
        first=first,
    )
    return rules.select(context.world, context.referral, context.policy, question)


def ask_next_wave(change: Change, first: str | None = None) -> None:
    """Ask the best few of those not asked yet; escalate when there is nobody."""
    selection = survey(change, first)
    chosen = selection.candidates
    if not chosen:
        escalate(change, nobody(change), selection)
        return
    now, match, already = change.context.now, change.match, len(change.match.asked)
    expires_at = min(
        now + timedelta(minutes=change.context.policy.matching.offer_lifetime_minutes),
        match.decide_by,
    )
    change.set(wave=match.wave + 1, asked=match.asked + tuple(c.volunteer_id for c in chosen))
    made = [
        _make_offer(change, c, already + place, expires_at) for place, c in enumerate(chosen, 1)
    ]
    change.set(offers=change.match.offers + tuple(made))
    asked = [
        Asked(c.volunteer_id, already + place, c.distance_metres, c.points)
        for place, c in enumerate(chosen, 1)
    ]
    _decide(change, "asked", asked, selection)
    change.timer = expires_at


def _make_offer(change: Change, candidate: Candidate, rank: int, expires_at: datetime) -> Offer:
    match = change.match
    offer = Offer(
        offer_id=derived_id(
            "offer", match.appointment_id, str(match.round), candidate.volunteer_id
        ),
        appointment_id=match.appointment_id,
        volunteer_id=candidate.volunteer_id,
        round=match.round,
        wave=match.wave,
        rank=rank,
        state="open",
        reason=None,
        distance_metres=candidate.distance_metres,
        known_to_citizen=candidate.known,
        made_at=change.context.now,
        expires_at=expires_at,
        leave_at=instant(candidate.leave_at),
        meet_at=match.meet_at,
        home_at=instant(candidate.home_at),
    )
    change.offers[offer.offer_id] = offer
    change.context.world.open_offers[offer.volunteer_id] += 1
    change.events.append(_offer_made(match, offer))
    return offer


def _offer_made(match: Match, offer: Offer) -> OfferMade:
    return OfferMade(
        offer_id=offer.offer_id,
        referral_id=match.referral_id,
        citizen_id=match.citizen_id,
        appointment_id=match.appointment_id,
        volunteer_id=offer.volunteer_id,
        wave=offer.wave,
        rank=offer.rank,
        distance_metres=offer.distance_metres,
        known_to_citizen=offer.known_to_citizen,
        expires_at=offer.expires_at,
        starts_at=match.starts_at,
        ends_at=match.ends_at,
        location_id=match.location_id,
        meeting=match.meeting,
        meet_at=offer.meet_at,
    )


def nobody(change: Change) -> Escalation:
    """Why there is nobody, when there is nobody."""
    return "nobody_answered" if change.match.asked else "nobody_available"


def escalate(change: Change, reason: Escalation, selection: Selection) -> None:
    """Hand the appointment to the coordinator, with the reasons."""
    withdraw_offers(change, "escalated")
    match = change.match
    change.set(state="escalated", reason=reason)
    _decide(change, reason, [], selection)
    change.events.append(
        MatchEscalated(
            referral_id=match.referral_id,
            citizen_id=match.citizen_id,
            appointment_id=match.appointment_id,
            department=match.department,
            starts_at=match.starts_at,
            ends_at=match.ends_at,
            location_id=match.location_id,
            reason=reason,
            asked=len(match.asked),
            excluded=selection.counts(),
        )
    )


def _decide(
    change: Change,
    outcome: Literal["asked", "nobody_available", "nobody_answered", "too_late"],
    asked: list[Asked],
    selection: Selection,
) -> None:
    match = change.match
    change.decisions.append(
        Decision(
            appointment_id=match.appointment_id,
            round=match.round,
            wave=match.wave,
            decided_at=change.context.now,
            outcome=outcome,
            asked=asked,
            could=selection.could,
            excluded=selection.excluded,
        )
    )
