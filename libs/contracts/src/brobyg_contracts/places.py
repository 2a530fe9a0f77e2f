"""Where things are: postcodes, places of care, departments, and the distance between them.

The facts are schemas/places.json.
"""

from functools import lru_cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt
from typing import TypeAlias

import msgspec

from brobyg_contracts.errors import UnknownPlace

#: Mean radius of the Earth (IUGG).
EARTH_RADIUS_METRES = 6_371_008.8


class Postcode(msgspec.Struct, frozen=True, kw_only=True):
    """A Danish postcode: centre (WGS 84, degrees), the municipality most of it is in, and town."""

    latitude: float
    longitude: float
    municipality_code: str
    name: str


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place of care that appointments are at (WGS 84, degrees)."""

    location_id: str
    name: str
    postcode: str
    latitude: float
    longitude: float
    municipality_code: str


class _Places(msgspec.Struct, forbid_unknown_fields=True):
    description: str
    postcodes: dict[str, Postcode]
    locations: tuple[Location, ...]
    departments: dict[str, str]


#: A place, or the postcode or location id of one.
Place: TypeAlias = Postcode | Location | str

_places = msgspec.json.decode(
    files(__package__).joinpath("data/places.json").read_bytes(), type=_Places
)

#: Postcode to where it is.
POSTCODES: dict[str, Postcode] = _places.postcodes
#: Location id to where it is.
LOCATIONS: dict[str, Location] = {location.location_id: location for location in _places.locations}
#: Department to the code of the municipality it covers.
DEPARTMENTS: dict[str, str] = _places.departments


def location_name(location_id: str) -> str:
    """The name of a place of care as people know it; its id where no such place is listed."""
    location = LOCATIONS.get(location_id)
    return location.name if location else location_id


@lru_cache(maxsize=65_536)
def distance_metres(a: Place, b: Place) -> int:
    """Straight line (great circle) between two places, in whole metres. Raises UnknownPlace."""
    one, other = _found(a), _found(b)
    latitude, other_latitude = radians(one.latitude), radians(other.latitude)
    half_north = sin((other_latitude - latitude) / 2)
    half_east = sin(radians(other.longitude - one.longitude) / 2)
    haversine = half_north**2 + cos(latitude) * cos(other_latitude) * half_east**2
    return round(2 * EARTH_RADIUS_METRES * asin(sqrt(haversine)))


def _found(place: Place) -> Postcode | Location:
    if not isinstance(place, str):
        return place
    found = POSTCODES.get(place) or LOCATIONS.get(place)
    if found is None:
        raise UnknownPlace("neither a postcode nor a location id of schemas/places.json")
    return found
