"""Questions about what happened, for coordinators (of their department) and analysts (of all)."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database
from brobyg_kit.problems import Problem
from brobyg_kit.replica import Replica
from fastapi import APIRouter, Query

from brobyg_reporting.adapters.queries import Queries
from brobyg_reporting.adapters.status import projection_status
from brobyg_reporting.entrypoints.visibility import Reader, Visibility
from brobyg_reporting.entrypoints.worklist import worklist_router
from brobyg_reporting.errors import NoVersion

Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="Rows to pass over.")]
Standing = Annotated[
    str | None,
    Query(
        pattern="^(no_consent|no_need|searching|waiting|held|matched|escalated|over)$",
        description="Only referrals that stand so.",
    ),
]
_CUT = (
    "`cut_after` is null when all events are told; else there are more than so many, and those"
    " that came later are left out."
)
_NOT_YET = "reporting learns of it from the event stream; a new one takes a moment"


def routers(database: Database, reference: Replica[Reference]) -> list[APIRouter]:
    """Every route of reporting."""
    queries, visibility = Queries(database), Visibility(reference)
    return [
        _stories(queries, visibility),
        _sums(queries, visibility),
        worklist_router(queries, visibility),
        _projections(database),
    ]


def _stories(queries: Queries, visibility: Visibility) -> APIRouter:
    """What happened to one referral or one need."""
    routes = APIRouter(tags=["reporting"])
    names = visibility.reference

    @routes.get("/referrals", summary="Where each referral stands, the newest first")
    async def referrals(
        caller: Reader, standing: Standing = None, limit: Limit = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        departments = visibility.departments(caller)
        total, rows = await queries.referrals(departments, standing, limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "referrals": rows}

    @routes.get(
        "/referrals/{referral_id}/timeline",
        summary="One referral's story, event by event, in English and Danish",
        description=_CUT,
    )
    async def timeline(caller: Reader, referral_id: UUID) -> dict[str, Any]:
        known, of = await queries.department_of(str(referral_id))
        if not known or not visibility.sees(caller, of):
            raise Problem(404, "There is no such referral here", _NOT_YET)
        events, cut_after = await queries.timeline(str(referral_id), names.latest)
        return {"referral_id": str(referral_id), "events": events, "cut_after": cut_after}

    @routes.get(
        "/needs/{need_id}/explanation",
        summary="Who was considered, ruled out, asked and found for a need, and by which rules",
        description=_CUT,
    )
    async def explanation(caller: Reader, need_id: UUID) -> dict[str, Any]:
        known, of = await queries.department_of_need(str(need_id))
        if not known or not visibility.sees(caller, of):
            raise Problem(404, "There is no such need here", _NOT_YET)
        found = await queries.explanation(str(need_id), names.latest)
        told: dict[str, Any] = msgspec.to_builtins(found)
        return told

    return routes


def _sums(queries: Queries, visibility: Visibility) -> APIRouter:
    """Figures over many."""
    routes = APIRouter(tags=["reporting"])

    @routes.get("/needs/summary", summary="Needs by municipality, pathway, month and standing")
    async def needs(caller: Reader) -> dict[str, Any]:
        return {"needs": await queries.needs(visibility.departments(caller))}

    @routes.get("/helpers/activity", summary="What helpers were asked, answered and gave, in hours")
    async def helpers(caller: Reader, limit: Limit = 100, offset: Offset = 0) -> dict[str, Any]:
        total, rows = await queries.helpers(visibility.departments(caller), limit, offset)
        return {"total": total, "limit": limit, "offset": offset, "helpers": rows}

    @routes.get(
        "/matching/time-to-match",
        summary="Seconds from opening to the first match: percentiles by department and month",
    )
    async def time_to_match(caller: Reader) -> dict[str, Any]:
        return {"time_to_match": await queries.time_to_match(visibility.departments(caller))}

    @routes.get("/counts", summary="Number of events of each type, and of those not folded")
    async def counts(caller: Reader) -> dict[str, Any]:
        rows = await queries.counts(visibility.departments(caller))
        return {
            "total": sum(row["events"] for row in rows),
            "events": {row["type"]: row["events"] for row in rows},
            "not_folded": {row["type"]: row["not_folded"] for row in rows if row["not_folded"]},
        }

    return routes


def _projections(database: Database) -> APIRouter:
    """The state of the projections."""
    routes = APIRouter(tags=["reporting"])

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
