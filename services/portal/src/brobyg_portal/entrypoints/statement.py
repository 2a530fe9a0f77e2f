"""The accessibility statement, which the law asks of public bodies' pages."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.adapters.pages import Pages


def router(pages: Pages) -> APIRouter:
    """The public route: it is for everybody, signed in or not."""
    routes = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

    @routes.get("/was", summary="The accessibility statement (tilgængelighedserklæring)")
    async def statement(request: Request) -> Response:
        """What can be used how, what can not, and whom to tell."""
        return pages.render(request, "statement.html")

    return routes
