"""Signing in and out: by the provider for staff.

These routes need no token: they are how one is signed in. What they promise: the answer of the
provider is taken once, and from the browser alone that asked; a session begun here has a new
cookie, whatever the browser had before; nothing leads away from the portal but to the provider.
"""

from collections.abc import Mapping
from typing import Annotated

from brobyg_kit.logs import get_logger
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.adapters.forms import Spent
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.domain.requests import Tries
from brobyg_portal.domain.sign_in import ATTEMPT_SECONDS, own_path
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.entrypoints.guard import Guard, redirect
from brobyg_portal.errors import ProviderUnavailable, SignInRefused
from brobyg_portal.use_cases.signing_in import Arrived, SigningIn

log = get_logger(__name__)

_LONGEST_CODE = 4096
_RETRY: Mapping[str, str] = {"Retry-After": "10"}
Next = Annotated[str | None, Query(alias="next", max_length=2000)]
Language = Annotated[str | None, Query()]


class SignInRoutes:
    """The routes of those who come and go."""

    def __init__(
        self,
        signing_in: SigningIn | None,
        sessions: Sessions,
        spent: Spent,
        guard: Guard,
        cookies: Cookies,
        tries: Tries,
    ) -> None:
        """Without `signing_in` staff can't sign in: no provider is set."""
        self._signing_in, self._sessions, self._spent = signing_in, sessions, spent
        self._guard, self._cookies, self._tries = guard, cookies, tries

    def router(self) -> APIRouter:
        """The routes of browsers."""
        routes = APIRouter(
            tags=["sign-in"],
            default_response_class=HTMLResponse,
            route_class=self._guard.route_class,
        )
        add = routes.add_api_route
        add("/sign-in", self.choose, methods=["GET"], summary="Choose how to sign in")
        add("/sign-in/staff", self.go, methods=["GET"], summary="To the provider of staff")
        add("/sign-in/back", self.back, methods=["GET"], summary="Back from the provider")
        add("/sign-out", self.sign_out, methods=["POST"], summary="End this session, or all")
        add("/sign-out/back", self.signed_out, methods=["GET"], summary="Back from the provider")
        return routes

    def told_router(self) -> APIRouter:
        """The route of the provider itself: its credential is the signed logout token."""
        routes = APIRouter(tags=["sign-in"])
        routes.add_api_route(
            "/sign-out/back-channel",
            self.told,
            methods=["POST"],
            summary="The provider says that somebody is signed out",
        )
        return routes

    async def choose(
        self, request: Request, wish: Next = None, language: Language = None
    ) -> Response:
        """The ways in."""
        del language  # the renderer reads it
        wish = own_path(wish)
        if request.state.session is not None:
            return redirect(wish)
        return self._guard.page(request, "sign_in", next=wish, staff=self._signing_in is not None)

    async def go(self, request: Request, wish: Next = None) -> Response:
        """Send the browser to the provider, with what it needs to come back."""
        if not self._tries.another(_address(request)):
            return self._guard.page(request, "too_many", 429, {"Retry-After": "60"})
        if self._signing_in is None:
            return self._guard.page(request, "sign_in", 404, next="/", staff=False)
        try:
            address, attempt = await self._signing_in.begin(wish)
        except ProviderUnavailable as error:
            return self._away(request, error)
        response = redirect(address)
        self._cookies.put(response, "attempt", attempt, ATTEMPT_SECONDS)
        return response

    async def back(
        self, request: Request, code: str = "", state: str = "", error: str = ""
    ) -> Response:
        """Sign in who came back, if it is this browser that asked, and the answer is new."""
        if not self._tries.another(_address(request)):
            return self._guard.page(request, "too_many", 429, {"Retry-After": "60"})
        response = await self._arrive(request, code, state, error)
        self._cookies.remove(response, "attempt")
        return response

    async def _arrive(self, request: Request, code: str, state: str, error: str) -> Response:
        signing_in, kept = self._signing_in, self._cookies.read(request, "attempt")
        attempt = None if signing_in is None else signing_in.begun(kept, state)
        if signing_in is None or attempt is None:
            # Another tab of this browser may have signed in meanwhile.
            return redirect("/") if request.state.session else self._failed(request, "/")
        wish = own_path(attempt.next)
        if error or not 0 < len(code) <= _LONGEST_CODE:
            return self._failed(request, wish)
        if await self._spent.spend(f"state:{state}"):
            return self._failed(request, wish)
        try:
            arrived = await signing_in.arrive(code, attempt)
        except SignInRefused as refused:
            log.warning("sign_in.refused", error=refused)
            return self._failed(request, wish)
        except ProviderUnavailable as away:
            return self._away(request, away)
        if not arrived.welcome:
            return await self._no_role(request, arrived)
        token = await self._sessions.begin(
            arrived.person,
            former=self._cookies.read(request, "session"),
            provider_session=arrived.identity.provider_session,
            id_token=arrived.identity.id_token,
        )
        session = arrived.identity.provider_session
        if session is not None and await self._spent.is_spent(f"signed-out:{session}"):
            await self._sessions.end(token)  # the provider told of it before there was ours
            return self._failed(request, wish)
        response = redirect(wish)
        self._cookies.put(response, "session", token)
        return response

    async def sign_out(
        self, request: Request, everywhere: Annotated[str, Form(max_length=10)] = ""
    ) -> Response:
        """End the session here and at the provider; with `everywhere` all sessions of theirs."""
        session, token = request.state.session, self._cookies.read(request, "session")
        onward, told = None, True
        if session is not None and token is not None:
            id_token = await self._sessions.end(token)
            if everywhere:
                await self._sessions.end_all_of(session.subject)
            if session.kind == "staff":
                onward, told = await self._onward(id_token)
        request.state.session = None
        response = self._guard.page(request, "signed_out", onward=onward, told=told)
        self._cookies.remove(response, "session")
        return response

    async def signed_out(self, request: Request, state: str = "") -> Response:
        """Where the provider sends the browser after its own sign-out."""
        del state
        return self._guard.page(request, "signed_out", onward=None, told=True)

    async def told(self, logout_token: Annotated[str, Form()] = "") -> Response:
        """End what the provider says, at once (OpenID Connect Back-Channel Logout 1.0)."""
        headers = {"Cache-Control": "no-store"}
        try:
            if self._signing_in is None:
                raise SignInRefused("no provider is set")
            subject, session, named = await self._signing_in.signed_out(logout_token)
            if await self._spent.is_spent(f"told:{named}"):
                raise SignInRefused("it was told before")
        except SignInRefused as refused:
            log.warning("sign_out.refused", error=refused)
            raise Problem(400, "This tells of no sign-out", headers=headers) from refused
        except ProviderUnavailable as away:
            log.warning("provider.unavailable", error=away)
            title = "The provider's keys can't be read right now"
            raise Problem(503, title, headers={**headers, **_RETRY}) from away
        # Told again it ends no more: so it is noted last, and one that was cut short is told again.
        if session is not None:
            await self._spent.spend(f"signed-out:{session}")
        ended = await self._sessions.end_at_provider(subject, session)
        await self._spent.spend(f"told:{named}")
        log.info("sign_out.told", sessions=ended)
        return Response(None, 200, headers)

    async def _onward(self, id_token: str) -> tuple[str | None, bool]:
        """Where to sign out at the provider too, and whether it could be asked."""
        if self._signing_in is None:
            return None, True
        try:
            return await self._signing_in.sign_out_address(id_token), True
        except ProviderUnavailable as error:
            log.warning("provider.unavailable", error=error)
            return None, False

    async def _no_role(self, request: Request, arrived: Arrived) -> Response:
        """They are known, and may nothing: their id is what an administrator needs."""
        onward, _ = await self._onward(arrived.identity.id_token)
        subject = arrived.person.subject
        return self._guard.page(request, "no_role", 403, subject=subject, onward=onward)

    def _failed(self, request: Request, wish: str) -> Response:
        return self._guard.page(request, "sign_in_failed", 400, next=wish)

    def _away(self, request: Request, error: ProviderUnavailable) -> Response:
        log.warning("provider.unavailable", error=error)
        return self._guard.page(request, "provider_away", 503, _RETRY)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
