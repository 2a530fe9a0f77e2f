"""What is agreed stays agreed, whatever is heard of the citizen or the need meanwhile."""

from typing import Any

import pytest
from brobyg_contracts import MatchEscalated, MatchReleased, OfferMade
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Helper
from brobyg_matching.domain.roster import Roster
from matching_samples import BY, DEPARTMENT, DISTANCES, a_board, a_citizen, a_helper, an_id, facts
from matching_samples import said as told

CASE: dict[str, Any] = {"pathway": "toy_caseload", "about_kind": "referral", "location_id": None,
        "starts_at": None, "ends_at": None}  # fmt: skip


def tell(board: Board, word: str = "need", **changes: Any) -> None:
    transitions.opened(board, facts(word, **changes))
    finish(board)


def accept(board: Board, word: str = "need", helper: str | None = None) -> str:
    need = board.needs[an_id(word)]
    offer = need.open_offers(helper_id=an_id(helper) if helper else None)[0]
    answers.accepted(Draft(board, need), offer)
    finish(board)
    return offer.helper_id


def record(board: Board, **changes: Any) -> None:
    transitions.recorded(board, a_citizen(**changes))
    finish(board)


def helpers_of(board: Board, word: str = "need") -> list[str]:
    return board.needs[an_id(word)].helpers()


def become(board: Board, *helpers: Helper) -> None:
    """The helpers are like this now."""
    board.rosters = {DEPARTMENT: Roster(helpers, DISTANCES)}


def test_who_was_paused_since_keeps_the_seat_when_the_citizen_speaks_one_more_language() -> None:
    board = a_board(a_helper("v"))
    tell(board)
    who = accept(board)
    become(board, a_helper("v", status="paused", range_metres=1, pools=("toy_host",), papers={}))
    record(board, languages=("da", "ar"))
    assert helpers_of(board) == [who]
    assert told(board, MatchReleased, MatchEscalated) == []


def test_whom_a_coordinator_has_chosen_keeps_the_seat_whatever_the_record_says() -> None:
    board = a_board(a_helper("v", range_metres=1))
    tell(board)
    answers.assign(Draft(board, board.needs[an_id("need")]), 1, an_id("v"), BY)
    finish(board)
    record(board, languages=("ar",), gender_wish="male")
    assert helpers_of(board) == [an_id("v")]


@pytest.mark.parametrize("wish", [{"languages": ("ar",)}, {"gender_wish": "male"}])
def test_who_has_not_what_the_record_asks_for_anew_is_released(wish: Any) -> None:
    board = a_board(a_helper("v"), a_helper("w", languages=frozenset({"da", "ar"}), gender="male"))
    tell(board)
    accept(board, helper="v")
    record(board, **wish)
    assert [one.helper_id for one in told(board, MatchReleased)] == [an_id("v")]
    assert [one.helper_id for one in told(board, OfferMade)][-1] == an_id("w")


def test_a_case_stays_with_its_helper_when_the_citizen_moves_within_the_town() -> None:
    ours = {"pools": ("navigator",), "papers": {}}
    board = a_board(a_helper("a", home_postcode="8920", **ours), a_helper("b", **ours))
    tell(board, **CASE)
    [who] = helpers_of(board)
    record(board, postcode="8930")
    assert helpers_of(board) == [who]
    assert told(board, MatchReleased) == []


def test_who_is_met_elsewhere_now_is_asked_anew() -> None:
    board = a_board(a_helper("v"))
    tell(board)
    accept(board)
    record(board, postcode="8500")
    assert len(told(board, MatchReleased)) == 1
