"""One week in which every part is killed in turn; each fault by itself is `make faults`."""

from collections.abc import Iterator

import pytest
from brobyg_local.system import System

from tests.e2e.run import own_system
from tests.e2e.small_week import ROOT
from tests.faults.faults import FAULTS, run_fault

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def system() -> Iterator[System]:
    said: list[str] = []
    system = own_system(ROOT / "var" / "test-faults", said.append, durable=True)
    yield system
    system.down()


def test_the_week_ends_the_same_when_every_part_is_killed_in_turn(system: System) -> None:
    rotation = next(fault for fault in FAULTS if fault.name == "one-after-the-other")
    said: list[str] = []
    found = run_fault(system, rotation, said.append)
    assert found.broken == []
