"""The history is the same, byte for byte, wherever a citizen lives, meets and however they move."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import product

import msgspec
import pytest
from brobyg_matching.domain import answers, transitions
from brobyg_matching.domain.board import Board, Raised
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.finishing import finish
from matching_samples import LATE, a_board, a_citizen, a_helper, an_id, facts, names, said

#: All within the municipality.
WISHES = [
    {"meeting": meeting, "mobility": mobility, "postcode": postcode}
    for meeting, mobility, postcode in product(
        ("home", "at_location"),
        ("independent", "walking_aid", "wheelchair"),
        ("8900", "8920", "8930"),
    )
]

ABLE = {"competences": frozenset({"wheelchair"})}
HELPERS = [a_helper(f"v{n}", **ABLE) for n in range(3)]


def accept(board: Board) -> None:
    need = board.needs[an_id("need")]
    answers.accepted(Draft(board, need), need.open_offers()[0])
    finish(board)


def a_story(**citizen: str) -> Board:
    """Asked, agreed, moved to another day, asked and agreed again, called off."""
    board = a_board(*HELPERS, citizens=[a_citizen(**citizen)])
    transitions.opened(board, facts())
    finish(board)
    accept(board)
    transitions.opened(board, facts(starts_at=LATE + timedelta(days=1)))
    finish(board)
    accept(board)
    transitions.closed(board, an_id("need"), "appointment_cancelled")
    finish(board)
    return board


def nobody(**citizen: str) -> Board:
    """Nobody could, so that a coordinator is told."""
    board = a_board(a_helper("v", availability=(), **ABLE), citizens=[a_citizen(**citizen)])
    transitions.opened(board, facts())
    finish(board)
    return board


def told(board: Board) -> Iterator[bytes]:
    """All that was told, of needs and of what needs a human."""
    for one in said(board):
        yield msgspec.json.encode(one)
    for item in board.attention:
        assert isinstance(item, Raised)
        yield msgspec.json.encode((item.kind, item.urgency, item.reasons, str(item.due_at)))


@pytest.mark.parametrize("story", [a_story, nobody])
def test_what_is_told_differs_by_nothing_that_is_said_of_the_citizen(
    story: Callable[..., Board],
) -> None:
    first, *others = ([*told(story(**wish))] for wish in WISHES)
    assert first
    for wish, other in zip(WISHES[1:], others, strict=True):
        assert other == first, wish


def test_the_stories_have_what_they_are_named_for() -> None:
    assert {"offer.made", "volunteer.matched", "match.released", "need.decided"} <= set(
        names(a_story())
    )
    assert "match.escalated" in names(nobody())
    assert [item.kind for item in nobody().attention] == ["nobody_found"]
