"""Cases that the state machine of `test_pathway_states.py` has found, one by one."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from brobyg_contracts import MatchEscalated, NeedDecided, OfferMade, OfferWithdrawn, SeatWanted
from brobyg_contracts.pathways import Asking, GivingUp, SeatPolicy
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised
from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import Facts, Need
from brobyg_matching.domain.policy import Policy, policy_of
from matching_samples import (
    BY,
    CASE,
    DEPARTMENT,
    LATE,
    NOW,
    SESSION,
    a_board,
    a_citizen,
    a_helper,
    an_id,
    facts,
    said,
)

GUIDES = [a_helper(f"guide {n}", pools=("toy_guide",)) for n in range(3)]
HOST = a_helper("host", pools=("toy_host",), competences=frozenset({"first_aid"}), papers={})
NAVIGATORS = [a_helper(f"navigator {n}", pools=("navigator",), papers={}) for n in range(2)]


def policy(name: str, **changes: Any) -> Policy:
    """The toy pathway with some of its tables otherwise."""
    return Policy(msgspec.structs.replace(policy_of(name).declared, **changes))


#: Navigators are asked one after the other instead of being given the case.
IN_TURN = Asking(way="in_turn", offer_lifetime_minutes=60)


def board_of(*helpers: Any, by: Policy | None = None, **known: Any) -> Board:
    board = a_board(*helpers, **known)
    if by is not None:
        board._policies[by.name] = by
    return board


def tell(board: Board, one: Facts) -> Need:
    transitions.opened(board, one)
    finish(board)
    return board.needs[one.need_id]


def fire(board: Board, need: Need) -> Need:
    """The need's timer."""
    due = board.timers[need.need_id]
    assert due is not None
    board.now = max(board.now, due)
    transitions.due(board, need.need_id)
    finish(board)
    return board.needs[need.need_id]


def states(need: Need) -> list[tuple[str, str | None]]:
    return [(one.state, one.reason) for one in need.seats]


def test_a_need_that_is_opened_again_by_another_pathway_is_searched_by_that_ones_policy() -> None:
    board = board_of(*GUIDES, *NAVIGATORS)
    tell(board, facts(**SESSION))
    transitions.closed(board, an_id("need"), "withdrawn")
    finish(board)
    need = tell(board, facts(**CASE))
    assert [(one.state, one.way) for one in need.seats if one.state != "closed"] == [
        ("filled", "assigned")
    ]
    last = said(board, NeedDecided)[-1]
    assert (last.pathway, last.policy_version) == ("toy_caseload", 7)


def test_a_room_is_free_when_what_it_was_held_for_is_over_before_its_time() -> None:
    board = board_of(*GUIDES, HOST)
    tell(board, facts(**SESSION))
    transitions.closed(board, an_id("need"), "completed")
    finish(board)
    assert board.needs[an_id("need")].resource_id is None
    assert tell(board, facts("other", **SESSION)).resource_id == "toy-room"


def test_who_declines_one_seat_is_looked_at_for_the_other_that_waits_for_capacity() -> None:
    seats = tuple(SeatPolicy(role=o, pools=("navigator",), least=1, wanted=1) for o in "ab")
    board = board_of(NAVIGATORS[0], by=policy("toy_caseload", seats=seats, asking=IN_TURN))
    need = tell(board, facts(**CASE, crew=board._policies["toy_caseload"].crew()))
    assert states(need) == [("searching", None), ("waiting", "capacity")]
    answers.declined(Draft(board, need), need.open_offers()[0])
    finish(board)
    assert board.freed == {DEPARTMENT}
    transitions.capacity_free(board, need.need_id)
    assert states(board.needs[need.need_id]) == [("waiting", "capacity"), ("searching", None)]


def test_what_waits_for_capacity_is_looked_at_when_the_citizen_speaks_another_language() -> None:
    board = board_of(NAVIGATORS[0], citizens=[a_citizen(languages=("so",))])
    need = tell(board, facts(**CASE))
    assert states(need) == [("waiting", "capacity")]
    transitions.recorded(board, a_citizen())
    finish(board)
    assert board.freed == {DEPARTMENT}
    transitions.capacity_free(board, need.need_id)
    assert states(board.needs[need.need_id]) == [("filled", None)]


def test_the_coordinator_is_told_of_what_waits_for_capacity_when_it_must_be_answered() -> None:
    board = board_of()
    need = tell(board, facts(**CASE, answer_by=NOW + timedelta(hours=5)))
    assert states(need) == [("waiting", "capacity")]
    need = fire(board, need)
    assert board.now == NOW + timedelta(hours=5)
    assert states(need) == [("waiting", "capacity")], "who has capacity later may still have it"
    assert need.attention == ("nobody_found",)


