"""The declared policy of a kind of help."""

from itertools import pairwise
from typing import get_args

import pytest
from brobyg_contracts import Mobility, Pathway
from brobyg_contracts.errors import UnknownPathway
from brobyg_contracts.pathways import Means, load_pathway

from schemas.tools.sources import SCHEMAS


@pytest.mark.parametrize("name", get_args(Pathway))
def test_every_pathway_that_a_referral_can_name_has_a_policy(name: str) -> None:
    assert load_pathway(name).name == name


def test_escort_asks_three_at_a_time_waits_eight_hours_and_escalates_a_day_before() -> None:
    policy = load_pathway("escort").matching

    assert (policy.wave_size, policy.offer_lifetime_minutes, policy.escalate_before_minutes) == (
        3,
        8 * 60,
        24 * 60,
    )


def test_every_means_and_every_mobility_has_a_pace() -> None:
    way = load_pathway("escort").way

    assert set(way.alone) == set(get_args(Means))
    assert set(way.together) == set(get_args(Mobility))


@pytest.mark.parametrize("name", ["gardening", "../places", ""])
def test_an_unknown_pathway_is_refused(name: str) -> None:
    with pytest.raises(UnknownPathway):
        load_pathway(name)


def test_every_entry_of_a_policy_is_explained_in_a_comment() -> None:
    for file in SCHEMAS.glob("pathways/*.toml"):
        lines = file.read_text().splitlines()
        in_tables_of_paces = False
        for before, line in pairwise(lines):
            if line.startswith("["):
                in_tables_of_paces = before.startswith("#")  # explained as a whole
            elif "=" in line and not line.startswith(("#", "name")) and not in_tables_of_paces:
                assert before.startswith("#") or "#" in line, line
