"""What a request says to open an identity, and the route that tells who has seen one."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.catalogues import written_in
from brobyg_kit.database import Database, Transaction
from brobyg_kit.domain import domain
from brobyg_kit.tables import access_entry

#: How many readings a page tells.
PAGE = 100


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"expected one of: {', '.join(words)}")
        return word

    return check


def _written(language: str) -> str:
    return written_in(domain().EXPORT_TEXTS, language)


#: Both by schemas/purposes.yaml.
_Purpose = Annotated[str, AfterValidator(_one_of(domain().purposes()))]
_Emergency = Annotated[str, AfterValidator(_one_of(domain().emergencies()))]
Purpose = Annotated[
    _Purpose, Query(description=f"What it is opened for: {', '.join(domain().purposes())}.")
]


class EmergencyIn(BaseModel):
    """Opens who is not yours to see; their department is told."""

    model_config = ConfigDict(extra="forbid")

    purpose: Annotated[
        _Purpose, Field(description=f"What it is opened for: {', '.join(domain().purposes())}.")
    ]
    emergency: Annotated[
        _Emergency, Field(description=f"Why it can't wait: {', '.join(domain().emergencies())}.")
    ]


#: Refuses by an error who may not know of this person.
Check = Callable[[Transaction, Caller, str], Awaitable[None]]


class AccessOut(BaseModel):
    """One reading of who somebody is, or of how they are reached."""

    id: int
    read_at: datetime
    #: Whose role it was, and where; never a member of staff's name.
    roles: list[str]
    organisation: str | None
    department: str | None
    #: A code of schemas/purposes.yaml, and the same in words.
    purpose: str
    purpose_text: str
    #: Why it was opened by somebody whose it was not to see; in words too.
    emergency: str | None
    emergency_text: str | None
    #: Whether a seal is over it, so that it can't be changed unnoticed.
    sealed: bool


class AccessesOut(BaseModel):
    """Readings, the newest first."""

    accesses: list[AccessOut]
    #: For the next page, `before`; null on the last.
    before: int | None


def accesses_router(
    database: Database,
    people: str,
    check: Check,
    *,
    act: str,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    """GET /{people}/{id}/accesses, for who may do `act`; `check` is asked on whose data."""
    router = APIRouter(prefix=f"/{people}", tags=[people], route_class=route_class)

    @router.get("/{person_id}/accesses", summary="Who has read who somebody is, when and what for")
    async def accesses(
        person_id: UUID,
        caller: Annotated[Caller, Depends(requires_act(act))],
        before: Annotated[
            int | None, Query(ge=1, le=2**63 - 1, description="Only readings before this one.")
        ] = None,
        language: Annotated[str, Query(), AfterValidator(_written)] = domain().DEFAULT_LANGUAGE,
    ) -> AccessesOut:
        """A hundred a page, of the last five years; that itself is not recorded."""
        found = (
            select(access_entry)
            .where(access_entry.c.person_id == str(person_id))
            .order_by(access_entry.c.id.desc())
            .limit(PAGE + 1)
        )
        if before is not None:
            found = found.where(access_entry.c.id < before)
        async with database.transaction() as tx:
            await check(tx, caller, str(person_id))
            rows = (await tx.connection.execute(found)).mappings().all()
        text = domain().purpose_text
        told = [
            AccessOut(
                **{name: row[name] for name in AccessOut.model_fields if name in row},
                purpose_text=text(row["purpose"], language),
                emergency_text=row["emergency"] and text(row["emergency"], language),
                sealed=row["seal"] is not None,
            )
            for row in rows[:PAGE]
        ]
        return AccessesOut(accesses=told, before=told[-1].id if len(rows) > PAGE else None)

    return router
