"""Who is asked for a seat, when, and what happens when nobody can."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedDecided,
    OfferMade,
    OfferWithdrawn,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Paper
from brobyg_matching.domain.need import Facts, Need
from brobyg_matching.errors import NotAllowed
from matching_samples import (
    BY,
    CASE,
    LATE,
    NOW,
    PAPERS,
    SESSION,
    a_board,
    a_citizen,
    a_helper,
    an_id,
    facts,
    names,
    said,
)


def opened(board: Board, one: Facts | None = None) -> Need:
    one = one or facts()
    transitions.opened(board, one)
    finish(board)
    return board.needs[one.need_id]


def later(board: Board, moment: datetime, *helpers: Any, word: str = "need") -> Board:
    """Another transaction, in which the need's timer has fired."""
    booked = [one for one in board.booked.values() if one is not None]
    after = a_board(
        *helpers, now=moment, needs=board.needs.values(), bookings=booked, turns=board.turns
    )
    transitions.due(after, an_id(word))
    finish(after)
    return after


def test_the_first_wave_asks_the_best_three_and_sets_the_timer() -> None:
    board = a_board(*(a_helper(f"v{n}") for n in range(5)))
    need = opened(board)
    assert [one.rank for one in said(board, OfferMade)] == [1, 2, 3]
    assert board.timers[need.need_id] == NOW + timedelta(hours=8)
    [decided] = said(board, NeedDecided)
    assert (decided.could, decided.asked, decided.policy_version) == (5, 3, 1)
    assert [one.rank for one in decided.considered[:3]] == [1, 2, 3]


def test_silence_expires_and_the_next_wave_asks_those_not_asked_yet() -> None:
    helpers = [a_helper(f"v{n}") for n in range(5)]
    first = a_board(*helpers)
    asked = opened(first).seats[0].asked
    second = later(first, NOW + timedelta(hours=8), *helpers)
    again = [one.helper_id for one in said(second, OfferMade)]
    assert len(again) == 2
    assert not set(again) & set(asked)
    assert names(second).count("offer.expired") == 3
    assert second.needs[an_id("need")].seats[0].wave == 2


def test_when_everybody_was_silent_the_coordinator_is_told_with_the_reasons() -> None:
    helpers = [a_helper("v"), a_helper("ar", languages=frozenset({"ar"}))]
    board = a_board(*helpers)
    opened(board)
    after = later(board, NOW + timedelta(hours=8), *helpers)
    [told] = said(after, MatchEscalated)
    assert (told.reason, told.asked, told.missing) == ("nobody_answered", 1, 1)
    assert told.excluded == {"not_suitable": 1}
    [raised] = after.attention
    assert isinstance(raised, Raised)
    assert (raised.kind, raised.reasons) == ("nobody_found", ("nobody_answered",))
    assert after.timers[an_id("need")] is None


def test_when_nobody_can_the_coordinator_is_told_at_once() -> None:
    board = a_board(a_helper("v", status="paused"))
    opened(board)
    [told] = said(board, MatchEscalated)
    assert (told.reason, told.excluded) == ("nobody_available", {"active": 1})


@pytest.mark.parametrize("start", [NOW - timedelta(days=1), NOW, NOW + timedelta(hours=2)])
def test_what_is_too_near_or_past_is_escalated_as_too_late(start: datetime) -> None:
    board = a_board(a_helper("v"))
    opened(board, facts(starts_at=start))
    assert [one.reason for one in said(board, MatchEscalated)] == ["too_late"]


def test_a_need_waits_for_its_citizens_record_and_consent() -> None:
    board = a_board(a_helper("v"), citizens=(), consented=False)
    assert opened(board).state == "waiting"
    assert names(board) == []
    transitions.consent_given(board, an_id("referral"), an_id("citizen"))
    finish(board)
    assert board.needs[an_id("need")].state == "waiting"
    transitions.recorded(board, a_citizen())
    finish(board)
    assert board.needs[an_id("need")].state == "open"
    assert len(said(board, OfferMade)) == 1


def test_without_consent_offers_are_withdrawn_and_the_need_waits() -> None:
    board = a_board(a_helper("v"))
    opened(board)
    transitions.consent_withdrawn(board, an_id("referral"), an_id("citizen"))
    finish(board)
    assert board.needs[an_id("need")].state == "waiting"
    assert [one.reason for one in said(board, OfferWithdrawn)] == ["consent_withdrawn"]


