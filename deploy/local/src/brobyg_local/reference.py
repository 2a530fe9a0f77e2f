"""What the local system itself needs of the reference data's files (`schemas/reference`)."""

from functools import cache
from typing import Any, NamedTuple

import yaml
from brobyg_contracts.reference import distance_metres

from .state import ROOT

FOLDER = ROOT / "schemas" / "reference"


class Coordinates(NamedTuple):
    """Where a place is (WGS 84, degrees)."""

    latitude: float
    longitude: float


def settings() -> dict[str, str]:
    """An address for each department's coordinator, and the sample hospital.

    That is the first sender of the first department. Its FHIR server counts each appointment's
    versions up.
    """
    departments = [one["id"] for one in _entries("departments")]
    hospital = next(sender for one in _entries("departments") for sender in one["senders"])
    return {
        "BROBYG_NOTIFICATION_COORDINATORS": ",".join(
            f"{one}=koordinator.{one}@example.org" for one in departments
        ),
        "BROBYG_REFERRAL_KAFKA_ORGANISATION": hospital,
        "BROBYG_REFERRAL_RISING_VERSIONS": hospital,
    }


def metres_between(place: str, other: str) -> float:
    """Straight line between two places by their ids; infinite where one is unknown."""
    if place == other:
        return 0
    places = _places()
    if place not in places or other not in places:
        return float("inf")
    return distance_metres(places[place], places[other])


@cache
def _places() -> dict[str, Coordinates]:
    return {one["id"]: Coordinates(one["latitude"], one["longitude"]) for one in _entries("places")}


def _entries(kind: str) -> list[dict[str, Any]]:  # as YAML has them
    found: list[dict[str, Any]] = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text("utf-8"))[kind]
    return found
