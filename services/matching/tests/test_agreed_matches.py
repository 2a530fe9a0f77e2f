"""What is agreed stays agreed, whatever is heard of the citizen or the need meanwhile."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from brobyg_contracts import MatchEscalated, MatchReleased, NeedDecided, OfferMade, VolunteerMatched
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Helper, Paper
from brobyg_matching.domain.roster import Roster
from brobyg_matching.errors import NotAllowed
from matching_samples import (
    BY,
    CASE,
    DEPARTMENT,
    DISTANCES,
    LATE,
    PAPERS,
    a_board,
    a_citizen,
    a_helper,
    an_id,
    facts,
)
from matching_samples import said as told


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


NOON = LATE + timedelta(hours=2)


def of_another(board: Board, word: str, start: datetime, **changes: Any) -> None:
    """A need of somebody else, who is met there, and whose record and consent are there."""
    board.know(a_citizen(f"citizen of {word}", meeting="at_location"))
    board.consent(an_id(f"referral of {word}"), an_id(f"citizen of {word}"), given=True)
    ids = {"citizen_id": an_id(f"citizen of {word}"), "referral_id": an_id(f"referral of {word}")}
    tell(board, word, starts_at=start, ends_at=start + timedelta(minutes=30), **ids, **changes)


def home_at(board: Board, word: str = "need") -> datetime:
    seat = board.needs[an_id(word)].seats[0]
    assert seat.home_at is not None
    return seat.home_at


def booked_until(board: Board, word: str = "need", no: int = 1) -> float:
    booking = board.booked[an_id(word), no]
    assert booking is not None
    assert booking.until is not None
    return booking.until


def nobody_is_in_two_places(board: Board) -> None:
    spans = sorted(
        (one.since or 0, one.until or 0) for one in board.booked.values() if one and one.exclusive
    )
    assert all(one[1] <= other[0] for one, other in pairwise(spans)), spans


def test_who_is_with_the_citizen_is_booked_for_as_long_as_it_takes() -> None:
    board = a_board(a_helper("v"))
    tell(board)
    accept(board)
    before = home_at(board)
    board.now = LATE
    tell(board, ends_at=LATE + timedelta(hours=3))
    assert home_at(board) - before == timedelta(hours=2, minutes=30)
    assert booked_until(board) == home_at(board).timestamp()
    first, again = told(board, VolunteerMatched)
    assert (again.match_id, again.corrected, again.ends_at) == (
        first.match_id,
        True,
        LATE + timedelta(hours=3),
    )
    of_another(board, "other", NOON)
    assert board.needs[an_id("other")].open_offers() == [], "they are with the first till one"


def test_who_is_promised_elsewhere_by_the_time_it_takes_now_is_a_matter_for_the_coordinator() -> (
    None
):
    board = a_board(a_helper("v"))
    tell(board)
    accept(board)
    of_another(board, "other", NOON)
    accept(board, "other")
    before = booked_until(board), home_at(board)
    board.now = LATE
    tell(board, ends_at=LATE + timedelta(hours=3))
    assert (booked_until(board), home_at(board)) == before
    [raised] = board.attention
    assert isinstance(raised, Raised)
    assert (raised.kind, raised.need_id) == ("clash", an_id("need"))
    tell(board, ends_at=LATE + timedelta(minutes=31))
    assert isinstance(board.attention[-1], Settled)
    nobody_is_in_two_places(board)


def test_who_is_with_the_citizen_elsewhere_than_was_said_is_not_kept() -> None:
    board = a_board(a_helper("v"))
    tell(board)
    accept(board)
    board.now = LATE
    tell(board, location_id="grenaa-clinic")
    assert len(told(board, MatchReleased)) == 1


def test_a_way_goes_on_for_as_long_as_its_second_need_takes() -> None:
    board = a_board(a_helper("v"))
    second = LATE + timedelta(minutes=45)
    tell(board, "first")
    tell(board, "second", starts_at=second)
    accept(board, "first")
    before = home_at(board, "first")
    board.now = second
    tell(board, "second", starts_at=second, ends_at=second + timedelta(hours=1))
    assert home_at(board, "first") == home_at(board, "second") == before + timedelta(minutes=30)
    assert booked_until(board, "first") == home_at(board, "first").timestamp()
    assert told(board, VolunteerMatched)[-1].need_id == an_id("second")


def test_a_room_is_held_for_as_long_as_it_takes() -> None:
    board = a_board(a_helper("g", pools=("toy_guide",)), a_helper("h", pools=("toy_guide",)),
                    a_helper("i", pools=("toy_host",), competences=frozenset({"first_aid"}),
                             papers={}))  # fmt: skip
    session: dict[str, Any] = {
        "pathway": "toy_session", "about_kind": "session", "citizen_id": None, "referral_id": None,
        "location_id": "toy-house",
    }  # fmt: skip
    tell(board, **session)
    for offer in board.needs[an_id("need")].open_offers():
        if offer in board.needs[an_id("need")].open_offers():
            answers.accepted(Draft(board, board.needs[an_id("need")]), offer)
            finish(board)
    assert board.needs[an_id("need")].helpers()
    board.now = LATE
    longer = LATE + timedelta(hours=1)
    tell(board, ends_at=longer, **session)
    assert booked_until(board, no=0) == longer.timestamp()
    assert board.needs[an_id("need")].seats[0].reason is None


def test_what_is_left_of_a_way_may_take_longer_and_never_takes_anybody_twice() -> None:
    # Home from the hospital it is further than from the clinic, where the second is.
    board = a_board(a_helper("v", travel="walk"), citizens=[a_citizen(meeting="at_location")])
    tell(board, "first")
    tell(board, "second", ends_at=LATE + timedelta(minutes=31), location_id="randers-clinic")
    who = accept(board, "first")
    whole, first = home_at(board, "first"), board.needs[an_id("first")].seats[0]
    assert first.leave_at is not None
    on_the_way = LATE - first.leave_at
    of_another(board, "other", whole + on_the_way)
    assert accept(board, "other") == who
    transitions.closed(board, an_id("second"), "appointment_cancelled")
    finish(board)
    assert helpers_of(board, "first") == [who]
    assert home_at(board, "first") == whole
    nobody_is_in_two_places(board)


def test_who_is_left_with_the_second_of_a_way_is_never_taken_twice() -> None:
    board = a_board(a_helper("v", travel="walk"), citizens=[a_citizen(meeting="at_location")])
    tell(board, "first", ends_at=LATE + timedelta(minutes=31), location_id="randers-clinic")
    tell(board, "second")
    who = accept(board, "first")
    whole = home_at(board, "second")
    alone = a_board(a_helper("v", travel="walk"), citizens=[a_citizen(meeting="at_location")])
    tell(alone, "second")
    on_the_way = LATE - (alone.needs[an_id("second")].open_offers()[0].leave_at or LATE)
    of_another(board, "other", whole + on_the_way)
    assert accept(board, "other") == who
    transitions.closed(board, an_id("first"), "appointment_cancelled")
    finish(board)
    assert helpers_of(board, "second") == [who]
    assert booked_until(board, "second") == whole.timestamp()
    nobody_is_in_two_places(board)


def test_a_coordinator_who_answers_for_a_helper_is_named() -> None:
    board = a_board(a_helper("v"), a_helper("w"))
    tell(board)
    first, second = board.needs[an_id("need")].open_offers()
    answers.declined(Draft(board, board.needs[an_id("need")]), first, BY)
    answers.accepted(Draft(board, board.needs[an_id("need")]), second, BY)
    by_hand = [(one.outcome, one.actor) for one in told(board, NeedDecided) if one.actor]
    assert by_hand == [("declined", BY.actor), ("accepted", BY.actor)]


def test_nobody_claims_what_their_papers_do_not_reach() -> None:
    ends = LATE.date() - timedelta(days=1)
    papers = {kind: Paper(date(2026, 9, 1), ends) for kind in PAPERS}
    board = a_board(a_helper("a"), a_helper("v", pools=("toy_guide",), papers=papers))
    session: dict[str, Any] = {
        "pathway": "toy_session", "about_kind": "session", "citizen_id": None, "referral_id": None,
        "location_id": "toy-house",
    }  # fmt: skip
    tell(board, **session)
    with pytest.raises(NotAllowed) as refused:
        answers.claim(Draft(board, board.needs[an_id("need")]), 1, an_id("v"), BY)
    assert refused.value.objection == "not_suitable"
