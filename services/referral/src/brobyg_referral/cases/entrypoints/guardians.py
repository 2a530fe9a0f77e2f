"""Recording who has the right to decide for a citizen, over HTTP."""

from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from fastapi import APIRouter, Depends
from pydantic import Field

from brobyg_referral.cases.entrypoints.consent_models import Strict
from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.guardians import Guardians
from brobyg_referral.transactions import in_transaction

Records = Annotated[Caller, Depends(requires_act("record-guardian"))]


class GuardianIn(Strict):
    """Whether somebody else has the right to decide for the citizen."""

    has_guardian: Annotated[bool, Field(strict=True)] = Field(
        description="Apart from the citizen's age (Danish: værge)."
    )


def create_router(database: Database, guardians: Guardians) -> APIRouter:
    """Record a guardian, or that there is none any more."""
    router = APIRouter(prefix="/citizens", tags=["citizens"], route_class=ReferralRoute)

    @router.put(
        "/{citizen_id}/guardian",
        status_code=204,
        summary="Record that a citizen has a guardian, or no longer; what was consented to stands",
    )
    async def record(citizen_id: UUID, body: GuardianIn, caller: Records) -> None:
        await in_transaction(
            database,
            lambda tx: guardians.record(tx, caller, str(citizen_id), body.has_guardian),
        )

    return router
