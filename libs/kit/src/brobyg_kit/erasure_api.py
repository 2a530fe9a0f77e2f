"""The route by which an owner shows how far the erasure of somebody has come."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.erasure import ErasureStatus, status
from brobyg_kit.problems import Problem


class MissingOut(BaseModel):
    """A service that has not acknowledged yet."""

    model_config = ConfigDict(from_attributes=True)

    service: str
    since: datetime


class ErasureOut(BaseModel):
    """The proof as it stands; nothing in it finds the person."""

    model_config = ConfigDict(from_attributes=True)

    person_id: str
    reason: str
    actor: str
    requested_at: datetime
    key_destroyed_at: datetime
    topic: str | None
    tombstoned_at: datetime | None
    compacted_at: datetime | None
    completed_at: datetime | None
    acknowledged: dict[str, datetime]
    missing: list[MissingOut]

    @classmethod
    def of(cls, found: ErasureStatus) -> "ErasureOut":
        """As it is answered."""
        return cls.model_validate(found)


def erasure_router(
    database: Database,
    *,
    act: str,
    may_see: Callable[[Transaction, Caller, str], Awaitable[bool]],
) -> APIRouter:
    """GET /erasures/{id}, for who may do `act`, the erasing itself, with that person's data."""
    router = APIRouter(prefix="/erasures", tags=["erasures"])

    @router.get("/{person_id}", summary="How far an erasure has come, and who is waited for")
    async def erasure(
        person_id: UUID, caller: Annotated[Caller, Depends(requires_act(act))]
    ) -> ErasureOut:
        async with database.transaction() as tx:
            found = await status(tx.connection, str(person_id))
            if found is None or not await may_see(tx, caller, str(person_id)):
                raise Problem(404, "There is no such erasure here")
            return ErasureOut.of(found)

    return router
