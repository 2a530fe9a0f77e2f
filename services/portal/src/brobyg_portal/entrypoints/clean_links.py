"""Links whose token leaves the address at once.

Opened, such a link sets a cookie and leads to the same address with a name in the token's place,
which says nothing to anybody without the cookie: the token is in no history, bookmark or photo of
the screen. The cookie is sent to that one address alone, so that two links don't mix.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

#: What the name begins with, which no token does.
_SIGN = "~"
#: A longer token is none of ours, and would be no cookie.
_LONGEST = 1000
#: How long the clean address works; the link itself does as long as it says, seconds.
_SECONDS = 24 * 3600


def clean_links(*, secure: bool) -> type[APIRoute]:
    """The class of routes at `/.../{token}`. `secure` where browsers come by https.

    A GET with a token leads to the clean address; there the route gets the token as before.
    """
    cookie = "__Secure-brobyg-link" if secure else "brobyg-link"

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                token: str | None = request.path_params.get("token")
                if token is None:
                    return await handler(request)
                if token.startswith(_SIGN):
                    given = request.cookies.get(cookie, "")
                    same = _name_of(given) == token
                    request.scope["path_params"] = {"token": given if same else token}
                    return await handler(request)
                if request.method != "GET" or len(token) > _LONGEST or not token.isascii():
                    return await handler(request)
                return _to_clean(request, cookie, token, secure=secure)

            return handle

    return Route


def _to_clean(request: Request, cookie: str, token: str, *, secure: bool) -> Response:
    route: str = request.scope["route"].path
    path = f"{route.partition('/{token}')[0]}/{_name_of(token)}"
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    response = RedirectResponse(path + query, 303, headers)
    response.set_cookie(
        cookie, token, _SECONDS, path=path, secure=secure, httponly=True, samesite="lax"
    )
    return response


def _name_of(token: str) -> str:
    return _SIGN + hashlib.sha256(token.encode()).hexdigest()[:16]
