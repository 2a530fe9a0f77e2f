"""Whatever a pathway's policy says and whatever happens in whatever order: nothing is lost.

`test_need_states.py` is about one citizen's needs of one pathway. Here the policies are generated,
and helpers, rooms, caseloads, reference data and all timers take part.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedDecided,
    OfferMade,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_matching.domain import answers, by_hand, transitions
from brobyg_matching.domain.board import Board, Known, Raised
from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.diary import RESOURCE, Booking
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Profile
from brobyg_matching.domain.need import Citizen, Facts, Need, Offer, Seat
from brobyg_matching.domain.neighbours import asked_of
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.searching import AWAITED, ordinary_deadline, survey
from brobyg_matching.errors import MatchingError
from brobyg_matching.use_cases import events
from generated_pathways import HELPERS, PATHWAYS, REFERENCES, policies
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from matching_samples import BY, DEPARTMENT, LATE, NOW, a_citizen, an_id

WORDS = st.sampled_from(["a", "b", "c", "d"])
CITIZENS = ("citizen", "other")
DEPARTMENTS = (DEPARTMENT, "aarhus")
PLACES = ("toy-house", "toy-palace", "randers-hospital", "new-house")
STARTS = [LATE + timedelta(minutes=m) for m in (0, 15, 90, 1440)]
SAID = st.fixed_dictionaries(
    {
        "word": WORDS,
        "pathway": st.sampled_from(PATHWAYS),
        "start": st.sampled_from(STARTS),
        "place": st.sampled_from(PLACES),
        "citizen": st.sampled_from(CITIZENS),
        "department": st.sampled_from([DEPARTMENT, DEPARTMENT, "aarhus"]),
        "priority": st.integers(1, 5),
        "hours": st.sampled_from([None, None, 2, 30]),
        "fewer": st.booleans(),
    }
)


class Pathways(RuleBasedStateMachine):
    """What is kept between transactions, and the rules that make transactions of it."""

    @initialize(first=policies("first"), second=policies("second", waits=True))
    def begin(self, first: Policy, second: Policy) -> None:
        self.policies = {"first": first, "second": second}
        self.now, self.distances = NOW, REFERENCES[0]
        self.needs: dict[str, Need] = {}
        self.offers: dict[str, Offer] = {}
        self.booked: dict[tuple[str, int], Booking] = {}
        self.cases: dict[str, int] = {}
        self.citizens: dict[str, Citizen] = {an_id("citizen"): a_citizen()}
        self.consents: dict[str, bool] = {an_id("referral of citizen"): True}
        self.blocks: dict[str, frozenset[str]] = {}
        self.turns: dict[str, int] = {}
        self.helpers = {one.helper_id: one for one in HELPERS}
        self.attention: set[tuple[str, str]] = set()
        self.matched: dict[tuple[str, int], str] = {}
        # Timers: of needs, of helpers who were matched or paused, of departments with free places.
        self.timers: dict[str, datetime] = {}
        self.rechecks: set[str] = set()
        self.freed: set[str] = set()

    def _board(self) -> Board:
        rosters = {
            name: Roster(
                [o for o in self.helpers.values() if name in o.departments], self.distances
            )
            for name in DEPARTMENTS
        }
        open_offers: dict[str, int] = {}
        for one in self.offers.values():
            if one.state == "open":
                open_offers[one.helper_id] = open_offers.get(one.helper_id, 0) + 1
        board = Board(
            self.now,
            self.distances,
            self.needs,
            Known(
                citizens=self.citizens,
                consents=self.consents,
                rosters=rosters,
                profiles={name: Profile(one) for name, one in self.helpers.items()},
                bookings=tuple(one for one in self.booked.values() if one.since is not None),
                cases=self.cases,
                open_offers=open_offers,
                blocks=self.blocks,
                turns=self.turns,
            ),
        )
        board._policies.update(self.policies)
        return board

    def _step(self, what: Callable[[Board], None]) -> None:
        """A transaction: all of it or, where a rule stands against it, nothing."""
        board = self._board()
        try:
            what(board)
        except MatchingError:
            return
        finish(board)
        self._explained(board)
        self._save(board)

    def _save(self, board: Board) -> None:
        """Keep what the database would keep, and refuse what it would refuse."""
        for offer_id, offer in board.offers.items():
            assert (offer_id in self.offers) != (offer_id in board.made)
            self.offers[offer_id] = offer
        for place, booking in board.booked.items():
            self.booked.pop(place, None)
            if booking is not None:
                self.booked[place] = booking
        for helper_id, (by, limit) in board.case_changes.items():
            self.cases[helper_id] = self.cases.get(helper_id, 0) + by
            assert self.cases[helper_id] >= 0
            if by > 0:
                assert limit is not None
                assert self.cases[helper_id] <= limit, "a case too many"
        for need_id in board.before:
            one = msgspec.convert(msgspec.to_builtins(board.needs[need_id]), Need)
            live = [o for o in self.offers.values()
                    if o.need_id == need_id and o.state in ("open", "accepted")]  # fmt: skip
            live.sort(key=lambda o: (o.seat_no, o.rank))
            self.needs[need_id] = msgspec.structs.replace(one, offers=tuple(live))
        self.citizens, self.consents = board.citizens, board.consents
        for need_id, due in board.timers.items():
            self.timers.pop(need_id, None)
            if due is not None:
                self.timers[need_id] = due
        self.rechecks |= board.promised
        self.freed |= board.freed
        self.turns.update(dict.fromkeys(board.turned, int(self.now.timestamp())))
        for item in board.attention:
            key = (item.need_id, item.kind)
            if isinstance(item, Raised):
                self.attention.add(key)
            else:
                self.attention.remove(key)

    def _explained(self, board: Board) -> None:
        """Each thing that is done to a seat was decided before it, under the policy as it is."""
        decided: dict[tuple[str, int], NeedDecided] = {}
        of_need: dict[str, set[str]] = {}
        for one in board.emissions:
            data: Any = one.data
            version = getattr(data, "policy_version", None)
            assert version in (None, board.policy(board.needs[data.need_id]).version)
            match data:
                case NeedDecided():
                    decided[data.need_id, data.seat] = data
                    of_need.setdefault(data.need_id, set()).add(data.outcome)
                    assert len(msgspec.json.encode(data)) <= 16_000
                case OfferMade():
                    why = decided[data.need_id, data.seat]
                    assert (why.outcome, why.round, why.wave) == ("asked", data.round, data.wave)
                    assert (data.helper_id, data.rank) in [
                        (o.helper_id, o.rank) for o in why.considered
                    ]
                case VolunteerMatched() | StaffMatched():
                    self._matched(data, decided)
                case MatchReleased():
                    assert self.matched.pop((data.need_id, data.seat)) == data.match_id
                case MatchEscalated():
                    assert data.reason in of_need[data.need_id]
                case _:
                    pass

    def _matched(self, data: Any, decided: dict[tuple[str, int], NeedDecided]) -> None:
        place = data.need_id, data.seat
        if data.corrected is True:
            assert self.matched[place] == data.match_id
            return
        assert place not in self.matched, "somebody else had the seat and was not released"
        self.matched[place] = data.match_id
        match data.way:
            case "assigned" | "by_hand" | "claimed":
                assert decided[place].outcome == data.way
            case "offer":
                assert self.offers[data.offer_id].state == "open", "asked before"
            case "same_way":
                assert data.shares_with in self.needs
            case _:
                raise AssertionError(data.way)

    # What comes from other services.

    def _need_is(self, said: dict[str, Any]) -> None:
        declared = self.policies[said["pathway"]]
        of_citizen, span = declared.need.of_citizen, declared.need.has_span
        hours, citizen, start = said["hours"], said["citizen"], said["start"]
        after = None if hours is None else self.now + timedelta(hours=hours)
        one = Facts(
            need_id=an_id(said["word"]),
            about_kind=declared.need.about,
            about_id=an_id(said["word"]),
            pathway=said["pathway"],
            department=said["department"],
            mode="in_person",
            priority=said["priority"],
            competences=(),
            crew=declared.crew()[: 1 if said["fewer"] else None],
            referral_id=an_id(f"referral of {citizen}") if of_citizen else None,
            citizen_id=an_id(citizen) if of_citizen else None,
            location_id=said["place"] if span else None,
            starts_at=start if span else None,
            ends_at=start + timedelta(minutes=30) if span else None,
            answer_by=after if not span else None,
            not_before=after if span else None,
        )
        self._step(lambda board: transitions.opened(board, one))

    @rule(said=SAID)
    def need_is(self, said: dict[str, Any]) -> None:
        self._need_is(said)

    @rule(said=SAID)
    def need_is_now(self, said: dict[str, Any]) -> None:
        """Twice among the rules: without needs there is nothing to see."""
        self._need_is(said)

    @rule(word=WORDS, reason=st.sampled_from(["completed", "missed", "withdrawn"]))
    def need_ends(self, word: str, reason: str) -> None:
        self._step(lambda board: transitions.closed(board, an_id(word), reason))

    @rule(citizen=st.sampled_from(CITIZENS),
          what=st.sampled_from(["given", "withdrawn", "da", "ar", "so", "erased"]))  # fmt: skip
    def citizen_is(self, citizen: str, what: str) -> None:
        who, referral = an_id(citizen), an_id(f"referral of {citizen}")
        match what:
            case "given":
                self._step(lambda board: transitions.consent_given(board, referral, who))
            case "withdrawn":
                self._step(lambda board: transitions.consent_withdrawn(board, referral, who))
            case "erased":
                self._step(lambda board: transitions.erased(board, who))
            case language:
                one = a_citizen(citizen, languages=(language,))
                self._step(lambda board: transitions.recorded(board, one))

    # What helpers and coordinators do.

    @rule(data=st.data(), answer=st.sampled_from(["accepted", "declined"]))
    def answer(self, data: st.DataObject, answer: str) -> None:
        open_ones = [one for one in self.offers.values() if one.state == "open"]
        if open_ones:
            offer = data.draw(st.sampled_from(open_ones))

            def step(board: Board) -> None:
                assert answers.is_open(offer, "accept", self.now)
                getattr(answers, answer)(Draft(board, board.needs[offer.need_id]), offer)

            self._step(step)

    @rule(word=WORDS, no=st.integers(1, 3), helper=st.sampled_from(HELPERS),
          what=st.sampled_from(["assign", "claim", "withdrew"]))  # fmt: skip
    def seat(self, word: str, no: int, helper: Any, what: str) -> None:
        need = self.needs.get(an_id(word))
        seat = need.seat(no) if need is not None else None
        if need is not None and what != "withdrew":
            do = getattr(by_hand, what)
            role: Any = "coordinator" if what == "assign" else "helper"
            by = Actor(helper.helper_id, role)
            self._step(lambda board: do(Draft(board, need), no, helper.helper_id, by))
        elif need is not None and seat is not None:
            self._step(lambda board: answers.withdrew(Draft(board, need), seat))

    @rule(word=WORDS, step=st.sampled_from(["hold", "resume", "reopen"]))
    def coordinator(self, word: str, step: str) -> None:
        need = self.needs.get(an_id(word))
        if need is not None:
            self._step(lambda board: getattr(by_hand, step)(Draft(board, need), BY))

    @rule(what=st.sampled_from(["block", "active", "paused", "reference", "policy"]),
          number=st.integers(0, 8), helper=st.sampled_from(HELPERS))  # fmt: skip
    def seldom(self, what: str, number: int, helper: Any) -> None:
        match what:
            case "block":
                self._block(CITIZENS[number % 2], helper.helper_id)
            case "reference":
                self._reference_is(number)
            case "policy":
                before = self.policies[PATHWAYS[number % 2]].declared
                after = msgspec.structs.replace(before, version=before.version + 1)
                self.policies[after.name] = Policy(after)
            case status:
                self._helper_is(helper, status)

    def _block(self, citizen: str, helper_id: str) -> None:
        before = self.blocks.get(an_id(citizen), frozenset())
        self.blocks = {**self.blocks, an_id(citizen): before | {helper_id}}

        def step(board: Board) -> None:
            for need in board.of_citizen(an_id(citizen)):
                answers.blocked(board, board.needs[need.need_id], helper_id)

        self._step(step)

    def _reference_is(self, number: int) -> None:
        """Records of pools and departments are handled when they have been copied."""
        before, self.distances = self.distances.reference, REFERENCES[number]
        after = self.distances.reference
        for name, pool in after.pools.items():
            if pool != before.pools[name]:
                data: Any = SimpleNamespace(record=f"pool/{name}")
                self._step(partial(events.pool_recorded, data=data))
        for name, department in after.departments.items():
            if department != before.departments[name]:
                data = SimpleNamespace(record=f"department/{name}")
                self._step(partial(events.department_recorded, data=data))

    def _helper_is(self, helper: Any, status: str) -> None:
        """As `use_cases.registration` has it, with the timers that it sets."""
        before = self.helpers[helper.helper_id]
        if before.status == status:
            return
        self.helpers[helper.helper_id] = msgspec.structs.replace(before, status=status)
        if status == "active":
            for one in helper.departments:
                self.freed.update((one, *asked_of(one, self.distances.reference)))
        else:
            self.rechecks.add(helper.helper_id)

    # What time does.

    @rule(minutes=st.sampled_from([1, 59, 600]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.timers or self.rechecks or self.freed)
    @rule(number=st.integers(0, 99))
    def timer_fires(self, number: int) -> None:
        fire: list[Callable[[], None]] = [
            *(partial(self._look_at, helper_id) for helper_id in sorted(self.rechecks)),
            *(partial(self._fill_up, department) for department in sorted(self.freed)),
        ]
        if self.timers:
            fire.append(self._search)
        fire[number % len(fire)]()

    def _search(self) -> None:
        need_id, due = min(self.timers.items(), key=lambda one: one[1])
        self.now = max(self.now, due)
        del self.timers[need_id]
        self._step(lambda board: transitions.due(board, need_id))

    def _look_at(self, helper_id: str) -> None:
        self.rechecks.remove(helper_id)
        asked = {
            one.need_id
            for one in self.offers.values()
            if (one.state, one.helper_id) == ("open", helper_id)
        }

        def step(board: Board) -> None:
            for need_id in sorted(asked):
                answers.recheck(board, board.needs[need_id], helper_id)
                finish(board)

        self._step(step)

    def _fill_up(self, department: str) -> None:
        self.freed.remove(department)
        waiting = sorted(
            (one for one in self.needs.values()
             if one.department == department and one.waits),
            key=lambda one: (one.priority, one.opened_at, one.need_id),
        )  # fmt: skip

        def step(board: Board) -> None:
            for one in waiting:
                transitions.capacity_free(board, one.need_id)
                finish(board)

        self._step(step)

    # What always holds.

    @invariant()
    def nobody_and_nothing_is_taken_twice(self) -> None:
        spans: dict[str, list[Booking]] = {}
        for one in self.booked.values():
            if one.exclusive:
                spans.setdefault(one.holder, []).append(one)
        for of in spans.values():
            for before, after in pairwise(sorted(of, key=lambda one: one.since or 0)):
                assert (before.until or 0) <= (after.since or 0)

    @invariant()
    def cases_are_counted_as_they_are(self) -> None:
        counted: dict[str, int] = {}
        for one in self.booked.values():
            if one.since is None:
                counted[one.holder] = counted.get(one.holder, 0) + 1
        assert counted == {who: cases for who, cases in self.cases.items() if cases}

    @invariant()
    def a_seat_is_booked_exactly_while_somebody_has_it(self) -> None:
        for need in self.needs.values():
            for seat in need.seats:
                booked = self.booked.get((need.need_id, seat.no))
                has = (need.need_id, seat.no) in self.matched
                assert has == (seat.helper_id is not None)
                if seat.state == "filled":
                    assert booked is not None
                    assert booked.holder == seat.helper_id
                else:
                    assert seat.helper_id is None or seat.state == "closed"
            assert len(need.helpers()) == len({*need.helpers()}), "nobody has two seats of a need"

    @invariant()
    def a_room_is_held_exactly_while_somebody_is_or_may_be_there(self) -> None:
        for need in self.needs.values():
            booked = self.booked.get((need.need_id, RESOURCE))
            begun = need.meet_at is not None and need.meet_at <= self.now
            assert (booked.holder if booked else None) == need.resource_id
            if booked is not None:
                assert need.starts_at is not None
                assert begun or booked.since == int(need.starts_at.timestamp())
            if need.state in ("open", "filled") and begun:
                continue
            if need.state in ("open", "filled"):
                states = {one.state for one in need.seats}
                wants = self.policies[need.pathway].resource is not None
                if states & {"searching", "filled"}:
                    assert (need.resource_id is not None) == wants
                elif "held" not in states:  # what is held may have moved to where none is free
                    assert need.resource_id is None
            elif need.resource_id is not None:
                assert need.ends_at is not None
                assert need.ends_at <= self.now, "nobody is there any more"

    @invariant()
    def what_is_closed_holds_nothing(self) -> None:
        for need in self.needs.values():
            if need.state != "closed":
                continue
            assert need.need_id not in self.timers
            assert not need.open_offers()
            assert not need.attention
            assert {one.state for one in need.seats} == {"closed"}
            for seat in need.seats:
                booked = self.booked.get((need.need_id, seat.no))
                if booked is not None:
                    assert booked.since is not None, "a case goes on"
                    assert need.reason in ("completed", "missed") or is_over(need, self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        board: Board | None = None
        for need in self.needs.values():
            assert (need.state == "filled") == (
                need.state in ("open", "filled") and not need.missing
            )
            assert {k for n, k in self.attention if n == need.need_id} == {*need.attention}
            if need.state == "waiting":
                of_citizen = self.policies[need.pathway].need.of_citizen
                assert of_citizen
                assert need.citizen_id not in self.citizens or not self.consents.get(
                    need.referral_id or ""
                )
                assert not need.open_offers()
                self._told_without_a_record(need)
            if need.state in ("open", "filled"):
                for seat in need.seats:
                    assert bool(need.open_offers(seat.no)) <= (seat.state == "searching")
                    if seat.waits and need.department not in self.freed:
                        board = board or self._board()
                        self._nobody_can(board, need, seat)
                    self._moves(need, seat)

    def _told_without_a_record(self, need: Need) -> None:
        """The citizen's record does not come: a human is told in time, but not without consent."""
        timer = self.timers.get(need.need_id)
        deadline = ordinary_deadline(need, self.policies[need.pathway])
        if deadline is None or not self.consents.get(need.referral_id or ""):
            assert not need.attention
            assert timer is None
        elif not (need.attention or is_over(need, self.now)):
            assert timer is not None
            assert timer <= max(deadline, need.opened_at + AWAITED, self.now)

    def _moves(self, need: Need, seat: Seat) -> None:
        """Something will be done about the seat, or somebody knows that nothing will."""
        if seat.state == "searching" or seat.waits:
            self._by_its_deadline(need, seat)
        match seat.state:
            case "searching":
                claimed = self.policies[need.pathway].asking.way == "claim"
                if seat.due_at is None:
                    assert claimed
                    assert seat.decide_by is None
                    assert need.attention or need.state == "filled", "somebody knows"
                else:
                    assert self.timers[need.need_id] <= seat.due_at
            case "escalated":
                assert need.attention or need.state == "filled"
            case "waiting" if not seat.waits:
                lead = self.needs[need.follows or ""]
                assert (seat.reason, lead.follows) == ("same_way", None)
                assert lead.seats[0].state in ("searching", "held")
            case _:
                pass

    def _by_its_deadline(self, need: Need, seat: Seat) -> None:
        """However long the seat is searched for or waits: a human is told in time."""
        policy, timer = self.policies[need.pathway], self.timers.get(need.need_id)
        if policy.giving_up.way == "wait":
            # It is searched for after the deadline as well, but then somebody knows.
            deadline = ordinary_deadline(need, policy)
            told = "nobody_found" in need.attention or need.state == "filled"
            if deadline is not None and not told:
                assert timer is not None
                assert timer <= max(deadline, self.now)
            return
        if need.starts_at is None:
            presses = need.answer_by is not None or policy.asking.way == "claim"
            assert (seat.decide_by is not None) == presses
        if seat.decide_by is not None:
            assert timer is not None
            assert timer <= max(seat.decide_by, self.now)

    def _nobody_can(self, board: Board, need: Need, seat: Seat) -> None:
        """Whoever could have the seat has been asked and was silent, or is to take it unasked."""
        if self.policies[need.pathway].asking.way == "claim":
            return
        could = survey(Draft(board, need), seat.no, again=True).candidates
        silent = {o for one in need.seats if one.role == seat.role for o in one.asked}
        assert {one.helper_id for one in could} <= silent


def is_over(need: Need, now: datetime) -> bool:
    return need.ends_at is not None and need.ends_at <= now


TestPathways = Pathways.TestCase
TestPathways.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
