"""Reference data as of a moment: places, departments, organisations, pools, postcodes, calendars.

The records are the events of the compacted topic `brobyg.reference.v1`; each service keeps a copy
of them and makes a `Reference` of it. A `Reference` never changes. Look-ups are by dictionary.

An entry that is `withdrawn` is not to be used for anything new. It is still found, as the history
names it; `departments_of`, `departments_near` and `place_by_alias` leave it out or prefer others.
"""

from collections.abc import Iterable, Mapping
from math import asin, cos, radians, sin, sqrt
from typing import Protocol, TypeVar

from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.event import EventData
from brobyg_contracts.events import (
    CalendarRecorded,
    DepartmentRecorded,
    OrganisationRecorded,
    PlaceRecorded,
    PoolRecorded,
    PostcodeRecorded,
)
from brobyg_contracts.reference_entries import (
    Calendar,
    Department,
    Entry,
    Organisation,
    Place,
    Pool,
    Postcode,
    entry_of,
    id_of,
)

__all__ = [
    "EARTH_RADIUS_METRES", "KINDS", "TOPIC", "Calendar", "Department", "Located", "Organisation",
    "Place", "Pool", "Postcode", "Reference", "distance_metres", "id_of", "key_of",
]  # fmt: skip

#: The topic that carries the records.
TOPIC = PlaceRecorded.TOPIC
#: Event type to Struct, for reading the topic.
KINDS: dict[str, type[EventData]] = {
    kind.EVENT_TYPE: kind
    for kind in (
        PlaceRecorded,
        DepartmentRecorded,
        OrganisationRecorded,
        PoolRecorded,
        PostcodeRecorded,
        CalendarRecorded,
    )
}
#: Mean radius of the Earth (IUGG).
EARTH_RADIUS_METRES = 6_371_008.8


class Located(Protocol):
    """Something with coordinates (WGS 84, degrees)."""

    @property
    def latitude(self) -> float:
        """Degrees north."""

    @property
    def longitude(self) -> float:
        """Degrees east."""


_EntryT = TypeVar("_EntryT", bound=Entry)


