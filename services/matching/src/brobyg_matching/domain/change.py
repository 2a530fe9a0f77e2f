"""What a transition returns: the match as changed, and what belongs to the change."""

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
from brobyg_matching.domain.match import (
    AskedVolunteer,
    Context,
    Decision,
    Escalation,
    Match,
    Offer,
    OfferState,
    Outcome,
    have_met,
)
from brobyg_matching.domain.rules import Candidate, Question, Selection


class Change:
    """A match as changed, with the events, offers, decisions and timer that belong to the change.

    A transition makes one, adds to it by the methods below and returns it; it is not altered
    afterwards. Match and context that it is made from stay as they are.
    """

    __slots__ = (
        "before", "context", "decisions", "events", "match", "offers", "snapshot", "timer",
    )  # fmt: skip

    def __init__(self, match: Match, context: Context, before: Match | None) -> None:
        """Nothing has changed yet. `before` is None for an appointment that is new here."""
        self.before = before
        self.match = match
        self.context = context
        #: The snapshot as changed.
        self.snapshot = context.snapshot
        self.events: list[EventData] = []
        #: Offers that are new or changed, by id.
        self.offers: dict[str, Offer] = {}
        self.decisions: list[Decision] = []
        #: When the wave timer is to fire; None to delete it; False to leave it as it is.
        self.timer: datetime | Literal[False] | None = False

    def set(self, **fields: object) -> None:
        """Change fields of the match."""
        self.match = msgspec.structs.replace(self.match, **fields)

    def close_offers(
        self, offers: list[Offer], state: OfferState, reason: str | None = None
    ) -> None:
        """These open offers become accepted, declined, expired or withdrawn."""
        closed = set()
        for offer in offers:
            closed.add(offer.offer_id)
            self.offers[offer.offer_id] = msgspec.structs.replace(
                offer, state=state, reason=reason, answered_at=self.context.now
            )
        if closed:
            self.set(offers=tuple(o for o in self.match.offers if o.offer_id not in closed))
            asked = [offer.volunteer_id for offer in offers]
            self.snapshot = self.snapshot.with_open_offers(asked, -1)

    def withdraw_offers(self, reason: WithdrawalReason, volunteer_id: str | None = None) -> None:
        """Withdraw all open offers, and with them the timer; or only those to this volunteer."""
        offers = self.match.open_offers(volunteer_id)
        self.close_offers(offers, "withdrawn", reason)
        self.events += [
            OfferWithdrawn(
                offer_id=offer.offer_id,
                referral_id=self.match.referral_id,
                appointment_id=self.match.appointment_id,
                volunteer_id=offer.volunteer_id,
                reason=reason,
            )
            for offer in offers
        ]
        if volunteer_id is None:
            self.timer = None

    def expire_offers(self) -> None:
        """Close the open offers whose time is over."""
        offers = [o for o in self.match.open_offers() if o.expires_at <= self.context.now]
        self.close_offers(offers, "expired")
        self.events += [
            OfferExpired(
                offer_id=offer.offer_id,
                referral_id=self.match.referral_id,
                appointment_id=self.match.appointment_id,
                volunteer_id=offer.volunteer_id,
            )
            for offer in offers
        ]

    def release_volunteer(self, reason: ReleaseReason) -> None:
        """Release the volunteer, if there is one.

        The event is emitted even when the time agreed has passed: consumers that count need to know
        that the appointment has no volunteer any more. Those that write to people ignore it then.
        """
        match = self.match
        if match.volunteer_id is None or match.match_id is None:
            return
        self.events.append(
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
                self.offers[offer.offer_id] = msgspec.structs.replace(
                    offer, state="withdrawn", reason=reason
                )
        self.snapshot = self.snapshot.released(
            match.volunteer_id, match.citizen_id, match.appointment_id
        )
        self.set(
            match_id=None,
            offer_id=None,
            volunteer_id=None,
            leave_at=None,
            home_at=None,
            offers=tuple(match.open_offers()),
        )

    def update_acquaintance(self) -> None:
        """Have the snapshot's acquaintances agree with the match."""
        match = self.match
        if match.volunteer_id is not None:
            met = have_met(match.reason, match.ends_at, self.context.now)
            self.snapshot = self.snapshot.met(
                match.citizen_id, match.appointment_id, match.volunteer_id, met=met
            )

    def start_search(self, first: str | None = None) -> None:
        """Open the appointment: ask the first wave, or escalate when nobody can or it is too late.

        `first` is asked before everybody else if the rules still allow it.
        """
        context, match = self.context, self.match
        policy, now = context.policy.matching, context.now
        deadline = match.starts_at - timedelta(minutes=policy.escalate_before_minutes)
        last_moment = context.latest_offer(match)
        if now + timedelta(minutes=policy.shortest_wave_minutes) > deadline:
            # Too late for waves: one question, and half of the time left is for the coordinator.
            deadline = min(
                now + timedelta(minutes=policy.offer_lifetime_minutes),
                now + (last_moment - now) / 2,
            )
        self.set(
            state="searching",
            reason=None,
            round=match.round + 1,
            wave=0,
            asked=(),
            opened_at=now,
            decide_by=deadline,
        )
        if last_moment <= now:
            self._escalate("too_late", self._select())
        else:
            self._ask_next_wave(first)

    def continue_search(self) -> None:
        """No open offer is left: ask the next wave, or escalate when there is no time for one."""
        match, policy = self.match, self.context.policy.matching
        one_wave_only = match.decide_by > match.starts_at - timedelta(
            minutes=policy.escalate_before_minutes
        )
        shortest = timedelta(minutes=policy.shortest_wave_minutes)
        if one_wave_only or self.context.now + shortest > match.decide_by:
            self._escalate(self._escalation_reason(), self._select())
        else:
            self._ask_next_wave()

    def _select(self, first: str | None = None) -> Selection:
        """Who could be asked now and has not been."""
        match, context = self.match, self.context
        question = Question(
            appointment_id=match.appointment_id,
            starts_at=int(match.starts_at.timestamp()),
            itinerary=context.itinerary(match.location_id, match.starts_at, match.ends_at),
            now=int(context.now.timestamp()),
            wanted=context.policy.matching.wave_size,
            skip=frozenset(match.asked + match.unwilling),
            first=first,
        )
        return rules.select(self.snapshot, context.referral, context.policy, question)

    def _ask_next_wave(self, first: str | None = None) -> None:
        """Ask the best few of those not asked yet; escalate when there is nobody."""
        selection = self._select(first)
        chosen = selection.candidates
        if not chosen:
            self._escalate(self._escalation_reason(), selection)
            return
        match, already = self.match, len(self.match.asked)
        lifetime = timedelta(minutes=self.context.policy.matching.offer_lifetime_minutes)
        expires_at = min(self.context.now + lifetime, match.decide_by)
        who = tuple(candidate.volunteer_id for candidate in chosen)
        self.set(wave=match.wave + 1, asked=match.asked + who)
        made = [
            self._make_offer(candidate, rank, expires_at)
            for rank, candidate in enumerate(chosen, already + 1)
        ]
        self.set(offers=self.match.offers + tuple(made))
        self.snapshot = self.snapshot.with_open_offers(who, 1)
        self._decide("asked", selection, [
            AskedVolunteer(one.volunteer_id, rank, one.distance_metres, one.points)
            for rank, one in enumerate(chosen, already + 1)
        ])  # fmt: skip
        self.timer = expires_at

    def _make_offer(self, candidate: Candidate, rank: int, expires_at: datetime) -> Offer:
        match = self.match
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
            made_at=self.context.now,
            expires_at=expires_at,
            leave_at=instant(candidate.leave_at),
            meet_at=match.meet_at,
            home_at=instant(candidate.home_at),
        )
        self.offers[offer.offer_id] = offer
        self.events.append(
            OfferMade(
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
        )
        return offer

    def _escalation_reason(self) -> Escalation:
        return "nobody_answered" if self.match.asked else "nobody_available"

    def _escalate(self, reason: Escalation, selection: Selection) -> None:
        """Hand the appointment to the coordinator, with the reasons."""
        self.withdraw_offers("escalated")
        self.set(state="escalated", reason=reason)
        self._decide(reason, selection, [])
        match = self.match
        self.events.append(
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

    def _decide(self, outcome: Outcome, selection: Selection, asked: list[AskedVolunteer]) -> None:
        self.decisions.append(
            Decision(
                appointment_id=self.match.appointment_id,
                round=self.match.round,
                wave=self.match.wave,
                decided_at=self.context.now,
                outcome=outcome,
                asked=asked,
                could=selection.could,
                excluded=selection.excluded,
            )
        )
