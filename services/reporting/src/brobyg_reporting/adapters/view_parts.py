"""What the definitions of the views share: their form, and the words for common columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class View:
    """One view, its comment and those of its computed columns."""

    sql: str
    comment: str
    columns: Mapping[str, str] = field(default_factory=dict)


DEPARTMENT = {
    "department": "Department that runs it.",
    "department_name": "Its name; the successor's for a former one. Null while unknown here.",
}
DEPARTMENT_NAMES = {"department_names": "The names of those departments, in their order."}
PLACE_NAME = {"place_name": "The place's name. Null while unknown here."}
MUNICIPALITY_NAME = {"municipality_name": "The municipality's name; null for an unknown code."}
MUNICIPALITY = {
    "municipality_code": "The citizen's municipality; null where it is no citizen's.",
    **MUNICIPALITY_NAME,
}
MONTH = {"month": "First day of the month of the start, or else of the opening, Danish time."}
WEEK = {
    "week": "Monday of the week of the start, or else of the opening, Danish time.",
    "iso_week": "The same week by its number, such as 2026-W49 (ISO 8601).",
}
STANDING = {
    "standing": (
        "open needs: searching, waiting (for capacity), held (by a coordinator), matched or"
        " escalated; closed ones: the reason for closing."
    )
}