class Reference:
    """All reference data as of a moment.

    The dictionaries hold every entry by its id, the withdrawn ones too. The methods that take an
    id raise UnknownReference for one that is not there.
    """

    def __init__(self, records: Iterable[object] = ()) -> None:
        """Of each key the last record, in any order. Other events are passed over."""
        self.places: Mapping[str, Place]
        self.postcodes: Mapping[str, Postcode]
        self.departments: Mapping[str, Department]
        self.organisations: Mapping[str, Organisation]
        self.pools: Mapping[str, Pool]
        self.calendars: Mapping[str, Calendar]
        #: The highest version that any of the records has; 0 without one.
        self.version = 0
        entries: dict[type, dict[str, Entry]] = {
            kind: {} for kind in (Place, Postcode, Department, Organisation, Pool, Calendar)
        }
        for record in records:
            entry = entry_of(record)
            if entry is not None:
                entries[type(entry)][entry.id] = entry
                self.version = max(self.version, getattr(record, "version", 0))
        self.places = _of(Place, entries)
        self.postcodes = _of(Postcode, entries)
        self.departments = _of(Department, entries)
        self.organisations = _of(Organisation, entries)
        self.pools = _of(Pool, entries)
        self.calendars = _of(Calendar, entries)
        self._by_alias = {
            alias: place
            # Those in use last, so that they win over withdrawn ones.
            for place in sorted(self.places.values(), key=lambda one: not one.withdrawn)
            for alias in place.aliases
        }
        #: By former id: who has taken it over. Those in use last, so that they win.
        self._taken_over_by = {
            former: department.id
            for department in sorted(
                self.departments.values(), key=lambda one: (not one.withdrawn, one.id)
            )
            for former in department.former
        }
        self._department_ids: dict[str, list[str]] = {}
        for one in sorted({*self.departments, *self._taken_over_by}):
            self._department_ids.setdefault(self.present_department(one), []).append(one)
        self._by_municipality: dict[str, list[Department]] = {}
        for _, department in sorted(self.departments.items()):
            for code in () if department.withdrawn else department.municipalities:
                self._by_municipality.setdefault(code, []).append(department)
        self._near: dict[str, tuple[tuple[Department, int], ...]] = {}

    def place(self, id: str) -> Place:
        """The place of this id."""
        return _found("place", id, self.places)

    def postcode(self, code: str) -> Postcode:
        """The postcode of these four digits."""
        return _found("postcode", code, self.postcodes)

    def department(self, id: str) -> Department:
        """The department of this id, or the one that has taken over a former one of this id."""
        return _found("department", self.present_department(id), self.departments)

    def present_department(self, id: str) -> str:
        """The id of the department in use that this id means now.

        That is the department itself, or whoever has taken it over, through any number of steps;
        `id` where nobody has, or nothing is known of it.
        """
        now, passed = id, {id}
        while (record := self.departments.get(now)) is None or record.withdrawn:
            after = self._taken_over_by.get(now)
            if after is None or after in passed:
                return id
            passed.add(after)
            now = after
        return now

    def department_ids(self, id: str) -> tuple[str, ...]:
        """The id that this one means now, then all other ids that mean the same.

        What is stored or was said before a department was taken over has one of the others.
        """
        now = self.present_department(id)
        return (now, *(one for one in self._department_ids.get(now, ()) if one != now))

    def organisation(self, id: str) -> Organisation:
        """The organisation of this id."""
        return _found("organisation", id, self.organisations)

    def pool(self, id: str) -> Pool:
        """The pool of this id."""
        return _found("pool", id, self.pools)

    def calendar(self, id: str) -> Calendar:
        """The calendar of this id, or of this key (`calendar/<id>`), as policies name it."""
        return _found("calendar", id.removeprefix("calendar/"), self.calendars)

    def located(self, id: str) -> Place | Postcode:
        """The place of this id or the postcode of these four digits."""
        found = self.postcodes.get(id) or self.places.get(id)
        if found is None:
            raise UnknownReference("neither a postcode nor a place of the reference data")
        return found

    def place_by_alias(self, system: str, value: str) -> Place | None:
        """The place that `system` names `value`; None when there is none.

        A place in use comes before a withdrawn one.
        """
        return self._by_alias.get(f"{system}|{value}")

    def departments_of(self, municipality_code: str) -> tuple[Department, ...]:
        """The departments in use that cover this municipality, by id."""
        return tuple(self._by_municipality.get(municipality_code, ()))

    def departments_near(self, code: str) -> tuple[tuple[Department, int], ...]:
        """All departments in use with their distance from this postcode, the nearest first.

        Whole metres: 0 for one that covers the postcode's municipality, else to the nearest
        centre of a postcode that it covers. One that covers no known postcode is left out.
        Computed once for each postcode.
        """
        near = self._near.get(code)
        if near is None:
            near = self._near[code] = self._departments_near(self.postcode(code))
        return near

    def _departments_near(self, origin: Postcode) -> tuple[tuple[Department, int], ...]:
        nearest: dict[str, int] = {}
        for postcode in self.postcodes.values():
            for department in self._by_municipality.get(postcode.municipality_code, ()):
                metres = (
                    0
                    if origin.municipality_code in department.municipalities
                    else distance_metres(origin, postcode)
                )
                nearest[department.id] = min(metres, nearest.get(department.id, metres))
        ordered = sorted(nearest.items(), key=lambda one: (one[1], one[0]))
        return tuple((self.departments[name], metres) for name, metres in ordered)


def distance_metres(a: Located, b: Located) -> int:
    """Straight line (great circle) between two places or postcodes, in whole metres."""
    latitude, other_latitude = radians(a.latitude), radians(b.latitude)
    half_north = sin((other_latitude - latitude) / 2)
    half_east = sin(radians(b.longitude - a.longitude) / 2)
    haversine = half_north**2 + cos(latitude) * cos(other_latitude) * half_east**2
    return round(2 * EARTH_RADIUS_METRES * asin(sqrt(haversine)))


def key_of(kind: str, id: str) -> str:
    """The record's key and subject, such as `place/randers-hospital`."""
    return f"{kind}/{id}"


def _of(kind: type[_EntryT], entries: dict[type, dict[str, Entry]]) -> dict[str, _EntryT]:
    return {entry.id: entry for entry in entries[kind].values() if isinstance(entry, kind)}


def _found(kind: str, id: str, entries: Mapping[str, _EntryT]) -> _EntryT:
    entry = entries.get(id)
    if entry is None:
        raise UnknownReference(f"no {kind} of the reference data has this id")
    return entry
