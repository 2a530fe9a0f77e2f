"""Whatever happens to a citizen's needs, in whatever order: the promises of the model hold."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec
from brobyg_contracts import MatchReleased, NeedDecided, StaffMatched, VolunteerMatched
from brobyg_matching.domain import answers, by_hand, transitions
from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import Citizen, Need, Offer
from brobyg_matching.domain.searching import AWAITED
from brobyg_matching.domain.way import relation
from brobyg_matching.errors import MatchingError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from matching_samples import BY, LATE, NOW, a_board, a_citizen, a_helper, an_id, facts

HELPERS = [a_helper(f"h{n}", weekly_limit=3, travel="walk") for n in range(5)]
NEEDS = ["a", "b", "c", "d"]
PLACES = ["randers-hospital", "randers-clinic", "grenaa-clinic"]
#: 10:00, and starts that overlap with it, adjoin it, or are on another day.
STARTS = [LATE + timedelta(minutes=m) for m in (0, 15, 60, 200, 1440, 1445)]


class Citizens(RuleBasedStateMachine):
    """What is kept between transactions, and the rules that make transactions of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.needs: dict[str, Need] = {}
        self.offers: dict[str, Offer] = {}
        self.booked: dict[tuple[str, int], Booking] = {}
        self.citizens: dict[str, Citizen] = {}
        self.consented = False
        self.timers: dict[str, Any] = {}
        self.attention: set[tuple[str, str]] = set()
        self.matched: dict[tuple[str, int], str] = {}
        self.by_hand: set[str] = set()

    def _step(self, what: Callable[[Board], None]) -> None:
        """A transaction: all of it or, where a rule stands against it, nothing."""
        board = a_board(
            *HELPERS, now=self.now, needs=self.needs.values(), bookings=self.booked.values(),
            consented=self.consented, citizens=self.citizens.values(),
        )  # fmt: skip
        try:
            what(board)
        except MatchingError:
            return
        finish(board)
        self._save(board)

    def _save(self, board: Board) -> None:
        for need_id in board.before:
            self.needs[need_id] = msgspec.convert(msgspec.to_builtins(board.needs[need_id]), Need)
        self.offers.update(board.offers)
        for place, booking in board.booked.items():
            self.booked.pop(place, None)
            if booking is not None:
                self.booked[place] = booking
        self.citizens = board.citizens
        for need_id, due in board.timers.items():
            self.timers[need_id] = due
        for item in board.attention:
            key = (item.need_id, item.kind)
            if isinstance(item, Raised):
                self.attention.add(key)
            elif isinstance(item, Settled):
                assert key in self.attention
                self.attention.remove(key)
        for one in board.emissions:
            self._check(one.data)

    def _check(self, data: Any) -> None:
        if isinstance(data, VolunteerMatched | StaffMatched):
            has = self.matched.setdefault((data.need_id, data.seat), data.match_id)
            assert has == data.match_id, "somebody else had the seat and was not released"
        elif isinstance(data, MatchReleased):
            assert self.matched.pop((data.need_id, data.seat)) == data.match_id
        elif isinstance(data, NeedDecided):
            assert len(msgspec.json.encode(data)) <= 16_000

    @rule(word=st.sampled_from(NEEDS), start=st.sampled_from(STARTS),
          place=st.sampled_from(PLACES), minutes=st.sampled_from([30, 31, 240]))  # fmt: skip
    def need_is(self, word: str, start: Any, place: str, minutes: int) -> None:
        end = start + timedelta(minutes=minutes)
        one = facts(word, starts_at=start, location_id=place, ends_at=end)
        self.by_hand.discard(one.need_id)
        self._step(lambda board: transitions.opened(board, one))

    @rule(word=st.sampled_from(NEEDS),
          reason=st.sampled_from(["completed", "missed", "appointment_cancelled"]))  # fmt: skip
    def need_ends(self, word: str, reason: str) -> None:
        self._step(lambda board: transitions.closed(board, an_id(word), reason))

    @rule(given=st.booleans())
    def consent(self, given: bool) -> None:
        self.consented = given
        step = transitions.consent_given if given else transitions.consent_withdrawn
        self._step(lambda board: step(board, an_id("referral"), an_id("citizen")))

    @rule(languages=st.sampled_from([("da",), ("da", "ar"), ("ar",)]),
          meeting=st.sampled_from(["home", "at_location"]))  # fmt: skip
    def record(self, languages: tuple[str, ...], meeting: str) -> None:
        citizen = a_citizen(languages=languages, meeting=meeting)
        self._step(lambda board: transitions.recorded(board, citizen))

    @rule(word=st.sampled_from(NEEDS))
    def who_has_it_is_taken_right_after(self, word: str) -> None:
        need = self.needs.get(an_id(word))
        mine = self.booked.get((an_id(word), 1))
        if need is None or mine is None or mine.until is None:
            return
        other = an_id(f"after {word}")
        since, until = mine.until, mine.until + 3600
        taken = any(
            one.exclusive and one.holder == mine.holder and one.need_id != other
            and (one.since or 0) < until and since < (one.until or 0)
            for one in self.booked.values()
        )  # fmt: skip
        if not taken:
            self.booked[other, 1] = Booking(mine.holder, other, 1, since, until, True)

    @rule()
    def it_begins(self) -> None:
        self.now = max(self.now, LATE)

    @rule(data=st.data(), accepts=st.booleans())
    def answer(self, data: st.DataObject, accepts: bool) -> None:
        open_ones = [one for need in self.needs.values() for one in need.open_offers()]
        if open_ones:
            offer = data.draw(st.sampled_from(open_ones))

            def step(board: Board) -> None:
                draft = Draft(board, board.needs[offer.need_id])
                if answers.is_open(offer, "accept" if accepts else "decline", self.now):
                    (answers.accepted if accepts else answers.declined)(draft, offer)

            self._step(step)

    @rule(word=st.sampled_from(NEEDS))
    def helper_withdraws(self, word: str) -> None:
        need = self.needs.get(an_id(word))
        if need is not None:
            self._step(lambda board: answers.withdrew(Draft(board, need), need.seats[0]))

    @rule(word=st.sampled_from(NEEDS), helper=st.sampled_from(HELPERS))
    def coordinator_assigns(self, word: str, helper: Any) -> None:
        need = self.needs.get(an_id(word))
        if need is not None:
            self.by_hand.add(need.need_id)
            self._step(lambda board: by_hand.assign(Draft(board, need), 1, helper.helper_id, BY))

    @rule(word=st.sampled_from(NEEDS), step=st.sampled_from(["hold", "resume", "reopen"]))
    def coordinator(self, word: str, step: str) -> None:
        need = self.needs.get(an_id(word))
        if need is not None:
            if step == "reopen":
                self.by_hand.add(need.need_id)
            self._step(lambda board: getattr(by_hand, step)(Draft(board, need), BY))

    @rule(word=st.sampled_from(NEEDS), helper=st.sampled_from(HELPERS))
    def block(self, word: str, helper: Any) -> None:
        need = self.needs.get(an_id(word))
        if need is not None and need.state != "closed":
            self._step(lambda board: answers.blocked(board, need, helper.helper_id))

    @precondition(lambda self: any(self.timers.values()))
    @rule()
    def time_passes(self) -> None:
        due_id, due = min((d for d in self.timers.items() if d[1]), key=lambda one: one[1])
        self.now = max(self.now, due)
        self.timers[due_id] = None
        self._step(lambda board: transitions.due(board, due_id))

    @invariant()
    def nobody_is_taken_twice(self) -> None:
        spans: dict[str, list[Booking]] = {}
        for one in self.booked.values():
            if one.exclusive:
                spans.setdefault(one.holder, []).append(one)
        for of in spans.values():
            ordered = sorted(of, key=lambda one: one.since or 0)
            for before, after in pairwise(ordered):
                assert (before.until or 0) <= (after.since or 0)

    @invariant()
    def a_filled_seat_has_a_booked_helper_and_no_other_has(self) -> None:
        for need in self.needs.values():
            for seat in need.seats:
                booked = self.booked.get((need.need_id, seat.no))
                if seat.state == "filled":
                    assert booked is not None
                    assert booked.holder == seat.helper_id
                    lead = self.needs.get(need.follows or "")
                    assert booked.exclusive == (lead is None)
                    assert lead is None or lead.state != "closed", "its booking is its own"
                    assert (need.need_id, seat.no) in self.matched
                else:
                    assert (booked is None) == (seat.helper_id is None)
                    assert seat.helper_id is None or need.state == "closed"
                    assert (seat.helper_id is not None) == ((need.need_id, seat.no) in self.matched)

    @invariant()
    def nothing_is_lost(self) -> None:
        for need in self.needs.values():
            live = need.state in ("open", "filled")
            assert (need.state == "filled") == (live and not need.missing)
            assert {k for n, k in self.attention if n == need.need_id} == {*need.attention}
            if not live:
                assert not need.open_offers()
                awaits_record = need.state == "waiting" and self.consented
                timer = self.timers.get(need.need_id)
                if need.attention:
                    assert awaits_record
                    assert need.attention == ("nobody_found",)
                elif awaits_record and need.ends_at is not None and need.ends_at > self.now:
                    assert timer is not None, "a human is told in time"
                    assert need.starts_at is not None
                    # One that comes as it begins may still have its record on the way.
                    assert timer <= max(need.starts_at, need.opened_at + AWAITED)
                else:
                    assert timer is None
                continue
            assert self.consented
            assert an_id("citizen") in self.citizens
            for seat in need.seats:
                assert bool(need.open_offers(seat.no)) <= (seat.state == "searching")
                if seat.state == "searching":
                    assert seat.due_at is not None
                    assert self.timers[need.need_id] is not None
                elif seat.state == "escalated":
                    assert need.attention
                elif seat.state == "waiting":
                    lead = self.needs[need.follows or ""]
                    assert (lead.state, lead.follows) == ("open", None)

    @invariant()
    def one_way_has_one_helper(self) -> None:
        live = [one for one in self.needs.values()
                if one.state in ("open", "filled") and one.need_id not in self.by_hand]  # fmt: skip
        board = a_board(*HELPERS, citizens=self.citizens.values())
        for number, one in enumerate(live):
            for other in live[number + 1 :]:
                both = {*one.helpers(), *other.helpers()}
                if len(both) > 1:
                    assert relation(board, one, other) is None
                if one.open_offers() and other.open_offers():
                    assert relation(board, one, other) is None


TestCitizens = Citizens.TestCase
TestCitizens.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
