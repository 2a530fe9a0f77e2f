"""The documents a service serves about itself: /docs for developers, and /asyncapi.yaml.

Swagger UI's files come from the package fastapi-offline, so the page needs no internet, and its
Content-Security-Policy allows only what this service serves.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files

import yaml
from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

#: Makes the AsyncAPI 3.0 document of the service of this name.
AsyncApi = Callable[[str], Mapping[str, object]]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="swagger-ui"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def documents_router(title: str, service: str, asyncapi: AsyncApi | None) -> APIRouter:
    """`/docs` with its files and, where there is one, `/asyncapi.yaml`. They ask for no token."""
    router = APIRouter(include_in_schema=False)
    static = files("fastapi_offline") / "static"

    @router.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(_PAGE.format(title=title), headers={"Content-Security-Policy": _POLICY})

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/docs/{name}")
    async def file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404, "Not Found")
        return FileResponse(str(static / name), media_type=_FILES[name])

    if asyncapi is not None:
        # Made when it is first asked for: it takes as long as half of what a service starts with.
        made: list[str] = []

        @router.get("/asyncapi.yaml")
        async def messages() -> Response:
            if not made:
                made.append(yaml.safe_dump(asyncapi(service), sort_keys=False, allow_unicode=True))
            return Response(made[0], media_type="application/yaml")

    return router
