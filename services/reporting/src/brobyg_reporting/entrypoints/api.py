"""Questions about what happened, for coordinators (of their department) and analysts (of all).

A coordinator whose token names a department sees that department; one whose token names none
belongs to the head office and sees all.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller, requires
from brobyg_kit.database import Database
from brobyg_kit.problems import Problem
from brobyg_kit.replica import Replica
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
        pattern="^(no_consent|no_need|searching|waiting|matched|escalated|over)$",
        description="Only referrals that stand so.",
    ),
]
Asked = Annotated[
    str | None,
    Query(alias="department", max_length=40, description="Only this department, by its id."),
]
State = Annotated[
    Literal["open", "raised", "claimed", "settled"],
    Query(description="open: raised or claimed."),
]
After = Annotated[UUID | None, Query(description="The last item of the page before: its `next`.")]
_NOT_YET = "reporting learns of it from the event stream; a new one takes a moment"


def router(database: Database, reference: Replica[Reference]) -> APIRouter:
    """Every route of reporting."""
    routes = APIRouter(tags=["reporting"])
    queries = Queries(database)

    def seen(caller: Reader) -> Sequence[str] | None:
        if "analyst" in caller.roles or caller.department is None:
            return None
        return _ids(caller.department, reference.latest)

    #: The departments whose figures the caller sees: one, by all its ids; None for all.
    Departments = Annotated[Sequence[str] | None, Depends(seen)]  # noqa: N806  # a type

    @routes.get("/referrals", summary="Where each referral stands, the newest first")
    async def referrals(
        departments: Departments, standing: Standing = None, limit: Limit = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        total, rows = await queries.referrals(departments, standing, limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "referrals": rows}

    @routes.get(
        "/referrals/{referral_id}/timeline",
        summary="One referral's story, event by event, in each language",
    )
    async def timeline(referral_id: UUID, departments: Departments) -> dict[str, Any]:
        known, of = await queries.department_of(str(referral_id))
        if not known or not _within(departments, of):
            raise Problem(404, "There is no such referral here", _NOT_YET)
        events = await queries.timeline(str(referral_id), reference.latest)
        return {"referral_id": str(referral_id), "events": events}

    @routes.get("/needs/summary", summary="Needs by municipality, pathway, month and standing")
    async def needs(departments: Departments) -> dict[str, Any]:
        return {"needs": await queries.needs(departments)}

    @routes.get(
        "/needs/{need_id}/explanation",
        summary="Who was considered, ruled out, asked and found, by which rules, and why",
    )
    async def explanation(need_id: UUID, departments: Departments) -> dict[str, Any]:
        known, of = await queries.department_of_need(str(need_id))
        found = None
        if known and _within(departments, of):
            found = await queries.explanation(str(need_id), reference.latest)
        if found is None:
            raise Problem(404, "There is no such need here", _NOT_YET)
        told: dict[str, Any] = msgspec.to_builtins(found)
        return told

    @routes.get("/attention", summary="What needs a human, the most urgent first")
    async def worklist(
        departments: Departments,
        department: Asked = None,
        state: State = "open",
        limit: Limit = 100,
        after: After = None,
    ) -> dict[str, Any]:
        if department is not None:
            asked = _ids(department, reference.latest)
            if not (departments is None or set(asked) <= set(departments)):
                raise Problem(403, "Not your department", "your token is for another department")
            departments = asked
        last = None if after is None else await queries.attention_item(departments, str(after))
        if after is not None and last is None:
            raise Problem(404, "There is no such item here", "`after` is the last item you have")
        states = ("raised", "claimed") if state == "open" else (state,)
        rows = await queries.attention(departments, states, limit + 1, last)
        page = rows[:limit]
        following = page[-1]["attention_id"] if len(rows) > limit else None
        return {"limit": limit, "next": following, "attention": page}

    @routes.get("/attention/{attention_id}", summary="One thing that needs a human, or did")
    async def item(attention_id: UUID, departments: Departments) -> dict[str, Any]:
        found = await queries.attention_item(departments, str(attention_id))
        if found is None:
            raise Problem(404, "There is no such item here", _NOT_YET)
        return found

    @routes.get("/helpers/activity", summary="What helpers were asked, answered and gave, in hours")
    async def helpers(
        departments: Departments, limit: Limit = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        total, rows = await queries.helpers(departments, limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "helpers": rows}

    @routes.get(
        "/matching/time-to-match",
        summary="Seconds from opening to the first match: percentiles by department and month",
    )
    async def time_to_match(departments: Departments) -> dict[str, Any]:
        return {"time_to_match": await queries.time_to_match(departments)}

    @routes.get("/counts", summary="Number of events of each type, and of those not folded")
    async def counts(departments: Departments) -> dict[str, Any]:
        rows = await queries.counts(departments)
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


def _ids(department: str, reference: Reference) -> Sequence[str]:
    """Every id of the department: its own, and those it had before; history holds both."""
    try:
        found = reference.department(department)
    except UnknownReference:
        return (department,)
    return (found.id, *found.former)


def _within(departments: Sequence[str] | None, department: str | None) -> bool:
    return departments is None or department in departments
