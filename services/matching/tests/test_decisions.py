"""What a decision says: bounded, and nothing that is said of the citizen."""

import msgspec
from brobyg_contracts import NeedDecided
from brobyg_matching.domain import transitions
from brobyg_matching.domain.finishing import finish
from matching_samples import a_board, a_citizen, a_helper, facts, said

#: What a need.decided event may hold at most, in bytes.
LIMIT = 16_000


def decided(*helpers: object, **citizen: object) -> NeedDecided:
    board = a_board(*helpers, citizens=[a_citizen(**citizen)])  # type: ignore[arg-type]
    transitions.opened(board, facts())
    finish(board)
    one: NeedDecided = said(board, NeedDecided)[0]
    return one


def test_of_very_many_helpers_the_best_are_named_and_the_rest_counted() -> None:
    can = [a_helper(f"can {n}", range_metres=20_000 + n) for n in range(300)]
    different: list[dict[str, object]] = [
        {"status": "paused"},
        {"pools": ("toy_guide",)},
        {"papers": {}},
        {"languages": frozenset({"ar"})},
        {"gender": "male"},
        {"range_metres": 1},
        {"weekly_limit": 0},
        {"availability": ()},
    ]
    can_not = [
        a_helper(f"{kind}/{n}", **changes)
        for kind, changes in enumerate(different)
        for n in range(100)
    ]
    one = decided(*can, *can_not, gender_wish="female")
    assert (one.could, len(one.considered), one.asked) == (300, 50, 3)
    assert {its.rule: its.count for its in one.excluded} == {
        "active": 100, "pool": 100, "paper": 100, "not_suitable": 200, "range": 100,
        "weekly_limit": 100, "availability": 100,
    }  # fmt: skip
    assert len(msgspec.json.encode(one)) < LIMIT


def test_nothing_tells_what_the_citizen_speaks_wishes_or_needs() -> None:
    one = decided(
        a_helper("a", languages=frozenset({"en"})),
        a_helper("b", gender="male", languages=frozenset({"ar"})),
        a_helper("c", languages=frozenset({"ar"})),
        languages=("ar",),
        gender_wish="female",
        mobility="wheelchair",
    )
    assert [(its.rule, its.count) for its in one.excluded] == [("not_suitable", 3)]
    text = msgspec.json.encode(one).decode()
    assert not any(word in text for word in ('ar"', "female", "gender", "wheelchair", "8920"))


def test_the_policys_version_stands_with_the_decision() -> None:
    assert decided(a_helper("a")).policy_version == 1
