"""The files of pages: style sheets, scripts, fonts, icons."""

from brobyg_kit.problems import Problem
from fastapi import APIRouter, Request
from fastapi.responses import Response

from brobyg_portal.adapters.assets import assets


def router() -> APIRouter:
    """The one public route: what it serves is the same for everybody and says nothing of anyone."""
    routes = APIRouter()

    @routes.get("/static/{version}/{name:path}", include_in_schema=False)
    async def file(request: Request, version: str, name: str) -> Response:
        """A file. Under the hash of another release it is served too, and not kept.

        So a page that was made before an upgrade still finds its style.
        """
        served = assets()
        if (found := served.files.get(name)) is None:
            raise Problem(404, "There is no such file")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable"
            if version == served.version
            else "no-cache",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        body = found.body
        if found.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
            body = found.gzipped
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type=found.kind, headers=headers)

    return routes
