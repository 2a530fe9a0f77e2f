"""One week with everything struck in turn, as part of the tests; each fault by itself is `make faults`."""

from collections.abc import Iterator

import pytest
from brobyg_local.places import Places
from brobyg_local.system import System

from tests.e2e.small_week import ROOT
from tests.faults.cases import FAULTS, outcome_of

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def system() -> Iterator[System]:
    said: list[str] = []
    system = System(Places(ROOT / "var" / "test-faults"), said.append, given={}, ports={})
    yield system
    system.down()


def test_the_week_ends_the_same_when_every_part_is_killed_in_turn(system: System) -> None:
    rotation = next(fault for fault in FAULTS if fault.name == "one-after-the-other")
    said: list[str] = []
    found = outcome_of(system, rotation, said.append)
    assert found.broken == []
