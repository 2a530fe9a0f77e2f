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
