"""Passkeys: to sign in by one, and one's own. Without JavaScript the pages say that a link works.

To sign in needs no token: that is how one is signed in. One's own are behind the guard.
"""

from typing import Annotated

from brobyg_kit.logs import get_logger
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.domain.requests import Tries
from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.entrypoints.guard import Guard, redirect
from brobyg_portal.entrypoints.may import ByLink
from brobyg_portal.errors import PasskeyRefused
from brobyg_portal.use_cases.passkey_sign_in import PasskeySignIn

log = get_logger(__name__)

Answer = Annotated[str, Form(alias="credential", max_length=32_768)]
Language = Annotated[str | None, Query()]


Own = Annotated[Session, Depends(ByLink())]


class PasskeyRoutes:
    """The routes."""

    def __init__(
        self, signing_in: PasskeySignIn | None, guard: Guard, cookies: Cookies, tries: Tries
    ) -> None:
        """Without `signing_in` nobody can: no key is set."""
        self._signing_in, self._guard = signing_in, guard
        self._cookies, self._tries = cookies, tries

    def router(self) -> APIRouter:
        """All of them."""
        routes = APIRouter(
            tags=["sign-in"],
            default_response_class=HTMLResponse,
            route_class=self._guard.route_class,
        )
        for path, route, method, summary in (
            ("/sign-in/passkey", self.form, "GET", "Sign in by a passkey"),
            ("/sign-in/passkey", self.enter, "POST", "What the browser proves: `credential`"),
            ("/passkeys", self.own, "GET", "One's own passkeys"),
            ("/passkeys", self.change, "POST", "Add `credential`, or delete `remove`"),
        ):
            routes.add_api_route(path, route, methods=[method], summary=summary)
        return routes

    async def form(self, request: Request, language: Language = None) -> Response:
        """Where a passkey is shown."""
        del language
        if request.state.session is not None:
            return redirect("/me")
        return self._page(request)

    async def enter(self, request: Request, answer: Answer = "") -> Response:
        """Sign in whose passkey it is."""
        if self._signing_in is None:
            return self._page(request)
        if not self._tries.another(request.client.host if request.client else ""):
            return self._guard.page(request, "too_many", 429, {"Retry-After": "60"})
        try:
            token = await self._signing_in.enter(answer, self._cookies.read(request, "session"))
        except PasskeyRefused as refused:
            log.warning("passkey.refused", error=refused)
            return self._page(request, refused=True)
        response = redirect("/me")
        self._cookies.put(response, "session", token)
        return response

    async def own(
        self,
        request: Request,
        session: Own,
        done: Annotated[str, Query(max_length=10)] = "",
        language: Language = None,
    ) -> Response:
        """Those that there are, and one more."""
        del language
        return await self._own(request, session, done=done)

    async def change(
        self,
        request: Request,
        session: Own,
        answer: Answer = "",
        remove: Annotated[str, Form(max_length=2100)] = "",
    ) -> Response:
        """Add one, or delete one."""
        if self._signing_in is None:
            return await self._own(request, session)
        if remove:
            await self._signing_in.remove(session, remove)  # one that is gone is gone
            return redirect("/passkeys?done=removed")
        try:
            await self._signing_in.add(session, answer)
        except PasskeyRefused as refused:
            log.warning("passkey.refused", error=refused)
            return await self._own(request, session, refused=True)
        return redirect("/passkeys?done=added")

    async def _own(
        self, request: Request, session: Session, *, done: str = "", refused: bool = False
    ) -> Response:
        if self._signing_in is None:
            return self._guard.page(request, "passkeys", 404, own=[], options="")
        own, fresh = await self._signing_in.of(session), self._signing_in.may_add(session)
        options = await self._signing_in.to_add(session) if fresh else ""
        return self._guard.page(
            request, "passkeys", 422 if refused else 200,
            own=own, options=options, done=done, refused=refused, late=not fresh,
        )  # fmt: skip

    def _page(self, request: Request, *, refused: bool = False) -> Response:
        options = "" if self._signing_in is None else self._signing_in.to_sign_in()
        status = 403 if refused else 200 if options else 404
        return self._guard.page(
            request, "passkey_sign_in", status, options=options, refused=refused
        )
