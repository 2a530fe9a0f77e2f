"""Each component has a port of its own, and keeps it."""

from pathlib import Path

import pytest
from brobyg_local.ports import Ports
from brobyg_local.state import StateFolder


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A state folder in which nothing has been started yet."""
    (tmp_path / "local").mkdir()
    return StateFolder(tmp_path)


def test_a_component_keeps_its_port(folder: StateFolder) -> None:
    ports = Ports(folder, print)
    assert ports.choose("kafka") == ports.choose("kafka") == ports.of("kafka")


def test_two_components_never_have_one_port(folder: StateFolder) -> None:
    taken = Ports(folder, print).choose("kafka")
    # Nothing listens there yet, as when the broker has been stopped for a moment.
    assert Ports(folder, print, wanted={"referral": taken}).choose("referral") != taken
