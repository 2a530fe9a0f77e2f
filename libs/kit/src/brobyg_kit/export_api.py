"""The route by which a service tells all that it holds of a person."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel

from brobyg_kit import access_log
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.export import Holdings

#: Refuses by an error.
Check = Callable[[Transaction, Caller, str, str], Awaitable[None]]


class SectionOut(BaseModel):
    """What is held under one heading."""

    heading: str
    rows: list[dict[str, Any]]


class ExportOut(BaseModel):
    """All that a service holds of a person. Headings under which nothing is held are left out."""

    service: str
    person_id: str
    exported_at: datetime
    sections: list[SectionOut]


async def _nothing(tx: Transaction, caller: Caller, people: str, person_id: str) -> None:
    del tx, caller, people, person_id


def export_router(
    database: Database,
    service: str,
    holdings: Holdings,
    *,
    acts: Mapping[str, str],
    check: Check = _nothing,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    """GET /{people}/{id}/export for each of the holdings' kinds of people.

    For who may do that one's act. `check` is asked first, with what the person is and their id;
    `route_class` answers its errors.
    """
    router = APIRouter(tags=["export"], route_class=route_class)
    for people in holdings.sections:
        _add(router, database, service, holdings, people, acts[people], check)
    return router


def _add(
    router: APIRouter,
    database: Database,
    service: str,
    holdings: Holdings,
    people: str,
    act: str,
    check: Check,
) -> None:
    @router.get(
        f"/{people}/{{person_id}}/export",
        name=f"export_{people}",
        summary="All that is held here of a person; recorded",
    )
    async def export(
        person_id: UUID, caller: Annotated[Caller, Depends(requires_act(act))]
    ) -> ExportOut:
        who = str(person_id)
        async with database.transaction() as tx:
            await check(tx, caller, people, who)
            found = [
                SectionOut(heading=one.heading, rows=rows)
                for one in holdings.sections[people]
                if (rows := await one.read(tx, who))
            ]
            if not found:  # an id that is nobody's here: nothing was given, and nothing is kept
                return ExportOut(service=service, person_id=who, exported_at=tx.now, sections=[])
            # Last: what is recorded of this one is told in the next.
            await access_log.record(tx, caller, [who], access_log.EXPORT)
            return ExportOut(service=service, person_id=who, exported_at=tx.now, sections=found)
