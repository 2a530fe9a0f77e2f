"""The declared policy of a kind of help."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from brobyg_contracts import Mobility
from brobyg_contracts.errors import InvalidPathway, UnknownPathway
from brobyg_contracts.pathways import Means, load_pathway, pathways

from schemas.tools.sources import SCHEMAS


def test_every_file_is_a_pathway_by_its_name() -> None:
    assert set(pathways()) == {file.stem for file in SCHEMAS.glob("pathways/*.toml")}


def test_escort_asks_three_at_a_time_waits_eight_hours_and_escalates_a_day_before() -> None:
    policy = load_pathway("escort")

    assert (policy.asking.wave_size, policy.asking.offer_lifetime_minutes) == (3, 8 * 60)
    assert (policy.giving_up.way, policy.giving_up.before_minutes) == ("escalate", 24 * 60)


@pytest.mark.parametrize("name", pathways())
def test_where_helpers_travel_every_means_and_every_mobility_has_a_pace(name: str) -> None:
    if travel := load_pathway(name).travel:
        assert set(travel.alone) == set(get_args(Means))
        assert set(travel.together) == set(get_args(Mobility))


@pytest.mark.parametrize("name", ["gardening", "../topics", ""])
def test_an_unknown_pathway_is_refused(name: str) -> None:
    with pytest.raises(UnknownPathway):
        load_pathway(name)


ESCORT = (SCHEMAS / "pathways" / "escort.toml").read_text()
#: What is wrong, by what is replaced in a right file.
WRONG: Mapping[str, tuple[str, str]] = {
    "seats.*least": ("least = 1", "least = 2"),
    "name": ('name = "walks"', 'name = "escort"'),
    "version": ("version = 1", "version = 0"),
    "way": ('way = "waves"', 'way = "shout"'),
    "span": ("has_span = true", "has_span = false"),
    "waits_for": ("[sharing]", "[waits_for]"),
    "Expected '='": ("[sharing]", "nonsense"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_of_an_installation_is_refused_and_its_fault_named(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ESCORT.replace('name = "escort"', 'name = "walks"')
    (tmp_path / "walks.toml").write_text(right)
    monkeypatch.setenv("BROBYG_PATHWAYS", str(tmp_path))
    assert load_pathway("walks").asking == load_pathway("escort").asking
    other = tmp_path / "wrong"
    other.mkdir()
    (other / "walks.toml").write_text(right.replace(*WRONG[wrong], 1))
    monkeypatch.setenv("BROBYG_PATHWAYS", str(other))
    with pytest.raises(InvalidPathway, match=f"walks.toml.*{wrong}"):
        load_pathway("walks")


def test_every_entry_of_a_policy_is_explained_in_a_comment() -> None:
    for file in SCHEMAS.glob("pathways/*.toml"):
        lines = file.read_text().splitlines()
        in_tables_of_paces = False
        for before, line in pairwise(lines):
            if line.startswith("["):
                in_tables_of_paces = before.startswith("#")  # explained as a whole
            elif "=" in line and not line.startswith(("#", "name")) and not in_tables_of_paces:
                assert before.startswith("#") or "#" in line or "=" in before, line