def test_an_erased_citizens_needs_are_searched_no_more() -> None:
    board = a_board(a_helper("v"))
    opened(board)
    transitions.erased(board, an_id("citizen"))
    finish(board)
    assert (board.needs[an_id("need")].state, board.citizens) == ("waiting", {})


def accept(board: Board, helper_id: str, word: str = "need") -> None:
    need = board.needs[an_id(word)]
    [offer] = need.open_offers(helper_id=helper_id)
    answers.accepted(Draft(board, need), offer)
    finish(board)


def test_the_first_to_accept_has_it_and_the_other_offers_are_withdrawn() -> None:
    board = a_board(a_helper("a"), a_helper("b"))
    opened(board)
    accept(board, an_id("a"))
    need = board.needs[an_id("need")]
    assert (need.state, need.helpers()) == ("filled", [an_id("a")])
    assert [one.reason for one in said(board, OfferWithdrawn)] == ["taken"]
    [matched] = said(board, VolunteerMatched)
    assert (matched.crew_complete, matched.way, matched.pool) == (True, "offer", "student")
    assert board.timers[need.need_id] is None


def test_a_moved_need_releases_the_helper_and_asks_them_first() -> None:
    helpers = [a_helper(f"v{n}") for n in range(6)]
    board = a_board(*helpers)
    opened(board)
    last = board.needs[an_id("need")].open_offers()[-1].helper_id
    accept(board, last)
    opened(board, facts(starts_at=LATE + timedelta(days=1)))
    assert [one.reason for one in said(board, MatchReleased)] == ["appointment_rescheduled"]
    assert said(board, OfferMade)[3].helper_id == last


def test_the_same_need_again_has_no_effect() -> None:
    board = a_board(a_helper("v"))
    opened(board)
    before = len(board.emissions)
    opened(board)
    assert len(board.emissions) == before


def test_when_the_two_have_met_only_the_times_are_corrected() -> None:
    board = a_board(a_helper("v"))
    opened(board)
    accept(board, an_id("v"))
    board.now = LATE - timedelta(minutes=5)
    one = facts()
    moved = msgspec.structs.replace(one, ends_at=LATE + timedelta(hours=1))
    need = opened(board, moved)
    assert (need.state, need.helpers()) == ("filled", [an_id("v")])
    assert said(board, MatchReleased) == []


@pytest.mark.parametrize("reason", ["completed", "missed"])
def test_after_it_took_place_the_helper_stays_on_record(reason: str) -> None:
    board = a_board(a_helper("v"))
    opened(board)
    accept(board, an_id("v"))
    transitions.closed(board, an_id("need"), reason)
    finish(board)
    need = board.needs[an_id("need")]
    assert (need.state, need.reason, need.seats[0].helper_id) == ("closed", reason, an_id("v"))
    assert said(board, MatchReleased) == []


def test_a_helper_who_withdraws_late_is_told_to_the_coordinator_until_somebody_has_it() -> None:
    board = a_board(a_helper("a"), a_helper("b"), now=LATE - timedelta(hours=20))
    opened(board)
    accept(board, an_id("a"))
    need = board.needs[an_id("need")]
    answers.withdrew(Draft(board, need), need.seats[0])
    finish(board)
    assert [one.kind for one in board.attention] == ["late_cancellation"]
    assert [one.reason for one in said(board, MatchReleased)] == ["helper_withdrew"]
    accept(board, an_id("b"))
    assert [type(one) for one in board.attention] == [Raised, Settled]


def test_who_withdraws_is_not_asked_again_about_the_same_need() -> None:
    board = a_board(a_helper("a"))
    opened(board)
    accept(board, an_id("a"))
    need = board.needs[an_id("need")]
    answers.withdrew(Draft(board, need), need.seats[0])
    finish(board)
    assert len(said(board, OfferMade)) == 1
    assert [one.reason for one in said(board, MatchEscalated)] == ["nobody_available"]


