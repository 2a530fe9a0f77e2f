"""Questions about what happened, for coordinators (of their department) and analysts (of all).

A coordinator whose token names a department sees that department; one whose token names none
belongs to the head office and sees all.
"""

from typing import Annotated, Any
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from brobyg_kit.database import Database
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Query

from brobyg_reporting.adapters.queries import Queries
from brobyg_reporting.adapters.status import projection_status
from brobyg_reporting.errors import NoVersion

Reader = Annotated[Caller, Depends(requires("analyst", "coordinator"))]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="Rows to pass over.")]
Standing = Annotated[
    str | None,
    Query(
        pattern="^(no_consent|no_appointment|searching|matched|escalated|over)$",
        description="Only referrals that stand so.",
    ),
]


def _department(caller: Reader) -> str | None:
    return None if "analyst" in caller.roles else caller.department


#: The one department whose figures the caller sees; None for all.
Department = Annotated[str | None, Depends(_department)]


def router(database: Database) -> APIRouter:
    """Every route of reporting."""
    routes = APIRouter(tags=["reporting"])
    queries = Queries(database)

    @routes.get("/referrals", summary="Where each referral stands, the newest first")
    async def referrals(
        department: Department, standing: Standing = None, limit: Limit = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        total, rows = await queries.referrals(department, standing, limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "referrals": rows}

    @routes.get(
        "/referrals/{referral_id}/timeline",
        summary="One referral's story, event by event, in English and Danish",
    )
    async def timeline(referral_id: UUID, department: Department) -> dict[str, Any]:
        known, of = await queries.department_of(str(referral_id))
        if not known or (department is not None and of != department):
            raise Problem(
                404,
                "There is no such referral here",
                "reporting learns of it from the event stream; a new one takes a moment",
            )
        return {"referral_id": str(referral_id), "events": await queries.timeline(str(referral_id))}

    @routes.get("/appointments/summary", summary="Appointments by municipality, month and state")
    async def appointments(department: Department) -> dict[str, Any]:
        return {"appointments": await queries.appointments(department)}

    @routes.get(
        "/volunteers/activity", summary="What volunteers were asked, answered and gave, in hours"
    )
    async def volunteers(
        department: Department, limit: Limit = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        total, rows = await queries.volunteers(department, limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "volunteers": rows}

    @routes.get(
        "/matching/time-to-match",
        summary="Seconds from booking to the first match: percentiles by department and month",
    )
    async def time_to_match(department: Department) -> dict[str, Any]:
        return {"time_to_match": await queries.time_to_match(department)}

    @routes.get("/counts", summary="Number of events of each type, and of those not folded")
    async def counts(department: Department) -> dict[str, Any]:
        rows = await queries.counts(department)
        return {
            "total": sum(row["events"] for row in rows),
            "events": {row["type"]: row["events"] for row in rows},
            "not_folded": {row["type"]: row["not_folded"] for row in rows if row["not_folded"]},
        }

    @routes.get(
        "/projections",
        summary="Which version is shown, how far it has come, how the last rebuilds went",
    )
    async def projections(_: Reader) -> dict[str, Any]:
        async with database.connect() as connection:
            try:
                return await projection_status(connection)
            except NoVersion as error:
                raise Problem(503, "There is nothing to read yet", str(error)) from error

    return routes
