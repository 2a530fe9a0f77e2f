"""The two routes by which a human claims and settles what needs one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict

from brobyg_kit.attention import (
    Attention,
    ItemClaimed,
    ItemSettled,
    NoSuchItem,
    actor_of,
)
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.problems import Problem


class ClaimIn(BaseModel):
    """Whether the item is taken from whoever has it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    take_over: bool = False


class ItemOut(BaseModel):
    """An item as it is now."""

    attention_id: str
    kind: str
    department: str
    raised_at: datetime
    claimed_by: str | None
    settled_by: str | None
    settled_at: datetime | None
    outcome: str | None


def attention_router(
    database: Database,
    attention: Attention,
    *,
    act: str,
    outcomes: Collection[str],
    departments_of: Callable[[Transaction, Caller], Awaitable[Collection[str] | None]],
) -> APIRouter:
    """POST /attention/{id}/claim and /settle, for callers who may do `act`.

    A caller has the items of the departments that `departments_of` gives; None means all of them.
    Others' items are not there. An item is settled with one of `outcomes`.
    """

    def known(outcome: str) -> str:
        if outcome not in outcomes:
            raise ValueError(f"expected one of {', '.join(sorted(outcomes))}")
        return outcome

    class SettleIn(BaseModel):
        """How the item was settled."""

        model_config = ConfigDict(extra="forbid", strict=True)

        outcome: Annotated[str, AfterValidator(known)]

    router = APIRouter(prefix="/attention", tags=["attention"])
    allowed = Depends(requires_act(act))

    @router.post("/{attention_id}/claim", summary="Say that you look at what needs a human")
    async def claim(
        attention_id: UUID, caller: Annotated[Caller, allowed], body: ClaimIn | None = None
    ) -> ItemOut:
        """409 when somebody else has it, unless it is taken over, or when it is settled."""
        async with _transaction(database) as tx:
            item = await attention.claim(
                tx,
                str(attention_id),
                actor_of(caller.subject),
                await departments_of(tx, caller),
                take_over=body is not None and body.take_over,
            )
        return ItemOut.model_validate(item, from_attributes=True)

    @router.post("/{attention_id}/settle", summary="Say how what needed a human was settled")
    async def settle(
        attention_id: UUID, body: SettleIn, caller: Annotated[Caller, allowed]
    ) -> ItemOut:
        """Whoever has claimed it. 409 when it is settled otherwise or by another."""
        async with _transaction(database) as tx:
            departments = await departments_of(tx, caller)
            item = await attention.settle(
                tx, str(attention_id), actor_of(caller.subject), departments, body.outcome
            )
        return ItemOut.model_validate(item, from_attributes=True)

    return router


@asynccontextmanager
async def _transaction(database: Database) -> AsyncIterator[Transaction]:
    """A transaction of which a refusal is told as a Problem."""
    try:
        async with database.transaction() as tx:
            yield tx
    except NoSuchItem as error:
        raise Problem(404, "There is no such item here") from error
    except ItemClaimed as error:
        advice = 'send {"take_over": true} to take it over'
        raise Problem(409, "Somebody else has claimed this item", advice) from error
    except ItemSettled as error:
        raise Problem(409, "This item is settled already") from error
