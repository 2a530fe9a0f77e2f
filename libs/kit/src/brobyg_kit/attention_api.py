"""The two routes by which a human claims and settles what needs one."""

from collections.abc import Awaitable, Callable, Collection
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
    StoredItem,
    actor_of,
)
from brobyg_kit.auth import Caller, requires
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


async def _own_department(_: Transaction, caller: Caller) -> Collection[str] | None:
    return None if caller.department is None else (caller.department,)


def attention_router(
    database: Database,
    attention: Attention,
    *,
    roles: Collection[str],
    outcomes: Collection[str],
    departments_of: Callable[
        [Transaction, Caller], Awaitable[Collection[str] | None]
    ] = _own_department,
) -> APIRouter:
    """POST /attention/{id}/claim and /settle, for callers with one of `roles`.

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
    allowed = Depends(requires(*roles))

    @router.post("/{attention_id}/claim", summary="Say that you look at what needs a human")
    async def claim(
        attention_id: UUID, caller: Annotated[Caller, allowed], body: ClaimIn | None = None
    ) -> ItemOut:
        take_over = body is not None and body.take_over

        async def work(tx: Transaction) -> StoredItem:
            return await attention.claim(
                tx,
                str(attention_id),
                actor_of(caller.subject),
                await departments_of(tx, caller),
                take_over=take_over,
            )

        return await _answer(database, work)

    @router.post("/{attention_id}/settle", summary="Say how what needed a human was settled")
    async def settle(
        attention_id: UUID, body: SettleIn, caller: Annotated[Caller, allowed]
    ) -> ItemOut:
        async def work(tx: Transaction) -> StoredItem:
            return await attention.settle(
                tx,
                str(attention_id),
                actor_of(caller.subject),
                await departments_of(tx, caller),
                body.outcome,
            )

        return await _answer(database, work)

    return router


async def _answer(
    database: Database, work: Callable[[Transaction], Awaitable[StoredItem]]
) -> ItemOut:
    try:
        async with database.transaction() as tx:
            item = await work(tx)
    except NoSuchItem as error:
        raise Problem(404, "There is no such item here") from error
    except ItemClaimed as error:
        advice = 'send {"take_over": true} to take it over'
        raise Problem(409, "Somebody else has claimed this item", advice) from error
    except ItemSettled as error:
        raise Problem(409, "This item is settled already") from error
    return ItemOut.model_validate(item, from_attributes=True)
