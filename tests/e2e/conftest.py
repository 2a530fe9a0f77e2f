"""One system plays one week, at which all tests here look."""

from collections.abc import Iterator

import pytest

from tests.e2e.run import Played, own_system, play_week
from tests.e2e.small_week import ENDS, ROOT, small_week


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    """The small week, played undisturbed; its system is up until the tests have ended."""
    said: list[str] = []
    system = own_system(ROOT / "var" / "test-e2e", said.append)
    try:
        yield play_week(system, small_week(), ENDS, said.append)
    finally:
        system.down()
