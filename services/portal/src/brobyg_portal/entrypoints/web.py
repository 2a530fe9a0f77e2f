"""The page on which a helper answers an offer, and signs off from what they have promised.

These routes need no token: the signed link is the credential. It was sent to the helper alone,
names one offer or one match, ends with it, and matching checks its signature on every request. GET
and HEAD never answer: mail scanners and previews follow links.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from brobyg_kit.catalogues import languages
from brobyg_kit.logs import get_logger
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from brobyg_portal.adapters import pages
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import choose_language
from brobyg_portal.errors import MatchingUnavailable, UnknownLink
from brobyg_portal.ports import Answer, Offer, Offers, OfferState, Reply
from brobyg_portal.texts import FOLDER

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
#: What is shown when the link is opened. An offer that is over is gone (410); the helper's own
#: answer stays readable.
PAGE_OF_STATE: dict[OfferState, tuple[PageName, int]] = {
    "open": ("offer", 200),
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "withdrawn": ("withdrawn", 410),
}
#: What is shown after an answer. One that cannot be taken is a conflict (409); an offer whose time
#: is over is gone (410).
PAGE_OF_REPLY: dict[Reply, tuple[PageName, int]] = {
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "released": ("released", 200),
    "expired": ("expired", 410),
    "taken": ("taken", 409),
    "withdrawn": ("withdrawn", 409),
    "answered": ("answered", 409),
    "begun": ("begun", 409),
    "ended": ("ended", 409),
    "restricted": ("restricted", 409),
    "prevented": ("prevented", 409),
}
_ANSWERS: Mapping[str, Answer] = {
    "accept": "accept", "decline": "decline", "withdraw": "withdraw",
}  # fmt: skip
AskedLanguage = Annotated[str | None, Query()]


def router(offers: Offers, default_language: str) -> APIRouter:
    """The public routes. `default_language` is for a reader of whom no wish is known."""
    routes = APIRouter(tags=["answer"], default_response_class=HTMLResponse)

    @routes.head("/answer/{token}", include_in_schema=False)
    @routes.get("/answer/{token}", summary="The offer; looking never answers")
    async def look(request: Request, token: str, language: AskedLanguage = None) -> Response:
        """The page of the offer as it stands; mail scanners that open links change nothing."""
        return await respond(
            partial(_page, default_language, request, token, language), token, None
        )

    @routes.post(
        "/answer/{token}",
        summary="The helper's answer: form field `answer`, accept, decline or withdraw",
    )
    async def give(
        request: Request,
        token: str,
        answer: Annotated[str, Form()] = "",
        language: AskedLanguage = None,
    ) -> Response:
        """Safe to repeat. An open offer without one of the three answers: 422."""
        return await respond(
            partial(_page, default_language, request, token, language), token, answer
        )

    async def respond(
        page: Callable[..., HTMLResponse], token: str, answer: str | None
    ) -> HTMLResponse:
        """Answer the offer, or with None only look at it, and return the page that says so."""
        offer = None
        try:
            offer = await offers.offer(token)
            name, status = page_of(offer)
            if name == "erased":  # whatever they answer
                return page(name, status, offer)
            if given := _ANSWERS.get(answer or ""):
                reply = await offers.answer(token, given)
                return page(*PAGE_OF_REPLY[reply], offer, withdrawable=reply == "accepted")
            if answer is not None and offer.state == "open":
                return page("choose", 422, offer)
            return page(name, status, offer)
        except UnknownLink:
            return page("unknown", 404)
        except MatchingUnavailable as error:
            log.warning("matching.unavailable", error=error)
            # Once the answer was sent it may have arrived; to send it again does no harm.
            return page("unsure" if offer else "unavailable", 503, headers={"Retry-After": "10"})

    @routes.get("/static/portal.css", include_in_schema=False)
    async def style() -> Response:
        """The one style sheet, kept by the browser for an hour."""
        return FileResponse(
            STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"}
        )

    return routes


def page_of(offer: Offer) -> tuple[PageName, int]:
    """What is shown when the link of the offer is opened, with its status."""
    if offer.state == "withdrawn" and offer.reason == "helper_withdrew":
        return PAGE_OF_REPLY["released"]
    if offer.state == "withdrawn" and offer.reason == "helper_restricted":
        return "restricted", 410
    if offer.state == "withdrawn" and offer.reason == "helper_erased":
        return "erased", 410
    return PAGE_OF_STATE[offer.state]


def _page(
    default_language: str,
    request: Request,
    token: str,
    asked: str | None,
    name: PageName,
    status: int,
    offer: Offer | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    withdrawable: bool = False,
) -> HTMLResponse:
    """The page in one language; `asked` is what the language switch asks for."""
    language = choose_language(
        asked,
        offer.language if offer else None,
        request.headers.get("accept-language", ""),
        languages(FOLDER),
        default_language,
    )
    facts = {
        "offer": offer,
        "token": token,
        "asked_language": asked == language,
        "withdrawable": withdrawable or (offer is not None and offer.withdrawable),
    }
    return HTMLResponse(
        pages.render(name, language, offer.pathway if offer else None, facts),
        status,
        {**_HEADERS, "Content-Language": language, **headers},
    )
