"""Who has seen somebody's data: for themselves, and for staff who answer them.

These routes need no token: whoever they are for has a session, and the owner of the data decides.
"""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from brobyg_kit.domain import domain
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.adapters.accesses import Access, Accesses, People
from brobyg_portal.adapters.names import Names
from brobyg_portal.domain.listing import Column, Row, listing
from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import Guard
from brobyg_portal.entrypoints.may import ByLink, May

_COLUMNS = (Column("read_at"), Column("who"), Column("purpose"))
_KINDS: dict[str, People] = {"citizen": "citizens", "helper": "volunteers"}
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
Asked = Annotated[str, Query(max_length=40)]
Language = Annotated[str | None, Query()]


class AccessesRoutes:
    """The pages, in front of `Accesses`."""

    def __init__(self, guard: Guard, accesses: Accesses, names: Names) -> None:
        """All of them are the caller's."""
        self._guard, self._accesses, self._names = guard, accesses, names

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter(
            tags=["accesses"],
            default_response_class=HTMLResponse,
            route_class=self._guard.route_class,
        )
        add = routes.add_api_route
        add("/my-data", self.own, methods=["GET"], summary="Who has seen my data")
        add(
            "/citizens/{person_id}/accesses", self.of_citizen, methods=["GET"],
            summary="Who has seen a citizen's data, for staff who answer them",
        )  # fmt: skip
        return routes

    async def own(
        self, request: Request, session: Annotated[Session, Depends(ByLink())],
        sort: Asked = "", page: Asked = "", before: Before = None, language: Language = None,
    ) -> Response:  # fmt: skip
        """Helpers and citizens see their own."""
        del language, sort, page  # the page reads them from the address
        people = _KINDS[session.kind]
        return await self._page(request, session, people, UUID(session.subject), before)

    async def of_citizen(
        self, request: Request, person_id: UUID,
        session: Annotated[Session, Depends(May("read-citizen-accesses"))],
        sort: Asked = "", page: Asked = "", before: Before = None, language: Language = None,
    ) -> Response:  # fmt: skip
        """Staff see those of a citizen of theirs."""
        del language, sort, page
        return await self._page(request, session, "citizens", person_id, before)

    async def _page(
        self, request: Request, session: Session, people: People, person_id: UUID,
        before: int | None,
    ) -> Response:  # fmt: skip
        own = session.kind in _KINDS and session.subject == str(person_id)
        told = await self._accesses.told(session, people, person_id, before)
        if told is None:
            return self._guard.page(request, "accesses_unknown", 410 if own else 404, own=own)
        asked = request.query_params
        rows = [_row(one) for one in told.accesses]
        shown = listing(_COLUMNS, rows, asked.get("sort", ""), asked.get("page", ""))
        return self._guard.page(
            request, "accesses",
            own=own, person_id=person_id, accesses=shown, before=before, older=told.before,
            emergencies=sum(one.emergency is not None for one in told.accesses),
            names=await self._names.all(session),
        )  # fmt: skip


def _row(access: Access) -> Row:
    """With what it is sorted by: who, and what for in the installation's language."""
    text = domain().purpose_text(access.purpose, domain().DEFAULT_LANGUAGE)
    who = " ".join([*access.roles, access.organisation or "", access.department or ""])
    return {**asdict(access), "who": who, "purpose_text": text}
