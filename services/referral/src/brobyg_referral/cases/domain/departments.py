"""Which department runs the help: by the reference data."""

from brobyg_contracts.reference import Department, Reference


def named(reference: Reference, department_id: str, pathway: str) -> Department | None:
    """The department of this id or former id, if it is in use and runs the pathway."""
    found = reference.departments.get(reference.present_department(department_id))
    return found if found is not None and _runs(found, pathway) else None


def responsible(reference: Reference, postcode: str, pathway: str) -> Department | None:
    """The department that helps somebody who lives here.

    The one that covers the municipality and runs the pathway, else the nearest that runs it; None
    when none does. Raises UnknownReference for an unknown postcode.
    """
    near = (one for one, _ in reference.departments_near(postcode) if _runs(one, pathway))
    return next(near, None)


def running(reference: Reference, pathway: str) -> list[str]:
    """The ids of the departments in use that run the pathway, sorted."""
    return sorted(one.id for one in reference.departments.values() if _runs(one, pathway))


def _runs(department: Department, pathway: str) -> bool:
    return not department.withdrawn and pathway in department.pathways
