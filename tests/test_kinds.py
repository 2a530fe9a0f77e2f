"""Each test is marked by what it uses."""

import pytest

from tests.kinds import KINDS, kind_of


def marks(request: pytest.FixtureRequest) -> set[str]:
    return {mark.name for mark in request.node.iter_markers()} & {kind.name for kind in KINDS}


def test_one_that_uses_nothing_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert marks(request) == {"unit"}


def test_one_that_uses_the_database_through_another_fixture_uses_parts(
    request: pytest.FixtureRequest, database_for: object
) -> None:
    assert marks(request) == {"parts"}


@pytest.mark.parametrize(
    ("fixtures", "kind"),
    [
        (["visit", "browser", "addresses", "serve"], "browser"),
        (["played", "addresses"], "system"),
        (["publisher", "topics", "addresses", "kafka"], "parts"),
        (["tmp_path", "clock"], "unit"),
    ],
)
def test_what_asks_most_of_the_machine_decides(fixtures: list[str], kind: str) -> None:
    assert kind_of(fixtures).name == kind
