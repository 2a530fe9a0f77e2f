"""GET /counts: what became of the hospital's messages."""

from typing import Annotated

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from brobyg_referral.hospital.ports import IntakeCounts
from brobyg_referral.transactions import in_transaction


class CountsOut(BaseModel):
    """What became of the hospital's messages since the beginning, over HTTP and Kafka.

    received = rejected + dropped_without_consent + kept + unchanged.
    """

    received: int
    rejected: int = 0
    dropped_without_consent: int = 0
    kept: int = 0
    unchanged: int = 0


def create_router(database: Database, intake_counts: IntakeCounts) -> APIRouter:
    """The route of the totals."""
    router = APIRouter()

    @router.get("/counts", tags=["counts"], summary="What became of the hospital's messages")
    async def counts(
        _: Annotated[Caller, Depends(requires_act("read-intake-counts"))],
    ) -> CountsOut:
        totals = await in_transaction(database, intake_counts.totals)
        return CountsOut(received=sum(totals.values()), **totals)

    return router
