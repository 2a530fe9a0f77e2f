"""Postcodes, places of care and the distances that matching reckons with."""

import pytest
from brobyg_contracts.errors import UnknownPlace
from brobyg_contracts.places import DEPARTMENTS, LOCATIONS, POSTCODES, distance_metres
from hypothesis import given
from hypothesis import strategies as st

PLACES = st.sampled_from([*POSTCODES, *LOCATIONS])


@pytest.mark.parametrize(
    ("a", "b", "kilometres"),
    [
        ("8900", "8500", 52),
        ("8000", "8900", 35),
        ("8900", "9500", 25),
        ("randers-hospital", "grenaa-health-house", 50),
    ],
)
def test_distances_are_those_of_the_map(a: str, b: str, kilometres: int) -> None:
    assert distance_metres(a, b) == pytest.approx(kilometres * 1000, rel=0.05)


@given(PLACES, PLACES, PLACES)
def test_distance_is_the_same_both_ways_zero_at_home_and_never_longer_than_a_detour(
    a: str, b: str, c: str
) -> None:
    assert distance_metres(a, b) == distance_metres(b, a)
    assert distance_metres(a, a) == 0
    assert (
        distance_metres(a, c) <= distance_metres(a, b) + distance_metres(b, c) + 1
    )  # whole metres


def test_a_place_can_be_given_as_itself() -> None:
    assert distance_metres(POSTCODES["8900"], LOCATIONS["randers-hospital"]) == distance_metres(
        "8900", "randers-hospital"
    )


def test_an_unknown_place_is_refused_without_repeating_it() -> None:
    with pytest.raises(UnknownPlace) as refused:
        distance_metres("0000", "8900")

    assert "0000" not in str(refused.value)


def test_every_postcode_of_randers_and_norddjurs_is_known() -> None:
    expected = {
        "8900",
        "8920",
        "8930",
        "8940",
        "8950",
        "8960",
        "8961",
        "8963",
        "8970",
        "8981",
        "8983",
        "8990",
        "8500",
        "8570",
        "8585",
        "8586",
    }

    assert expected <= set(POSTCODES)


def test_a_place_of_care_is_near_the_centre_of_its_postcode_and_in_its_municipality() -> None:
    for location in LOCATIONS.values():
        assert distance_metres(location.location_id, location.postcode) < 5_000
        assert location.municipality_code == POSTCODES[location.postcode].municipality_code


def test_every_department_has_a_place_of_care() -> None:
    assert set(DEPARTMENTS.values()) == {
        location.municipality_code for location in LOCATIONS.values()
    }