def test_a_held_need_asks_nobody_until_it_is_resumed() -> None:
    board = a_board(a_helper("a"))
    opened(board)
    answers.hold(Draft(board, board.needs[an_id("need")]), BY)
    finish(board)
    assert board.needs[an_id("need")].seats[0].state == "held"
    assert board.timers[an_id("need")] is None
    opened(board, facts(starts_at=LATE + timedelta(hours=1)))
    assert len(said(board, OfferMade)) == 1
    answers.resume(Draft(board, board.needs[an_id("need")]), BY)
    finish(board)
    assert len(said(board, OfferMade)) == 2


def test_a_need_whose_place_is_not_known_yet_waits_a_while_and_is_then_escalated() -> None:
    board = a_board(a_helper("a"))
    need = opened(board, facts(location_id="a-new-house"))
    assert names(board) == []
    moment = board.timers[need.need_id]
    while moment is not None:
        board = later(board, moment, a_helper("a"))
        moment = board.timers[need.need_id]
    assert [one.reason for one in said(board, MatchEscalated)] == ["nobody_available"]
    assert board.now - NOW <= timedelta(minutes=11)


def test_in_turn_asks_one_at_a_time_and_next_who_was_asked_longest_ago() -> None:
    guides = [a_helper(f"g{n}", pools=("toy_guide",)) for n in range(3)]
    board = a_board(*guides, turns={an_id("g0"): 900, an_id("g1"): 100, an_id("g2"): 500})
    opened(board, facts(**SESSION))
    first = [one for one in said(board, OfferMade) if one.role == "guide"]
    assert [(one.seat, one.helper_id) for one in first] == [(1, an_id("g1")), (2, an_id("g2"))]
    assert board.turned == {an_id("g1"), an_id("g2")}


def crew(host: bool = True) -> list[Any]:
    guides = [a_helper(f"g{n}", pools=("toy_guide",)) for n in range(2)]
    host_ = a_helper("h", pools=("toy_host",), competences=frozenset({"first_aid"}), papers={})
    return [*guides, host_] if host else guides


def test_a_need_is_filled_when_the_least_crew_is_there() -> None:
    board = a_board(*crew())
    need = opened(board, facts(**SESSION))
    assert need.resource_id == "toy-room"
    accept(board, an_id("g0"))
    assert board.needs[need.need_id].state == "open"
    accept(board, an_id("h"))
    assert board.needs[need.need_id].state == "filled"
    assert [(type(one), one.crew_complete) for one in said(board, VolunteerMatched, StaffMatched)] \
        == [(VolunteerMatched, False), (StaffMatched, True)]  # fmt: skip
    assert said(board, StaffMatched)[0].resource_id == "toy-room"
    states = [one.state for one in board.needs[need.need_id].seats]
    assert (sorted(states[:2]), states[2]) == (sorted(["filled", "searching"]), "filled")


def test_a_seat_beyond_the_least_crew_is_no_matter_for_the_coordinator() -> None:
    board = a_board(*crew())
    need = opened(board, facts(**SESSION))
    accept(board, an_id("g0"))
    accept(board, an_id("h"))
    moment = board.timers[need.need_id]
    while moment is not None:
        board = later(board, moment, *crew())
        moment = board.timers[need.need_id]
    states = [one.state for one in board.needs[need.need_id].seats]
    assert (sorted(states[:2]), states[2]) == (sorted(["filled", "escalated"]), "filled")
    assert (said(board, MatchEscalated), board.attention) == ([], [])


def test_without_a_free_room_nobody_is_asked() -> None:
    start, end = int(LATE.timestamp()), int(LATE.timestamp()) + 1800
    taken = Booking("toy-room", an_id("other"), 0, start, end, True)
    board = a_board(*crew(), bookings=[taken])
    opened(board, facts(**SESSION))
    assert said(board, OfferMade) == []
    assert [one.reason for one in said(board, MatchEscalated)] == ["no_room"]


def test_a_room_is_given_back_when_the_search_ends_without_a_crew() -> None:
    board = a_board()
    need = opened(board, facts(**SESSION))
    assert need.resource_id is None
    assert board.booked[need.need_id, 0] is None
    assert [one.reason for one in said(board, MatchEscalated)] == ["nobody_available"]


