"""A match as it is now, for the service that tells its people when they meet."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from brobyg_matching.adapters.queries import Queries
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.errors import UnknownNeed

ServiceCaller = Annotated[Caller, Depends(requires("service"))]


class MatchOut(BaseModel):
    """Whether it stands, and its times: no event holds them, as they tell where the two meet.

    Null for a need without a span, and when it does not stand.
    """

    state: Literal["agreed", "released"]
    leave_at: datetime | None = None
    meet_at: datetime | None = None
    home_at: datetime | None = None


def matches_router(queries: Queries) -> APIRouter:
    """Matches by need and id."""
    router = APIRouter(tags=["needs"], route_class=ProblemRoute)

    @router.get("/needs/{need_id}/matches/{match_id}", summary="When helper and citizen meet")
    async def read(need_id: UUID, match_id: UUID, caller: ServiceCaller) -> MatchOut:
        need = await queries.need(str(need_id))
        if need is None:
            raise UnknownNeed
        for seat in need.seats:
            if seat.match_id == str(match_id):
                return MatchOut(
                    state="agreed",
                    leave_at=seat.leave_at,
                    meet_at=seat.meet_at,
                    home_at=seat.home_at,
                )
        return MatchOut(state="released")

    return router
