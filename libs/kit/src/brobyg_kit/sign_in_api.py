"""For an owner of people: who has this mail address, and who may be signed in.

The portal asks both. It tells nobody who asks there.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.fields import MailAddress
from brobyg_kit.problems import PROBLEM_TYPES, Problem

#: So many people may share an address: a household, or who forwards for others.
MOST = 5
#: The problem type by which an owner says that somebody may not be signed in; no gateway does.
NOT_SIGNED_IN = f"{PROBLEM_TYPES}not-signed-in"

#: The ids of up to so many people with this address who may be signed in.
Find = Callable[[Transaction, str, int], Awaitable[Sequence[str]]]
#: Whether this person may be signed in: as long as who they are is kept, as they may see what is
#: kept of them (GDPR art. 15). That holds for who is restricted too: each act refuses them itself.
May = Callable[[Transaction, str], Awaitable[bool]]


class AddressIn(BaseModel):
    """In the body, so that it stands in no log."""

    model_config = ConfigDict(extra="forbid")

    email: MailAddress


class FoundOut(BaseModel):
    """Ids alone."""

    people: list[UUID]


def sign_in_router(
    database: Database,
    people: str,
    find: Find,
    may: May,
    *,
    act: str,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    """POST /{people}/sign-in and GET /{people}/{id}/sign-in, for who may do `act`."""
    router = APIRouter(prefix=f"/{people}", tags=[people], route_class=route_class)
    needed = Depends(requires_act(act))

    @router.post("/sign-in", summary="Who has this mail address and may be signed in; ids alone")
    async def found(body: AddressIn, caller: Annotated[Caller, needed]) -> FoundOut:
        """Nobody for an address that is not known: that is an answer as any other."""
        del caller  # whose it is not to say
        async with database.transaction() as tx:
            ids = await find(tx, body.email, MOST)
        return FoundOut(people=[UUID(one) for one in ids])

    @router.get(
        "/{person_id}/sign-in", status_code=204, summary="Whether somebody may be signed in (204)"
    )
    async def allowed(person_id: UUID, caller: Annotated[Caller, needed]) -> None:
        """410 for who may not, whether unknown or erased."""
        del caller
        async with database.transaction() as tx:
            if not await may(tx, str(person_id)):
                raise Problem(410, "They may not be signed in", type=NOT_SIGNED_IN)

    return router
