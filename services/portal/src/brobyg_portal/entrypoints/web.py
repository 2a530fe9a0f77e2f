"""The page on which a volunteer answers an offer.

These routes need no token: the signed link is the credential. It was sent to the volunteer alone,
names one offer, ends with it, and matching checks its signature on every request. GET and HEAD
never answer: mail scanners and previews follow links.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from brobyg_kit.logs import get_logger
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from brobyg_portal.adapters import pages
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import choose
from brobyg_portal.errors import MatchingUnavailable, UnknownLink
from brobyg_portal.ports import Answers, Offer, OfferState, Reply

log = get_logger(__name__)

STYLE = Path(__file__).parent.parent / "static" / "portal.css"
_HEADERS = {
    # Only styles of our own, no scripts, no frames; the link stays out of caches, other sites' logs
    # and search engines.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: What is shown when the link is opened. An offer that is over is gone (410); the volunteer's own
#: answer stays readable.
ON_LOOKING: dict[OfferState, tuple[PageName, int]] = {
    "open": ("offer", 200),
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "withdrawn": ("withdrawn", 410),
}
#: What is shown after an answer. One that cannot be taken is a conflict (409); an offer whose time
#: is over is gone (410).
ON_ANSWERING: dict[Reply, tuple[PageName, int]] = {
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "taken": ("taken", 409),
    "withdrawn": ("withdrawn", 409),
    "answered": ("answered", 409),
    "prevented": ("prevented", 409),
}
Language = Annotated[str | None, Query()]


class View:
    """One request's page, in one language."""

    def __init__(self, request: Request, token: str, language: str | None) -> None:
        """`language` is what the switch asks for."""
        self._asked, self._accepted = language, request.headers.get("accept-language", "")
        self._token = token

    def page(
        self,
        name: PageName,
        status: int,
        offer: Offer | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HTMLResponse:
        """The page with its headers."""
        language = choose(self._asked, offer.language if offer else None, self._accepted)
        html = pages.render(
            name,
            language,
            {"offer": offer, "token": self._token, "asked_language": self._asked == language},
        )
        return HTMLResponse(html, status, {**_HEADERS, "Content-Language": language, **headers})

    def unavailable(self, name: PageName, error: MatchingUnavailable) -> HTMLResponse:
        """The page to try again, which says whether an answer may have been given."""
        log.warning("matching.unavailable", error=error)
        return self.page(name, 503, headers={"Retry-After": "10"})


def router(answers: Answers) -> APIRouter:
    """The public routes."""
    routes = APIRouter(tags=["answer"], default_response_class=HTMLResponse)

    @routes.head("/answer/{token}", include_in_schema=False)
    @routes.get("/answer/{token}", summary="The offer; looking never answers")
    async def look(request: Request, token: str, language: Language = None) -> Response:
        view = View(request, token, language)
        try:
            offer = await answers.look(token)
        except UnknownLink:
            return view.page("unknown", 404)
        except MatchingUnavailable as error:
            return view.unavailable("unavailable", error)
        return view.page(*ON_LOOKING[offer.state], offer)

    @routes.post(
        "/answer/{token}", summary="The volunteer's answer: form field `answer`, accept or decline"
    )
    async def give(
        request: Request, token: str, answer: Annotated[str, Form()] = "", language: Language = None
    ) -> Response:
        view, offer = View(request, token, language), None
        try:
            offer = await answers.look(token)
            if answer not in ("accept", "decline"):
                return view.page("choose", 422, offer)
            state = await answers.give(token, "accept" if answer == "accept" else "decline")
        except UnknownLink:
            return view.page("unknown", 404)
        except MatchingUnavailable as error:
            # Once the answer was sent it may have arrived; to send it again does no harm.
            return view.unavailable("unsure" if offer else "unavailable", error)
        return view.page(*ON_ANSWERING[state], offer)

    @routes.get("/static/portal.css", include_in_schema=False)
    async def style() -> Response:
        return FileResponse(
            STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"}
        )

    return routes
