"""The first page after signing in, and who is signed in for administrators.

These routes need no token: whoever they are for has a session, and the guard asks for it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.adapters.names import Names
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.domain.listing import Column, listing
from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import Guard, administrator, redirect, signed_in

#: How many sessions are shown, the last seen first.
_SHOWN = 200
_COLUMNS = [
    Column(name, sortable=False)
    for name in ("subject", "roles", "organisation", "department", "began_at", "seen_at")
]
Language = Annotated[str | None, Query()]
Whoever = Annotated[Session, Depends(signed_in)]
Administrator = Annotated[Session, Depends(administrator)]


def router(guard: Guard, sessions: Sessions, names: Names) -> APIRouter:
    """The routes; each is for somebody who is signed in."""
    routes = APIRouter(
        tags=["start"], default_response_class=HTMLResponse, route_class=guard.route_class
    )

    # /me is where a sign-in by link leads.
    @routes.get("/me", summary="Who you are and what you may: the first page")
    @routes.get("/", summary="Who you are and what you may")
    async def start(request: Request, session: Whoever, language: Language = None) -> Response:
        del language  # the page knows it
        known = await names.all(session) if session.kind == "staff" else {}
        return guard.page(request, "start", names=known)

    @routes.get("/sessions", summary="Who is signed in")
    async def look(
        request: Request,
        session: Administrator,
        ended: Annotated[int | None, Query(ge=0)] = None,
        page_number: Annotated[str, Query(alias="page", max_length=10)] = "",
        language: Language = None,
    ) -> Response:
        del language, page_number  # the page reads both from the address
        typed = request.state.typed.get("subject", "")
        return await page(request, typed, session, ended=ended)

    @routes.post("/sessions", summary="End all sessions of somebody: form field `subject`")
    async def end(
        request: Request,
        session: Administrator,
        subject: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        try:
            whose = str(UUID(subject.strip()))
        except ValueError:
            return await page(request, subject, session, errors={"subject": "not_an_id"})
        return redirect(f"/sessions?ended={await sessions.end_all_of(whose)}")

    async def page(
        request: Request,
        typed: str,
        session: Session,
        *,
        ended: int | None = None,
        errors: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        rows = [asdict(one) for one in await sessions.open_ones(_SHOWN)]
        shown = listing(_COLUMNS, rows, "", request.query_params.get("page", ""))
        status = 422 if errors else 200
        return guard.page(
            request, "sessions", status, listing=shown, typed=typed, ended=ended, errors=errors,
            names=await names.all(session),
        )  # fmt: skip

    return routes