def test_the_asking_goes_on_when_the_coordinator_was_told_of_what_may_wait() -> None:
    board = board_of(*NAVIGATORS, by=policy("toy_caseload", asking=IN_TURN))
    need = tell(board, facts(**CASE, answer_by=NOW + timedelta(minutes=90)))
    need = fire(board, need)  # the first is silent
    assert len(said(board, OfferMade)) == 2, "the second is asked"


def test_a_search_ends_by_the_time_that_holds_now_though_an_offer_is_open_for_longer() -> None:
    board = board_of(*NAVIGATORS, by=policy(
        "toy_caseload", asking=Asking(way="in_turn", offer_lifetime_minutes=1440),
        giving_up=GivingUp(way="escalate"),
    ))  # fmt: skip
    need = tell(board, facts(**CASE))
    assert board.timers[need.need_id] == NOW + timedelta(days=1)
    need = tell(board, facts(**CASE, answer_by=NOW + timedelta(hours=2)))
    need = fire(board, need)
    assert board.now == NOW + timedelta(hours=2)
    assert states(need) == [("escalated", "nobody_answered")]
    assert [one.reason for one in said(board, OfferWithdrawn)] == ["escalated"]


def test_nobody_is_asked_for_a_seat_that_is_added_where_no_room_is_free() -> None:
    start, end = int(LATE.timestamp()), int((LATE + timedelta(hours=1)).timestamp())
    taken = Booking("toy-room", an_id("other"), 0, start, end, True)
    board = board_of(*GUIDES, HOST, bookings=[taken])
    one = SeatWanted(role="guide", least=1, wanted=1)
    tell(board, facts(**SESSION, crew=(one,)))
    need = tell(board, facts(**SESSION))
    assert states(need) == [("escalated", "no_room")] * 3
    assert said(board, OfferMade) == []
    assert {one.reason for one in said(board, MatchEscalated)} == {"no_room"}


def test_the_coordinator_is_told_of_a_need_whose_citizens_record_does_not_come() -> None:
    board = board_of(a_helper("student"), citizens=[])
    need = tell(board, facts())
    assert (need.state, need.attention) == ("waiting", ())
    need = fire(board, need)
    assert board.now < LATE
    assert (need.state, need.attention) == ("waiting", ("nobody_found",))
    assert [one.reasons for one in board.attention if isinstance(one, Raised)] == [("no_record",)]
    transitions.recorded(board, a_citizen())
    finish(board)
    need = board.needs[need.need_id]
    assert (need.state, need.attention) == ("open", ())
    assert len(need.open_offers()) == 1


def test_nobody_is_told_of_a_need_whose_citizens_record_and_consent_are_not_there() -> None:
    board = board_of(citizens=[], consented=False)
    need = tell(board, facts())
    assert board.timers[need.need_id] is None
    transitions.consent_given(board, an_id("referral"), an_id("citizen"))
    finish(board)
    assert board.timers[need.need_id] is not None


def test_a_record_that_is_on_its_way_with_a_need_near_its_time_is_waited_for() -> None:
    board = board_of(a_helper("student"), citizens=[], now=LATE - timedelta(hours=4))
    need = tell(board, facts())
    assert need.attention == ()
    transitions.recorded(board, a_citizen())
    finish(board)
    assert not board.attention


def test_a_calendar_that_is_not_there_is_waited_for_and_then_a_human_is_told() -> None:
    asking = Asking(way="in_turn", offer_lifetime_minutes=60, calendar="calendar/nowhere")
    board = board_of(*NAVIGATORS, by=policy("toy_caseload", asking=asking))
    need = tell(board, facts(**CASE))
    for _ in range(20):
        if need.attention:
            break
        assert not need.open_offers()
        need = fire(board, need)
    assert states(need) == [("escalated", "nobody_available")]
    assert board.now <= NOW + timedelta(minutes=11)
    assert board.timers[need.need_id] is None


@pytest.mark.parametrize("way", ["escalate", "wait"])
def test_a_human_is_told_of_what_nobody_claims_and_it_may_still_be_claimed(way: Any) -> None:
    asking, giving_up = Asking(way="claim", offer_lifetime_minutes=60), GivingUp(way=way)
    [helper, _] = NAVIGATORS
    board = board_of(helper, by=policy("toy_caseload", asking=asking, giving_up=giving_up))
    need = tell(board, facts(**CASE))
    assert need.attention == ()
    need = fire(board, need)
    assert board.now == NOW + timedelta(hours=1)
    assert need.attention == ("nobody_found",)
    if way == "escalate":
        answers.reopen(Draft(board, need), BY)
        finish(board)
        assert board.needs[need.need_id].attention == ()
        need = fire(board, need)
        assert (board.now, need.attention) == (NOW + timedelta(hours=2), ("nobody_found",))
    by = Actor(helper.helper_id, "helper")
    answers.claim(Draft(board, need), 1, helper.helper_id, by)
    finish(board)
    need = board.needs[need.need_id]
    assert (states(need), need.attention) == ([("filled", None)], ())
    assert board.timers[need.need_id] is None
