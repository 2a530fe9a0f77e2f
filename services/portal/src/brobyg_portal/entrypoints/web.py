"""The page on which a helper answers an offer, and signs off from what they have promised.

These routes need no token: the signed link is the credential. It was sent to the helper alone,
names one offer or one match, ends with it, and matching checks its signature on every request. GET
and HEAD never answer: mail scanners and previews follow links.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated

from brobyg_kit.logs import get_logger
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from brobyg_portal.adapters.pages import Pages
from brobyg_portal.domain.page import PageName
from brobyg_portal.entrypoints.clean_links import clean_links
from brobyg_portal.errors import MatchingUnavailable, UnknownLink
from brobyg_portal.ports import Answer, Offer, Offers, OfferState, Reply

log = get_logger(__name__)

#: What is shown when the link is opened. An offer that is over is gone (410); the helper's own
#: answer stays readable.
PAGE_OF_STATE: dict[OfferState, tuple[PageName, int]] = {
    "open": ("offer", 200),
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "withdrawn": ("withdrawn", 410),
}
#: Answers that were taken: the browser is sent to the link again, which shows them, so that back
#: and reload send nothing.
TAKEN: frozenset[Reply] = frozenset({"accepted", "declined", "released"})
#: What is shown after any other answer. One that cannot be taken is a conflict (409); an offer
#: whose time is over is gone (410).
PAGE_OF_REPLY: dict[Reply, tuple[PageName, int]] = {
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


def router(offers: Offers, pages: Pages, *, secure: bool) -> APIRouter:
    """The public routes. `secure` where browsers come by https."""
    routes = APIRouter(
        tags=["answer"],
        default_response_class=HTMLResponse,
        route_class=clean_links(secure=secure),
    )

    @routes.head("/answer/{token}", include_in_schema=False)
    @routes.get("/answer/{token}", summary="The offer; looking never answers")
    async def look(request: Request, token: str) -> Response:
        """The page of the offer as it stands; mail scanners that open links change nothing."""
        return await respond(partial(_page, pages, request, token), token, None)

    @routes.post(
        "/answer/{token}",
        summary="The helper's answer: form field `answer`, accept, decline or withdraw",
    )
    async def give(request: Request, token: str, answer: Annotated[str, Form()] = "") -> Response:
        """Safe to repeat. One that is taken leads back to the link (303), which shows it.

        An open offer without one of the three answers: 422.
        """
        return await respond(partial(_page, pages, request, token), token, answer, _here(request))

    async def respond(
        page: Callable[..., HTMLResponse], token: str, answer: str | None, link: str = ""
    ) -> Response:
        """Answer the offer, or with None only look at it, and return the page that says so."""
        offer = None
        try:
            offer = await offers.offer(token)
            name, status = page_of(offer)
            if name == "erased":  # whatever they answer
                return page(name, status, offer)
            if given := _ANSWERS.get(answer or ""):
                reply = await offers.answer(token, given)
                if reply in TAKEN:
                    return RedirectResponse(link, 303, {"Cache-Control": "no-store"})
                return page(*PAGE_OF_REPLY[reply], offer)
            if answer is not None and offer.state == "open":
                return page("choose", 422, offer)
            return page(name, status, offer)
        except UnknownLink:
            return page("unknown", 404)
        except MatchingUnavailable as error:
            log.warning("matching.unavailable", error=error)
            # Once the answer was sent it may have arrived; to send it again does no harm.
            return page("unsure" if offer else "unavailable", 503, headers={"Retry-After": "10"})

    return routes


def _here(request: Request) -> str:
    """Path and query: a proxy may have another scheme than we see."""
    return str(request.url.replace(scheme="", netloc=""))


def page_of(offer: Offer) -> tuple[PageName, int]:
    """What is shown when the link of the offer is opened, with its status."""
    if offer.state == "withdrawn" and offer.reason == "helper_withdrew":
        return "released", 200
    if offer.state == "withdrawn" and offer.reason == "helper_restricted":
        return "restricted", 410
    if offer.state == "withdrawn" and offer.reason == "helper_erased":
        return "erased", 410
    return PAGE_OF_STATE[offer.state]


def _page(
    pages: Pages,
    request: Request,
    token: str,
    name: PageName,
    status: int,
    offer: Offer | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> HTMLResponse:
    """The page, with the pathway's own text where it has one."""
    folders = [offer.pathway, "default"] if offer else ["default"]
    return pages.render(
        request,
        [f"{folder}/{name}.html" for folder in folders],
        status,
        language=offer.language if offer else None,
        headers=headers,
        offer=offer,
        token=token,
        withdrawable=offer is not None and offer.withdrawable,
    )
