"""Reference data of these tests beside the project's own: toy pathways and who runs them."""

from functools import cache
from typing import Any

import msgspec
from brobyg_contracts import DepartmentRecorded, PlaceRecorded
from brobyg_contracts.reference import Reference
from reference_data import records

SOR = "urn:oid:1.2.208.176.1.1"
#: A SOR id that the reference data of these tests maps.
SOR_ID = "441211000016002"
DEPARTMENT, ELSEWHERE = "randers-norddjurs", "aarhus"


def changed(key: str, **changes: Any) -> Any:
    """A record of schemas/reference with other values."""
    (found,) = [one for one in records() if one.record == key]
    return msgspec.structs.replace(found, **changes)


HOSPITAL_PLACE: PlaceRecorded = changed(
    "place/randers-hospital",
    aliases=("https://hospital.example/places|RHR", f"{SOR}|{SOR_ID}"),
)
CLOSED_PLACE: PlaceRecorded = changed(
    "place/randers-hospital", record="place/closed-clinic", aliases=(), withdrawn=True
)
#: The place of the examples in the description.
EXAMPLE_PLACE: PlaceRecorded = changed(
    "place/randers-hospital", record="place/example-hospital", aliases=()
)
OWN: DepartmentRecorded = changed(
    "department/randers-norddjurs", pathways=("escort", "toy_session", "toy_caseload")
)
OTHER: DepartmentRecorded = changed(
    "department/randers-norddjurs",
    record="department/aarhus",
    municipalities=("0751",),
    pathways=("escort",),
    former=(),
)
MORE = (HOSPITAL_PLACE, CLOSED_PLACE, EXAMPLE_PLACE, OWN, OTHER)


@cache
def known() -> Reference:
    """What the service of these tests knows."""
    return Reference([*records(), *MORE])
