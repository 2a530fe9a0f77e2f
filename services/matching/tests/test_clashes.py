"""Two needs of one citizen in two places at one time, and what a coordinator does about them."""

from datetime import timedelta
from typing import Any

import pytest
from brobyg_contracts import AttentionSettled, MatchEscalated
from brobyg_kit.testing import Running
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.local_time import Window
from matching_api import (
    COORDINATOR,
    READY_CITIZEN,
    attention,
    emitted,
    give,
    open_offers,
    post,
    rows,
    tell,
)
from matching_samples import BY, LATE, a_board, a_helper, an_id, event, facts, need_opened, said

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOON = LATE + timedelta(minutes=45)
FIRST, SECOND = f"/needs/{an_id('first')}", f"/needs/{an_id('second')}"


async def a_clash(matching: Running) -> None:
    """The second need of the citizen is where they can't be because of the first."""
    await give(matching, *(a_helper(word, range_metres=80_000) for word in "abcd"))
    await tell(matching, *READY_CITIZEN, event(need_opened(facts("first"))))
    second = facts(
        "second", location_id="grenaa-clinic", starts_at=SOON, ends_at=SOON + timedelta(minutes=30)
    )
    await tell(matching, event(need_opened(second)))
    assert await attention(matching) == {("clash", an_id("second"))}


async def outcomes(matching: Running) -> list[str]:
    """How items were settled."""
    told = await emitted(matching)
    return [
        one.decode(AttentionSettled).outcome
        for one in told
        if one.type == AttentionSettled.EVENT_TYPE
    ]


async def test_a_helper_given_into_a_clash_is_refused_until_it_is_confirmed(
    matching: Running,
) -> None:
    await a_clash(matching)
    path, body = f"{SECOND}/seats/1/assign", {"helper_id": an_id("d")}
    status, told = await post(matching, path, body)
    assert (status, told["type"]) == (409, "https://brobyg.dk/problems/clash")
    assert an_id("first") in told["detail"]
    assert "?confirm=clash" in told["detail"]
    assert await outcomes(matching) == []
    status, shown = await post(matching, f"{path}?confirm=clash", body)
    assert (status, shown["state"]) == (200, "filled")
    assert await attention(matching) == set()
    assert await outcomes(matching) == ["both_kept"]
    assert (await post(matching, path, body))[0] == 200, "the same again has no effect"


async def test_of_two_that_are_both_helped_another_helper_is_confirmed_too(
    matching: Running,
) -> None:
    await a_clash(matching)
    path = "seats/1/assign"
    await post(matching, f"{SECOND}/{path}?confirm=clash", {"helper_id": an_id("d")})
    status, told = await post(matching, f"{FIRST}/{path}", {"helper_id": an_id("a")})
    assert (status, an_id("second") in told["detail"]) == (409, True)


async def test_whoever_claimed_the_clash_has_it_while_it_is_searched_held_and_resumed(
    matching: Running,
) -> None:
    await a_clash(matching)
    [(item,)] = await rows(matching, "select attention_id::text from attention")
    await post(matching, f"/attention/{item}/claim")
    for command in ("reopen", "hold", "resume"):
        assert (await post(matching, f"{SECOND}/{command}"))[0] == 200, command
        [(claimed, settled)] = await rows(
            matching, "select claimed_by is not null, settled_at is not null from attention"
        )
        assert (claimed, settled) == (True, False), command
    asked = await open_offers(matching, "second")
    assert asked, "the coordinator's word still holds"
    await post(matching, f"/offers/{asked[0].offer_id}/accept")
    assert await attention(matching) == set()
    assert await outcomes(matching) == ["both_kept"]


async def test_both_needs_of_a_clash_name_the_other(matching: Running) -> None:
    await a_clash(matching)
    for path, other in ((FIRST, "second"), (SECOND, "first")):
        shown = (await matching.client.get(path, headers=COORDINATOR)).json()
        assert shown["clashing"] == [an_id(other)], path
    page = (await matching.client.get("/needs", headers=COORDINATOR)).json()["items"]
    assert [one["clashing"] for one in page] == [[an_id("second")], [an_id("first")]]


def opened(board: Board, word: str, **changes: Any) -> None:
    transitions.opened(board, facts(word, **changes))
    finish(board)


def clashing() -> Board:
    board = a_board(*(a_helper(f"v{n}", range_metres=80_000) for n in range(6)))
    opened(board, "first")
    opened(board, "second", location_id="grenaa-clinic", starts_at=SOON)
    return board


async def test_what_is_searched_all_the_same_is_settled_when_the_first_moves_away() -> None:
    board = clashing()
    answers.reopen(Draft(board, board.needs[an_id("second")]), BY)
    finish(board)
    assert board.needs[an_id("second")].attention == ("clash",)
    opened(board, "first", starts_at=LATE + timedelta(days=2))
    assert board.needs[an_id("second")].attention == ()
    last = board.attention[-1]
    assert isinstance(last, Settled)
    assert (last.kind, last.outcome) == ("clash", None)


async def test_the_coordinator_is_told_what_a_need_clashes_with_and_where_that_is() -> None:
    [told] = said(clashing(), MatchEscalated)
    assert (told.other_need_id, told.other_location_id) == (an_id("first"), "randers-hospital")
    assert (told.other_starts_at, told.other_ends_at) == (LATE, LATE + timedelta(minutes=30))


def one_way(**changes: Any) -> Board:
    """Two needs that one helper does on one way, if they can."""
    board = a_board(*(a_helper(f"v{n}", **changes) for n in range(3)))
    opened(board, "first")
    [offer, *_] = board.needs[an_id("first")].open_offers()
    answers.accepted(Draft(board, board.needs[an_id("first")]), offer)
    finish(board)
    opened(board, "second", starts_at=SOON)
    return board


@pytest.mark.parametrize("released", [True, False])
async def test_a_part_of_one_way_without_its_helper_is_told_as_that(released: bool) -> None:
    until_half_past = tuple(Window(day, 0, 12 * 60 + 30) for day in range(1, 8))
    board = one_way() if released else one_way(availability=until_half_past)
    if released:
        second = board.needs[an_id("second")]
        answers.withdrew(Draft(board, second), second.seats[0], BY)
        finish(board)
    [told] = said(board, MatchEscalated)
    assert (told.reason, told.other_need_id) == ("part_of_way", an_id("first"))
    [raised] = board.attention
    assert isinstance(raised, Raised)
    assert (raised.kind, raised.reasons) == ("nobody_found", ("part_of_way",))
    assert raised.other_need_id == an_id("first")
    # The citizen is in no two places: nothing is to be confirmed.
    [who] = board.needs[an_id("first")].helpers()
    other = next(one for one in (an_id("v0"), an_id("v1")) if one != who)
    answers.assign(Draft(board, board.needs[an_id("second")]), 1, other, BY)
    assert board.needs[an_id("second")].helpers() == [other]
