"""What stands before every page of those who sign in.

Who is signed in is at `request.state.session`. Nothing that changes something is taken from another
site's page, nor without the token of a form of this session, and each form acts once: sent again,
by Back, reload or a double click, it leads to where it led before. A form whose session has ended
is kept for whoever typed it: after the sign-in `request.state.typed` has its fields on the page
where it was typed, which is therefore the one that it is sent to.
"""

import secrets
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import quote

from brobyg_kit.database_errors import is_waited_out
from brobyg_kit.logs import get_logger
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.datastructures import ImmutableMultiDict

from brobyg_portal.adapters.forms import KEPT, KeptForms, Spent
from brobyg_portal.adapters.pages import Pages
from brobyg_portal.adapters.sessions import Seen, Sessions
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.requests import SAFE, form_token, is_foreign, nonce_of
from brobyg_portal.domain.session import Session
from brobyg_portal.domain.sign_in import own_path
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.errors import NotAllowed, ServiceUnavailable, SignInNeeded
from brobyg_portal.metrics import PortalMetrics
from brobyg_portal.ports import Services

log = get_logger(__name__)

#: Where the form is sent that signs out.
SIGN_OUT = "/sign-out"
#: What begins so is how one is signed in: by what is sent, whatever session the browser had.
SIGN_IN = "/sign-in/"
#: The field of a form with its token.
FIELD = "form"
#: The largest form, bytes, and the most fields.
_LARGEST, _FIELDS = 64 * 1024, 200
_FORM_TYPE = "application/x-www-form-urlencoded"
#: The fields of a form; of one that is there more than once `getlist` has all, and `get` the last.
Fields: TypeAlias = ImmutableMultiDict[str, str]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def signed_in(request: Request) -> Session:
    """A dependency: who is signed in. Without anybody the browser is sent to sign in first."""
    session: Session | None = request.state.session
    if session is None:
        raise SignInNeeded
    return session


def administrator(request: Request) -> Session:
    """A dependency: an administrator who is signed in. Raises NotAllowed for others."""
    session = signed_in(request)
    if not session.administrator:
        raise NotAllowed
    return session