def test_a_second_room_of_the_house_is_taken_when_the_first_is_not_free() -> None:
    taken = Booking(
        "red-room", an_id("x"), 0, int(LATE.timestamp()), int(LATE.timestamp()) + 9, True
    )
    board = a_board(*crew(), bookings=[taken])
    assert (
        opened(board, facts(**{**SESSION, "location_id": "toy-palace"})).resource_id == "blue-room"
    )


def navigators(*cases: int) -> tuple[list[Any], dict[str, int]]:
    codes = ["8900", "8920", "8930"]
    some = [
        a_helper(f"n{n}", pools=("navigator",), home_postcode=codes[n], papers={})
        for n in range(len(cases))
    ]
    return some, {an_id(f"n{n}"): number for n, number in enumerate(cases)}


def test_assign_gives_it_to_the_nearest_who_has_room_for_a_case() -> None:
    helpers, cases = navigators(0, 2, 1)  # the second lives where the citizen does, and is full
    board = a_board(*helpers, cases=cases)
    opened(board, facts(**CASE))
    [matched] = said(board, StaffMatched)
    assert (matched.helper_id, matched.way) == (an_id("n0"), "assigned")
    assert board.case_changes == {an_id("n0"): (1, 2)}


def test_when_nobody_has_room_the_need_waits_and_takes_what_becomes_free() -> None:
    helpers, cases = navigators(2)
    board = a_board(*helpers, cases=cases)
    need = opened(board, facts(**CASE))
    assert (need.seats[0].state, need.seats[0].reason) == ("waiting", "capacity")
    assert board.attention == []
    free = a_board(*helpers, needs=board.needs.values(), cases={an_id("n0"): 1})
    transitions.capacity_free(free, need.need_id)
    finish(free)
    assert free.needs[need.need_id].state == "filled"


def test_a_case_that_ends_makes_room() -> None:
    helpers, cases = navigators(0)
    board = a_board(*helpers, cases=cases)
    need = opened(board, facts(**CASE))
    transitions.closed(board, need.need_id, "completed")
    finish(board)
    assert board.case_changes == {an_id("n0"): (0, 2)}
    assert board.freed == {need.department}


def test_a_paper_that_ends_before_the_need_rules_the_helper_out() -> None:
    papers = {kind: Paper(date(2026, 9, 1)) for kind in PAPERS}
    ends = papers | {"record_check": Paper(date(2024, 12, 2), date(2026, 12, 2))}
    board = a_board(a_helper("v", papers=ends), a_helper("w", papers={}))
    opened(board)
    assert [one.excluded for one in said(board, MatchEscalated)] == [{"paper": 2}]


def test_a_need_is_searched_anew_when_its_citizens_record_makes_others_needed() -> None:
    board = a_board(a_helper("a"), a_helper("w", competences=frozenset({"wheelchair"})))
    opened(board)
    accept(board, an_id("a"))
    transitions.recorded(board, a_citizen(mobility="wheelchair"))
    finish(board)
    assert [one.reason for one in said(board, MatchReleased)] == ["citizen_changed"]
    assert [one.helper_id for one in said(board, OfferMade)][-1] == an_id("w")


def test_a_claim_is_taken_only_where_the_policy_lets_it_and_by_who_is_suitable() -> None:
    board = a_board(a_helper("v"), *crew())
    opened(board)
    with pytest.raises(NotAllowed, match="not_claimable"):
        answers.claim(Draft(board, board.needs[an_id("need")]), 1, an_id("v"), BY)
    need = opened(board, facts("session", **SESSION))
    draft = Draft(board, need)
    with pytest.raises(NotAllowed, match="not_suitable"):
        answers.claim(draft, 3, an_id("v"), BY)
    answers.claim(draft, 1, an_id("g0"), BY)
    finish(board)
    assert [one.way for one in said(board, VolunteerMatched)] == ["claimed"]


def test_the_coordinator_gives_a_seat_to_another_helper() -> None:
    board = a_board(a_helper("a"), a_helper("b"))
    opened(board)
    accept(board, an_id("a"))
    answers.assign(Draft(board, board.needs[an_id("need")]), 1, an_id("b"), BY)
    finish(board)
    assert [one.reason for one in said(board, MatchReleased)] == ["reassigned"]
    assert board.needs[an_id("need")].helpers() == [an_id("b")]
