"""Whose helpers are asked when nobody of a need's own department can: its neighbours."""

from collections.abc import Mapping
from functools import lru_cache

from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.reference import Reference

from brobyg_matching.domain.need import Facts

#: A department is a neighbour when a postcode that it covers is as near as this to the meeting
#: point. Each helper's own range holds beside it.
NEAR_METRES = 40_000
#: How many neighbours are asked at most; so many rosters more are read.
MOST = 3


def neighbours(need: Facts, meeting_place: str | None, reference: Reference) -> tuple[str, ...]:
    """The nearest other departments that run the need's pathway, the nearest first."""
    if meeting_place is None:
        return ()
    try:
        located = reference.located(meeting_place)
        near = reference.departments_near(getattr(located, "postcode", meeting_place))
    except UnknownReference:
        return ()
    found = [
        department.id
        for department, metres in near
        if metres <= NEAR_METRES
        and department.id != need.department
        and need.pathway in department.pathways
    ]
    return tuple(found[:MOST])


def asked_for(department: str, reference: Reference) -> frozenset[str]:
    """The other departments whose helpers may be asked for this one's citizens, at home."""
    return _neighbourhoods(reference).get(department, frozenset())


def asked_of(department: str, reference: Reference) -> frozenset[str]:
    """The other departments for whose citizens this one's helpers may be asked."""
    every = _neighbourhoods(reference)
    return frozenset(other for other, asked in every.items() if department in asked)


@lru_cache(maxsize=2)
def _neighbourhoods(reference: Reference) -> Mapping[str, frozenset[str]]:
    """For each department, `neighbours` of all postcodes that it covers and all its pathways.

    Kept for the reference data that is read now, and the one before.
    """
    found: dict[str, set[str]] = {}
    for code, postcode in reference.postcodes.items():
        close = [one for one, metres in reference.departments_near(code) if metres <= NEAR_METRES]
        for own in reference.departments_of(postcode.municipality_code):
            for pathway in own.pathways:
                others = [o.id for o in close if o.id != own.id and pathway in o.pathways]
                found.setdefault(own.id, set()).update(others[:MOST])
    return {department: frozenset(others) for department, others in found.items()}