class Guard:
    """See the module."""

    def __init__(
        self,
        sessions: Sessions,
        kept: KeptForms,
        spent: Spent,
        cookies: Cookies,
        pages: Pages,
        services: Services,
        home: str,
        metrics: PortalMetrics,
    ) -> None:
        """`home` is the portal's own address, without a slash at its end."""
        #: What the pages behind it ask, for whoever is signed in.
        self.services = services
        self._sessions, self._kept, self._spent = sessions, kept, spent
        self._cookies, self._pages, self._home = cookies, pages, home
        self._metrics = metrics

    @property
    def route_class(self) -> type[APIRoute]:
        """The class of the routes that it stands before."""
        guard = self

        class Route(APIRoute):
            def get_route_handler(self) -> Handler:
                handler = super().get_route_handler()

                async def handle(request: Request) -> Response:
                    return await guard._answer(request, handler)

                return handle

        return Route

    def page(
        self,
        request: Request,
        page: PageName,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        **facts: object,
    ) -> Response:
        """A page that knows who is signed in, and whose forms can be sent."""
        return self.show(request, f"default/{page}.html", status, headers, **facts)

    def show(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        **facts: object,
    ) -> Response:
        """The same of any template."""
        form = token_maker(request.state.session)
        return self._pages.render(
            request, template, status, language=None, headers=headers, form=form, **facts
        )

    async def _answer(self, request: Request, handler: Handler) -> Response:
        state = request.state
        state.session, state.typed, state.form_key, state.sent = None, Fields(), "", None
        if self._sessions.can_be_asked:
            try:
                return await self._guarded(request, handler)
            except Exception as error:
                if not is_waited_out(error):
                    raise
                log.warning("database.unavailable", error=error)
        return self._away(request, all_pages=True)

    def _away(self, request: Request, *, all_pages: bool) -> Response:
        """While something does not answer; who sent a form may send the very same again.

        Whoever was asked may have done it: by the same key it is done once. `all_pages` where it is
        the portal's own database, without which nobody is known.
        """
        headers, sent = {"Retry-After": "10"}, request.state.sent
        if sent is None:
            return self.page(request, "away", 503, headers, all_pages=all_pages)
        return self.page(request, "again", 503, headers, sent=sent.multi_items())

    async def _guarded(self, request: Request, handler: Handler) -> Response:
        headers = request.headers
        changes = request.method not in SAFE
        if changes and is_foreign(headers.get("sec-fetch-site"), headers.get("origin"), self._home):
            return self.page(request, "foreign", 403)
        cookie = self._cookies.read(request, "session")
        # A live part asks by itself, and would keep somebody signed in at an empty desk.
        by_itself = not changes and "hx-request" in headers
        seen = await self._sessions.seen(cookie, by_hand=not by_itself)
        if seen.stolen and seen.ended is not None:
            log.warning("session.stolen", session_id=seen.ended.session_id)
            self._metrics.sessions_stolen.inc()
        request.state.session = seen.session
        try:
            if changes:
                response = await self._send(request, handler, seen)
            else:
                await self._typed_before(request, seen.session)
                response = await handler(request)
        except SignInNeeded:
            response = _signed_out() if by_itself else self._to_sign_in(request)
        except NotAllowed:
            response = self.page(request, "forbidden", 403)
        except ServiceUnavailable as error:
            log.warning("service.unavailable", error=error)
            response = self._away(request, all_pages=False)
        if seen.due and cookie is not None:
            await _if_possible(self._rotate(response, cookie))
        return response

    async def _rotate(self, response: Response, cookie: str) -> None:
        if (new := await self._sessions.rotate(cookie)) is not None:
            self._cookies.put(response, "session", new)

    async def _typed_before(self, request: Request, session: Session | None) -> None:
        secret = self._cookies.read(request, "typed")
        if session is not None and secret is not None:
            path = request.url.path
            request.state.typed = Fields(await self._kept.typed(secret, session, path))

    def _to_sign_in(self, request: Request) -> Response:
        path = request.url.path
        if request.method in SAFE and request.url.query:
            path += f"?{request.url.query}"
        return redirect(f"/sign-in?next={quote(own_path(path), safe='')}")

    async def _send(self, request: Request, handler: Handler, seen: Seen) -> Response:
        """Carry out what a form asks for, once."""
        whose = seen.session or seen.ended
        if whose is None or request.url.path.startswith(SIGN_IN):
            # Nobody's rights can be misused; what needs a session says so.
            return await handler(request)
        fields = await _fields(request)
        if fields is None:
            return self.page(request, "not_a_form", 413)
        nonce = nonce_of(fields.get(FIELD, ""), whose.form_key, request.url.path)
        if nonce is None:
            return self.page(request, "foreign", 403)
        if seen.session is None and request.url.path == SIGN_OUT:
            # Who wants out is let out, at the provider too, though the session has ended.
            request.state.session = whose
            return await handler(request)
        if seen.session is None:
            return await self._keep(request, whose, fields)
        if (before := await self._spent.spend(nonce)) is not None:
            if before.led_to is not None:
                return redirect(before.led_to)
            return self.page(request, "already", 409)
        request.state.form_key, request.state.sent = nonce, fields
        try:
            response = await handler(request)
        except BaseException:
            await self._spent.release(nonce)
            raise
        await _if_possible(self._acted(request, response, nonce))
        return response

    async def _acted(self, request: Request, response: Response, nonce: str) -> None:
        """Remember where it led; what had no effect may be sent again."""
        if response.status_code >= 400:
            await self._spent.release(nonce)
            return
        if (place := response.headers.get("location")) is not None:
            await self._spent.led_to(nonce, own_path(place))
        if (secret := self._cookies.read(request, "typed")) is not None:
            await self._kept.forget(secret, request.url.path)

    async def _keep(self, request: Request, whose: Session, fields: Fields) -> Response:
        response = self._to_sign_in(request)
        if typed := [(name, text) for name, text in fields.multi_items() if name != FIELD]:
            secret = self._cookies.read(request, "typed")  # of a form in another tab
            secret = await self._kept.keep(secret, whose.subject, request.url.path, typed)
            self._cookies.put(response, "typed", secret, int(KEPT.total_seconds()))
        return response


def token_maker(session: Session | None) -> Callable[[str], str]:
    """Makes the token of a form that is sent to the path it is given; "" without a session."""

    def make(path: str) -> str:
        if session is None:
            return ""
        return form_token(session.form_key, path, secrets.token_urlsafe(16))

    return make


def redirect(path: str) -> Response:
    """Go on to this page by GET."""
    return RedirectResponse(
        path, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )


def _signed_out() -> Response:
    """To a part of a page, which says so in its place: it can't sign anybody in."""
    return Response(None, 401, {"Cache-Control": "no-store"})


async def _if_possible(work: Coroutine[Any, Any, None]) -> None:
    """What follows an act must not make it look as if it had not been done."""
    try:
        await work
    except Exception as error:
        if not is_waited_out(error):
            raise
        log.warning("database.unavailable", error=error)


async def _fields(request: Request) -> Fields | None:
    """The fields of a form. None for what is no form of ours.

    No form of ours sends a file.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if len(body) > _LARGEST or body.count(b"&") >= _FIELDS or (body and kind != _FORM_TYPE):
        return None
    form = await request.form()
    return Fields([(name, text) for name, text in form.multi_items() if isinstance(text, str)])
