"""Whose helpers are asked when nobody of a need's own department can: its neighbours."""

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


def near(department: str, reference: Reference) -> tuple[str, ...]:
    """The departments of whose citizens this one may be a neighbour, by id.

    It is the same both ways: theirs may be a neighbour of this one's citizens.
    """
    known = reference.departments.get(department)
    if known is None:
        return ()
    found = {
        other.id
        for code, postcode in reference.postcodes.items()
        if postcode.municipality_code in known.municipalities
        for other, metres in reference.departments_near(code)
        if metres <= NEAR_METRES
    }
    return tuple(sorted(found - {department}))
