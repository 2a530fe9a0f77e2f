"""Restricting a citizen over HTTP (GDPR art. 18)."""

from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from brobyg_kit.restriction_api import RestrictionIn, RestrictionOut
from fastapi import APIRouter, Depends

from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.restriction import Restricting
from brobyg_referral.transactions import in_transaction

Restricts = Annotated[Caller, Depends(requires_act("restrict-citizen"))]
Lifts = Annotated[Caller, Depends(requires_act("lift-citizen-restriction"))]


def create_router(database: Database, restricting: Restricting) -> APIRouter:
    """Restrict and lift."""
    router = APIRouter(
        prefix="/citizens/{citizen_id}/restriction", tags=["citizens"], route_class=ReferralRoute
    )

    @router.put("", summary="Keep all of a citizen and do nothing with it; open needs are closed")
    async def restrict(citizen_id: UUID, body: RestrictionIn, caller: Restricts) -> RestrictionOut:
        found = await in_transaction(
            database, lambda tx: restricting.restrict(tx, caller, str(citizen_id), body.reason)
        )
        return RestrictionOut.of(found, body.reason)

    @router.delete("", status_code=204, summary="Lift it; what is still to come is taken up again")
    async def lift(citizen_id: UUID, caller: Lifts) -> None:
        await in_transaction(database, lambda tx: restricting.lift(tx, caller, str(citizen_id)))

    return router
