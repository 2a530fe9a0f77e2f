"""Two needs of one citizen: one way with one helper, or the coordinator is told."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    OfferMade,
    OfferWithdrawn,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.local_time import Window
from matching_samples import BY, LATE, a_board, a_helper, an_id, facts, said
from msgspec import Raw

SOON = LATE + timedelta(minutes=45)


def tell(board: Board, word: str, **changes: Any) -> None:
    transitions.opened(board, facts(word, **changes))
    finish(board)


def accept(board: Board, word: str, helper: str | None = None) -> str:
    need = board.needs[an_id(word)]
    offer = need.open_offers(helper_id=an_id(helper) if helper else None)[0]
    answers.accepted(Draft(board, need), offer)
    finish(board)
    return offer.helper_id


def helpers_of(board: Board, *words: str) -> list[list[str]]:
    return [board.needs[an_id(word)].helpers() for word in words]


def times_of(board: Board, word: str) -> tuple[datetime, datetime]:
    """When the need's helper leaves home and is back."""
    seat = board.needs[an_id(word)].seats[0]
    assert seat.leave_at is not None
    assert seat.home_at is not None
    return seat.leave_at, seat.home_at


def three(**changes: Any) -> list[Any]:
    return [a_helper(f"v{n}", **changes) for n in range(3)]


@pytest.mark.parametrize("second", [LATE, LATE + timedelta(minutes=15), SOON])
@pytest.mark.parametrize("place", ["randers-hospital", "randers-clinic"])
def test_who_has_the_first_has_the_second_nearby(second: Any, place: str) -> None:
    board = a_board(*three())
    tell(board, "first")
    who = accept(board, "first")
    tell(board, "second", starts_at=second, location_id=place)
    assert helpers_of(board, "first", "second") == [[who], [who]]
    first, shared = said(board, VolunteerMatched)
    assert (shared.way, shared.shares_with) == ("same_way", an_id("first"))
    assert shared.match_id != first.match_id
    lead, follower = times_of(board, "first"), times_of(board, "second")
    assert follower == lead, "one way"
    spans = [one for one in board.booked.values() if one is not None]
    assert sorted(one.exclusive for one in spans) == [False, True]


def test_the_second_that_comes_while_the_first_is_searched_goes_along() -> None:
    board = a_board(*three())
    tell(board, "first")
    tell(board, "second", starts_at=SOON)
    assert {one.need_id for one in said(board, OfferMade)} == {an_id("first")}
    who = accept(board, "first")
    assert helpers_of(board, "first", "second") == [[who], [who]]


def test_the_earlier_of_two_may_come_second() -> None:
    board = a_board(*three())
    tell(board, "later", starts_at=SOON)
    who = accept(board, "later")
    tell(board, "earlier")
    assert helpers_of(board, "earlier", "later") == [[who], [who]]


def test_overlapping_in_two_places_the_coordinator_is_told_before_anybody_is_asked() -> None:
    board = a_board(*three())
    tell(board, "first")
    asked = len(said(board, OfferMade))
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    assert len(said(board, OfferMade)) == asked
    [told] = said(board, MatchEscalated)
    assert (told.need_id, told.reason) == (an_id("second"), "clash")
    [raised] = board.attention
    assert isinstance(raised, Raised)
    assert (raised.kind, raised.other_need_id) == ("clash", an_id("first"))


def test_when_the_first_is_called_off_the_second_is_searched_and_the_matter_settled() -> None:
    board = a_board(*three(range_metres=80_000))
    tell(board, "first")
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    transitions.closed(board, an_id("first"), "appointment_cancelled")
    finish(board)
    assert said(board, OfferMade)[-1].need_id == an_id("second")
    assert [type(one) for one in board.attention] == [Raised, Settled]


def test_who_has_the_second_keeps_it_when_the_first_is_called_off() -> None:
    board = a_board(*three())
    tell(board, "first")
    who = accept(board, "first")
    tell(board, "second", starts_at=SOON)
    before = times_of(board, "second")
    transitions.closed(board, an_id("first"), "appointment_cancelled")
    finish(board)
    assert helpers_of(board, "second") == [[who]]
    assert [one.need_id for one in said(board, MatchReleased)] == [an_id("first")]
    told = said(board, VolunteerMatched)[-2:]
    assert told[0].match_id == told[1].match_id, "the same agreement at its own times"
    assert times_of(board, "second")[0] > before[0]
    [booked] = [one for one in board.booked.values() if one is not None]
    assert (booked.need_id, booked.exclusive) == (an_id("second"), True)


