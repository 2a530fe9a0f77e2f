"""Who you are signed in as. The guard asks for a session."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import Guard, signed_in


def router(guard: Guard) -> APIRouter:
    """The one page."""
    routes = APIRouter(
        tags=["start"], default_response_class=HTMLResponse, route_class=guard.route_class
    )

    @routes.get("/me", summary="Who you are signed in as")
    async def me(
        request: Request,
        session: Annotated[Session, Depends(signed_in)],
        language: Annotated[str | None, Query()] = None,
    ) -> Response:
        del session, language  # the page knows both
        return guard.page(request, "me")

    return routes
