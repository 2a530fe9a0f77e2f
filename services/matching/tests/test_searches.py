"""Whatever comes in whatever order: nobody is double-booked, and no appointment is forgotten."""

from copy import deepcopy
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
from brobyg_contracts import (
    MatchReleased,
    OfferMade,
    OfferWithdrawn,
    VolunteerMatched,
)
from brobyg_kit.event import EventData
from brobyg_matching.domain import transitions
from brobyg_matching.domain.change import Change
from brobyg_matching.domain.local_time import week_of
from brobyg_matching.domain.match import Context, Match, Offer
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.rules import commitment_rule_broken
from brobyg_matching.domain.snapshot import Snapshot
from brobyg_matching.domain.volunteer import Status, Volunteer
from brobyg_matching.errors import NotAllowed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from matching_samples import (
    NOW,
    POLICY,
    a_booking,
    a_referral,
    a_snapshot,
    a_volunteer,
    an_id,
)


def moving_parts(snapshot: Snapshot) -> object:
    """A copy of what changes of a snapshot."""
    return deepcopy((snapshot.commitments, snapshot.open_offers, snapshot.known))


appointments = st.integers(0, 3)


class Searches(RuleBasedStateMachine):
    """Events, answers and time in any order, on the pure domain."""

    offers = Bundle("offers")

    def __init__(self) -> None:
        super().__init__()
        self.volunteers: dict[str, Volunteer] = {
            v.volunteer_id: v
            for v in (
                a_volunteer("a", weekly_limit=1),
                a_volunteer("b", weekly_limit=2, gender="male"),
                a_volunteer("c", home_postcode="8930", travel="bicycle"),
                a_volunteer("e"),
                a_volunteer("f"),
                a_volunteer("d", languages=frozenset({"ar"})),
            )
        }
        self.snapshot = a_snapshot(*self.volunteers.values())
        self.referral: Referral = a_referral()
        self.now = NOW
        self.matches: dict[str, Match] = {}
        self.timers: dict[str, datetime] = {}
        self.all_offers: dict[str, Offer] = {}
        #: Who comes along to what, by the events alone.
        self.told: dict[str, str] = {}

    def context(self) -> Context:
        self.given = moving_parts(self.snapshot)
        return Context(self.now, POLICY, self.referral, self.snapshot)

    def take(self, change: Change | None) -> None:
        assert moving_parts(self.snapshot) == self.given, "what a transition is given stays"
        if change is None:
            return
        match, self.snapshot = change.match, change.snapshot
        self.matches[match.appointment_id] = match
        self.all_offers.update(change.offers)
        if change.timer is None:
            self.timers.pop(match.appointment_id, None)
        elif change.timer is not False:
            self.timers[match.appointment_id] = change.timer
        for event in change.events:
            self.check(match, event)

    def check(self, match: Match, event: EventData) -> None:
        if isinstance(event, OfferMade):
            volunteer = self.volunteers[event.volunteer_id]
            assert volunteer.status == "active"
            assert (event.volunteer_id, event.citizen_id) not in self.snapshot.blocks
            assert "da" in volunteer.languages
            assert event.distance_metres <= volunteer.range_metres
            assert self.now < event.expires_at < event.starts_at
            if event.wave > 1:
                assert event.expires_at >= self.now + timedelta(
                    minutes=POLICY.matching.shortest_wave_minutes
                )
            offer = self.all_offers[event.offer_id]
            span = offer.leave_at.timestamp(), offer.home_at.timestamp()
            promised = self.snapshot.commitments.get(event.volunteer_id, {}).values()
            assert not any(c.leave_at < span[1] and span[0] < c.home_at for c in promised)
        if isinstance(event, VolunteerMatched):
            assert match.state == "matched"
            assert event.department == match.department
            assert (event.volunteer_id, event.citizen_id) not in self.snapshot.blocks
            assert self.volunteers[event.volunteer_id].status == "active"
            self.told[match.appointment_id] = event.volunteer_id
        if isinstance(event, MatchReleased):
            assert event.ends_at > self.now or event.reason == "appointment_rescheduled"
            assert self.told.pop(match.appointment_id) == event.volunteer_id
        if isinstance(event, OfferWithdrawn):
            assert self.all_offers[event.offer_id].state == "withdrawn"

    @initialize()
    def begin_with_something_to_answer(self) -> None:
        """Each run leaves out some of the rules; without this, most would be about nothing."""
        self.book(0, 52)
        self.book(1, 77)

    @rule(number=appointments, hours=st.sampled_from([-5, 3, 9, 52, 53, 54, 77]))
    def book(self, number: int, hours: int) -> None:
        booking = a_booking(f"appointment {number}", starts_at=NOW + timedelta(hours=hours))
        self.take(
            transitions.booked(self.matches.get(booking.appointment_id), booking, self.context())
        )

    @rule(number=appointments)
    def cancel(self, number: int) -> None:
        if match := self.matches.get(an_id(f"appointment {number}")):
            self.take(transitions.called_off(match, "appointment_cancelled", self.context()))

    @rule(number=appointments, outcome=st.sampled_from(["completed", "missed"]))
    def end(self, number: int, outcome: str) -> None:
        if match := self.matches.get(an_id(f"appointment {number}")):
            self.take(
                transitions.ended(
                    match, "completed" if outcome == "completed" else "missed", self.context()
                )
            )

    @rule(data=st.data(), accept=st.sampled_from([True, True, False]))
    def answer(self, data: st.DataObject, accept: bool) -> None:
        if not self.all_offers:
            return
        still_open = [one for one, offer in self.all_offers.items() if offer.state == "open"]
        offer = self.all_offers[data.draw(st.sampled_from(sorted(still_open or self.all_offers)))]
        match = self.matches[offer.appointment_id]
        try:
            if not transitions.check_open(offer, "accepted" if accept else "declined", self.now):
                return
            if accept:
                change = transitions.accepted(
                    match, offer, self.volunteers[offer.volunteer_id], self.context()
                )
            else:
                change = transitions.declined(match, offer, self.context())
        except NotAllowed:
            return
        self.take(change)
        self.timer_of(offer.volunteer_id)

    def timer_of(self, who: str) -> None:
        """What the volunteer has promised stands against other questions to them."""
        for match in list(self.matches.values()):
            self.take(transitions.volunteer_promised(match, who, self.context()))

    @rule()
    def say_yes_to_everything(self) -> None:
        """One volunteer accepts every open offer: the surest way to two places at once."""
        open_ones = [
            offer
            for offer in self.all_offers.values()
            if offer.state == "open" and offer.expires_at > self.now
        ]
        if not open_ones:
            return
        who = min(open_ones, key=lambda offer: offer.offer_id).volunteer_id
        for offer in open_ones:
            match = self.matches[offer.appointment_id]
            if offer.volunteer_id == who and match.state == "searching":
                try:
                    self.take(
                        transitions.accepted(match, offer, self.volunteers[who], self.context())
                    )
                except NotAllowed:
                    continue
        self.timer_of(who)

    @rule(number=appointments)
    def withdraw(self, number: int) -> None:
        match = self.matches.get(an_id(f"appointment {number}"))
        if match is not None:
            try:
                self.take(transitions.volunteer_withdrew(match, self.context()))
            except NotAllowed:
                return

    @rule(number=appointments)
    def reopen(self, number: int) -> None:
        match = self.matches.get(an_id(f"appointment {number}"))
        if match is not None:
            try:
                self.take(transitions.reopened(match, self.context()))
            except NotAllowed:
                return

    @rule(data=st.data(), missed=st.booleans())
    def block(self, data: st.DataObject, missed: bool) -> None:
        """`missed`: the offers were being made while the block was kept: it did not see them."""
        who = data.draw(st.sampled_from(self.those_asked()))
        blocks = self.snapshot.blocks | {(who, self.referral.citizen_id)}
        self.snapshot = msgspec.structs.replace(self.snapshot, blocks=blocks)
        for match in list(self.matches.values()):
            if match.volunteer_id == who or not missed:
                self.take(transitions.blocked(match, who, self.context()))

    @rule(data=st.data(), missed=st.booleans())
    def pause(self, data: st.DataObject, missed: bool) -> None:
        """`missed` as for a block."""
        who = data.draw(st.sampled_from(self.those_asked()))
        for match in [] if missed else list(self.matches.values()):
            self.take(transitions.volunteer_paused(match, who, self.context()))
        self.stand(who, "paused")

    def those_asked(self) -> list[str]:
        """Who has an open offer or is matched: only there is anything to end. Else anybody."""
        asked = {
            offer.volunteer_id
            for offer in self.all_offers.values()
            if offer.state in ("open", "accepted")
        }
        return sorted(asked or self.volunteers)

    @rule(word=st.sampled_from("abcef"))
    def come_back(self, word: str) -> None:
        self.stand(an_id(word), "active")

    def stand(self, who: str, status: Status) -> None:
        self.volunteers[who] = msgspec.structs.replace(self.volunteers[who], status=status)
        roster = Roster(self.volunteers.values())
        self.snapshot = msgspec.structs.replace(self.snapshot, roster=roster)

    @rule(minutes=st.integers(1, 900))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        for subject in sorted(one for one, due in self.timers.items() if due <= self.now):
            del self.timers[subject]
            self.take(transitions.wave_over(self.matches[subject], self.context()))

    @invariant()
    def nobody_is_in_two_places_at_once(self) -> None:
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for match in self.matches.values():
            if match.volunteer_id and match.leave_at and match.home_at:
                spans.setdefault(match.volunteer_id, []).append((match.leave_at, match.home_at))
        for taken in spans.values():
            taken.sort()
            assert all(one[1] <= other[0] for one, other in pairwise(taken))

    @invariant()
    def no_blocked_pair_is_matched_for_the_future(self) -> None:
        for match in self.matches.values():
            if (
                match.state == "matched"
                and (match.volunteer_id, match.citizen_id) in self.snapshot.blocks
            ):
                assert match.meet_at <= self.now

    @invariant()
    def who_counts_by_the_events_alone_counts_what_is_kept(self) -> None:
        kept = {
            match.appointment_id: match.volunteer_id
            for match in self.matches.values()
            if match.volunteer_id
        }
        assert self.told == kept

    @invariant()
    def every_appointment_is_decided_or_has_a_timer(self) -> None:
        for match in self.matches.values():
            assert (match.state == "searching") == (match.appointment_id in self.timers)
            assert (match.volunteer_id is not None) or match.state != "matched"

    @invariant()
    def open_offers_belong_to_searches_and_are_counted(self) -> None:
        open_ones = [offer for offer in self.all_offers.values() if offer.state == "open"]
        assert all(self.matches[offer.appointment_id].state == "searching" for offer in open_ones)
        counted = {who: number for who, number in self.snapshot.open_offers.items() if number}
        assert sum(counted.values()) == len(open_ones)

    @invariant()
    def nobody_is_waited_for_who_has_promised_something_else(self) -> None:
        for offer in self.all_offers.values():
            if offer.state == "open":
                span = int(offer.leave_at.timestamp()), int(offer.home_at.timestamp())
                week = week_of(int(self.matches[offer.appointment_id].starts_at.timestamp()))
                mine, limit = (
                    self.snapshot.commitments.get(offer.volunteer_id),
                    self.volunteers[offer.volunteer_id].weekly_limit,
                )
                assert (
                    commitment_rule_broken(mine, offer.appointment_id, *span, week, limit) is None
                )

    @invariant()
    def nobody_is_over_their_weekly_limit(self) -> None:
        for who, promised in self.snapshot.commitments.items():
            weeks = [commitment.week for commitment in promised.values()]
            assert all(weeks.count(week) <= self.volunteers[who].weekly_limit for week in weeks)


Searches.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestSearches = Searches.TestCase