def test_who_has_the_first_and_can_not_be_there_for_the_second_is_no_matter_of_chance() -> None:
    morning = tuple(Window(day, 0, 12 * 60 + 30) for day in range(1, 8))
    board = a_board(*three(availability=morning))
    tell(board, "first")
    accept(board, "first")
    tell(board, "second", starts_at=SOON)
    assert helpers_of(board, "second") == [[]]
    assert [one.reason for one in said(board, MatchEscalated)] == ["part_of_way"]


def test_a_helper_who_withdraws_from_the_first_leaves_both_and_another_has_both() -> None:
    board = a_board(*three())
    tell(board, "first")
    who = accept(board, "first")
    tell(board, "second", starts_at=SOON)
    first = board.needs[an_id("first")]
    answers.withdrew(Draft(board, first), first.seats[0])
    finish(board)
    assert {one.need_id for one in said(board, MatchReleased)} == {an_id("first"), an_id("second")}
    other = accept(board, "first")
    assert other != who
    assert helpers_of(board, "first", "second") == [[other], [other]]


def test_a_helper_who_withdraws_from_the_second_alone_is_a_matter_for_the_coordinator() -> None:
    board = a_board(*three())
    tell(board, "first")
    who = accept(board, "first")
    tell(board, "second", starts_at=SOON)
    second = board.needs[an_id("second")]
    answers.withdrew(Draft(board, second), second.seats[0])
    finish(board)
    assert helpers_of(board, "first", "second") == [[who], []]
    assert [one.reason for one in said(board, MatchEscalated)] == ["part_of_way"]
    assert said(board, OfferWithdrawn)[-1].reason == "taken"


def test_a_second_need_that_moves_to_another_day_is_searched_by_itself() -> None:
    board = a_board(*three())
    tell(board, "first")
    accept(board, "first")
    tell(board, "second", starts_at=SOON)
    tell(board, "second", starts_at=SOON + timedelta(days=1))
    assert said(board, OfferMade)[-1].need_id == an_id("second")
    assert board.needs[an_id("second")].follows is None
    first = board.needs[an_id("first")].seats[0]
    assert first.home_at is not None
    assert first.home_at < SOON + timedelta(hours=1, minutes=30)


def test_when_nobody_is_found_for_a_way_the_coordinator_is_told_of_both() -> None:
    board = a_board()
    tell(board, "first")
    tell(board, "second", starts_at=SOON)
    assert [one.need_id for one in said(board, MatchEscalated)] == [an_id("first"), an_id("second")]


def test_the_coordinator_may_have_what_clashes_searched_all_the_same() -> None:
    board = a_board(*three(range_metres=80_000))
    tell(board, "first")
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    answers.reopen(Draft(board, board.needs[an_id("second")]), BY)
    finish(board)
    assert said(board, OfferMade)[-1].need_id == an_id("second")


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_the_coordinator_had_filled_beside_another_clashes_again_when_it_is_free(
    by_hand: bool,
) -> None:
    board = a_board(*three(range_metres=80_000))
    tell(board, "first")
    accept(board, "first", "v0")
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    if by_hand:
        second = Draft(board, board.needs[an_id("second")])
        answers.assign(second, 1, an_id("v1"), BY, clash_confirmed=True)
        finish(board)
    else:
        answers.reopen(Draft(board, board.needs[an_id("second")]), BY)
        finish(board)
        accept(board, "second", "v1")
    given = board.needs[an_id("second")]
    asked = len(said(board, OfferMade))
    answers.withdrew(Draft(board, given), given.seats[0])
    finish(board)
    again = board.needs[an_id("second")]
    assert (again.clashes_with, again.attention) == (an_id("first"), ("clash",))
    assert len(said(board, OfferMade)) == asked, "two helpers for one citizen at one time"


def recorded_at(time: datetime) -> Event:
    """The cause of what is told next."""
    return Event(
        id=an_id("cause"), source="referral", type="dk.brobyg.need.opened", subject=an_id("first"),
        time=time, dataschema="", correlationid=an_id("cause"), sequence=1, data=Raw(b"{}"),
    )  # fmt: skip


