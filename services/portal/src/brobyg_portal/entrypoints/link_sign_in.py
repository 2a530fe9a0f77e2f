"""Helpers and citizens sign in by a link to their mail address.

These routes need no token: they are how one is signed in. What they promise: whoever asks has the
same answer, whether or not the address is known; a link works in the browser alone that asked, and
looking at it never uses it; whoever has one in hand is held up by nobody else's tries.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from brobyg_kit.fields import is_mail_address
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.requests import EverybodysTries, Tries, networks_of
from brobyg_portal.domain.sign_in import own_path
from brobyg_portal.domain.sign_in_link import LinkState
from brobyg_portal.entrypoints.clean_links import clean_links
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.entrypoints.guard import Guard, redirect
from brobyg_portal.use_cases.link_sign_in import LinkSignIn

#: How long a browser is known that asked, seconds: longer than any link that it is sent.
_ASKED_SECONDS = 3600
#: How long it is known that somebody was signed in by a link in a browser, seconds: half a year.
_KNOWN_SECONDS = 180 * 24 * 3600
#: Whom a link leads to that names no page.
_HOME = "/me"
_STATUS: Mapping[LinkState, int] = {
    "open": 200, "elsewhere": 403, "unknown": 404, "used": 410, "over": 410,
}  # fmt: skip
Next = Annotated[str | None, Query(alias="next", max_length=2000)]
Language = Annotated[str | None, Query()]


class LinkRoutes:
    """The routes of those who sign in by a link."""

    def __init__(
        self,
        signing_in: LinkSignIn | None,
        guard: Guard,
        cookies: Cookies,
        tries: Tries,
        all_tries: EverybodysTries,
    ) -> None:
        """Without `signing_in` nobody can: no key is set. `all_tries` are everybody's together."""
        self._signing_in, self._guard, self._cookies = signing_in, guard, cookies
        self._tries, self._all_tries = tries, all_tries

    def routers(self) -> list[APIRouter]:
        """Those of who asks, and those of the link itself, whose token leaves the address."""
        asking = self._router(self._guard.route_class)
        asking.add_api_route("/sign-in/link", self.form, methods=["GET"], summary="Ask for a link")
        asking.add_api_route(
            "/sign-in/link",
            self.ask,
            methods=["POST"],
            summary="Have a link mailed: form field `email`",
        )
        asking.add_api_route(
            "/sign-in/link/sent", self.sent, methods=["GET"], summary="What happens next"
        )
        links = self._router(_both(clean_links(secure=self._cookies.secure), self._guard))
        path = "/sign-in/link/{token}"
        links.add_api_route(path, self.look, methods=["GET"], summary="The link; it shows a button")
        links.add_api_route(path, self.enter, methods=["POST"], summary="Sign in by the link, once")
        return [asking, links]

    def _router(self, route_class: type[APIRoute]) -> APIRouter:
        return APIRouter(
            tags=["sign-in"], default_response_class=HTMLResponse, route_class=route_class
        )

    async def form(
        self, request: Request, wish: Next = None, language: Language = None
    ) -> Response:
        """Where an address is typed."""
        del language  # the renderer reads it
        wish = own_path(wish)
        if request.state.session is not None:
            return redirect(wish)
        return self._form(request, wish)

    async def ask(
        self,
        request: Request,
        email: Annotated[str, Form(max_length=2000)] = "",
        wish: Annotated[str, Form(alias="next", max_length=2000)] = "",
    ) -> Response:
        """Note who asks; the same answer for every address that could be one."""
        wish, email = own_path(wish), email.strip()
        if self._signing_in is None:
            return self._form(request, wish)
        if not is_mail_address(email):
            wrong = "missing" if not email else "not_an_address"
            return self._form(request, wish, email, {"email": wrong})
        had, proof = (self._cookies.read(request, name) for name in ("asked", "known"))
        is_known, whence = self._signing_in.is_known(email, proof), _address(request)
        # Who is known is held up by nobody else's tries.
        allowed = self._tries.another(whence) and (is_known or self._all_tries.another(whence))
        if not allowed:
            return self._guard.page(request, "too_many", 429, {"Retry-After": "60"})
        wish = _HOME if wish == "/" else wish
        secret = await self._signing_in.ask(
            email, had, wish, is_known=is_known, network=networks_of(whence)[1]
        )
        response = redirect("/sign-in/link/sent")
        self._cookies.put(response, "asked", secret, _ASKED_SECONDS)
        return response

    async def sent(self, request: Request, language: Language = None) -> Response:
        """Look into the mail, whether or not one comes."""
        del language
        return self._guard.page(request, "link_sent")

    async def look(self, request: Request, token: str, language: Language = None) -> Response:
        """Looking never signs in: mail scanners open links."""
        del language
        if self._signing_in is None:
            return self._page(request, "unknown")
        state, link = await self._signing_in.look(token, self._cookies.read(request, "asked"))
        if link is not None and state == "used" and request.state.session is not None:
            return redirect(link.next)  # by Back or reload
        return self._page(request, state)

    async def enter(self, request: Request, token: str) -> Response:
        """Sign in, and go on where they wanted to."""
        if self._signing_in is None:
            return self._page(request, "unknown")
        asked, former = (self._cookies.read(request, name) for name in ("asked", "session"))
        entered = await self._signing_in.enter(token, asked, former)
        if isinstance(entered, str):
            return self._page(request, entered)
        response = redirect(own_path(entered.next))
        self._cookies.put(response, "session", entered.token)
        self._cookies.put(response, "known", entered.proof, _KNOWN_SECONDS)
        return response

    def _page(self, request: Request, state: LinkState) -> Response:
        name: PageName = "link" if state == "open" else "link_over"
        return self._guard.page(request, name, _STATUS[state], state=state)

    def _form(
        self,
        request: Request,
        wish: str,
        email: str = "",
        errors: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        available = self._signing_in is not None
        status = 404 if not available else 422 if errors else 200
        return self._guard.page(
            request, "link_ask", status,
            next=wish, email=email[:254], errors=errors, available=available,
        )  # fmt: skip


def _both(clean: type[APIRoute], guard: Guard) -> type[APIRoute]:
    """Routes whose token leaves the address before the guard looks."""
    return type("Route", (clean, guard.route_class), {})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