def test_of_two_that_clash_the_one_recorded_later_gives_way_though_it_came_sooner() -> None:
    board = a_board(*three())
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    board.cause = recorded_at(board.now - timedelta(seconds=1))
    tell(board, "first")
    assert [(one.need_id, one.reason) for one in said(board, MatchEscalated)] == [
        (an_id("second"), "clash")
    ]
    assert {one.need_id for one in said(board, OfferMade)[-3:]} == {an_id("first")}


def test_whoever_has_been_promised_keeps_it_though_what_came_later_was_recorded_sooner() -> None:
    board = a_board(*three(range_metres=80_000))
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    who = accept(board, "second")
    board.cause = recorded_at(board.now - timedelta(seconds=1))
    tell(board, "first")
    assert helpers_of(board, "first", "second") == [[], [who]]
    assert [one.need_id for one in said(board, MatchEscalated)] == [an_id("first")]


def test_what_is_over_does_not_have_the_one_that_clashed_with_it_searched_too_late() -> None:
    board = a_board(*three(range_metres=80_000))
    tell(board, "first")
    tell(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    board.now = LATE + timedelta(minutes=40)
    transitions.closed(board, an_id("first"), "appointment_completed")
    finish(board)
    assert [one.reason for one in said(board, MatchEscalated)] == ["clash"]


def test_of_a_way_whose_first_is_called_off_who_has_a_part_keeps_it_though_another_is_held() -> (
    None
):
    board = a_board(*three())
    tell(board, "first")
    tell(board, "second", starts_at=SOON)
    tell(board, "third", starts_at=SOON + timedelta(minutes=45))
    answers.hold(Draft(board, board.needs[an_id("second")]), BY)
    who = accept(board, "first")
    transitions.closed(board, an_id("first"), "appointment_cancelled")
    finish(board)
    assert helpers_of(board, "second", "third") == [[], [who]]
    assert [one.need_id for one in said(board, MatchReleased)] == [an_id("first")]
    answers.resume(Draft(board, board.needs[an_id("second")]), BY)
    finish(board)
    assert helpers_of(board, "second", "third") == [[who], [who]]


def test_a_way_that_begins_sooner_since_another_joined_is_told_anew() -> None:
    board = a_board(*three())
    tell(board, "later", starts_at=SOON)
    accept(board, "later")
    before = times_of(board, "later")
    tell(board, "earlier")
    first, again, second = said(board, VolunteerMatched)
    assert (again.match_id, again.corrected) == (first.match_id, True)
    assert times_of(board, "later")[0] < before[0]
    assert times_of(board, "earlier") == times_of(board, "later")
    assert second.match_id != again.match_id


def test_when_the_first_of_a_way_is_over_who_has_the_second_is_booked_by_it() -> None:
    board = a_board(*three())
    for word, start in (("first", LATE), ("second", SOON), ("third", SOON + timedelta(minutes=40))):
        tell(board, word, starts_at=start)
    who = accept(board, "first")
    told = len(said(board))
    whole = board.booked[an_id("first"), 1]
    assert whole is not None
    board.now = SOON
    transitions.closed(board, an_id("first"), "completed")
    finish(board)
    assert len(said(board)) == told, "nothing has changed for anybody"
    assert [board.needs[an_id(w)].follows for w in ("second", "third")] == [None, an_id("second")]
    booked = {need: one for (need, _), one in board.booked.items() if one is not None}
    assert {need for need, one in booked.items() if one.exclusive} == {an_id("second")}
    assert (booked[an_id("second")].since, booked[an_id("second")].until) == (
        whole.since,
        whole.until,
    )
    # The hospital says that the first did not take place after all.
    tell(board, "first", starts_at=LATE + timedelta(days=2))
    assert helpers_of(board, "second", "third") == [[who], [who]]
    again = {need: one for (need, _), one in board.booked.items() if one is not None}
    assert {need for need, one in again.items() if one.exclusive} == {an_id("second")}


def test_what_nobody_has_yet_of_a_way_whose_first_is_over_goes_with_the_rest() -> None:
    board = a_board(*three())
    tell(board, "first")
    tell(board, "second", starts_at=SOON)
    tell(board, "third", starts_at=SOON + timedelta(minutes=45))
    answers.hold(Draft(board, board.needs[an_id("second")]), BY)
    who = accept(board, "first")
    transitions.closed(board, an_id("first"), "completed")
    finish(board)
    assert helpers_of(board, "third") == [[who]]
    assert board.needs[an_id("second")].follows == an_id("third")
