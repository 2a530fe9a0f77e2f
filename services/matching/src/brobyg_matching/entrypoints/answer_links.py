"""The link in a helper's message: it answers an offer, or signs off from a match.

For the services that carry it. Reading never spends a link.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.clock import Clock
from fastapi import APIRouter, Depends, Path

from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.links import Links, MatchLink, OfferLink
from brobyg_matching.adapters.queries import Queries
from brobyg_matching.domain.need import Need, Offer, Seat, match_of
from brobyg_matching.entrypoints.bodies import (
    AnswerBody,
    AnswerOut,
    LinkOut,
    MatchLinkOut,
    StateOut,
)
from brobyg_matching.entrypoints.offers import nothing_more, offer_facts, shown_state
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.scope import Scope
from brobyg_matching.errors import NotAllowed, UnknownLink, UnknownNeed, UnknownOffer
from brobyg_matching.use_cases.answers import Answers

#: Of so many offers of a need it is looked by which of them a match came about.
MOST_OFFERS = 500
Carries = Annotated[Caller, Depends(requires_act("carry-answer-link"))]
PassesOn = Annotated[Caller, Depends(requires_act("pass-answer-on"))]
Token = Annotated[str, Path(max_length=300)]


def answers_router(
    queries: Queries,
    answers: Answers,
    links: Links,
    helpers: PostgresHelpers,
    clock: Clock,
    scope: Scope,
) -> APIRouter:
    """The routes of tokens."""
    router = APIRouter(tags=["answer links"], route_class=ProblemRoute)
    _tokens(router, queries, links, helpers, clock)

    @router.get("/answers/{token}", summary="What the link is about; changes nothing")
    async def show(token: Token, caller: PassesOn) -> AnswerOut:
        """404 of type unknown-link for a token that is not ours."""
        link, now = links.read(token), clock.now()
        if isinstance(link, OfferLink):
            offer, need = await _offer(queries, link.offer_id)
            return await shown(offer.helper_id, need, _of_offer(offer, need, scope, now))
        need = await _need_of(queries, link)
        seat = _seat_of(need, link.match_id)
        if seat is None or seat.helper_id is None:
            offers = await queries.offers_of(need.need_id, MOST_OFFERS)
            return await shown(None, need, _gone(need, link.match_id, offers))
        return await shown(seat.helper_id, need, _of_seat(seat, need, scope, now))

    async def shown(helper_id: str | None, need: Need, facts: dict[str, object]) -> AnswerOut:
        # What they were offered and had agreed to is ended a moment after the erasure.
        if helper_id is not None and await helpers.is_erased(helper_id):
            facts = _over(need, "helper_erased")
        stands = facts["state"] in ("open", "accepted")
        more = {
            "language": await helpers.language(helper_id) if helper_id is not None else None,
            "meeting": await queries.meeting(need.citizen_id) if stands else None,
        }
        return AnswerOut.model_validate(facts | more)

    @router.post(
        "/answers/{token}",
        summary="Answer by the link, or take an acceptance back; the same again has no effect",
    )
    async def answer(token: Token, body: AnswerBody, caller: PassesOn) -> StateOut:
        """409 when it can't be answered so, 410 when it is too late; the problem's type says why.

        The link of a match takes `withdraw` only.
        """
        link = links.read(token)
        if isinstance(link, OfferLink):
            return StateOut(state=await answers.answer(link.offer_id, body.answer))
        need = await _need_of(queries, link)
        if body.answer == "withdraw":
            await answers.sign_off(need.need_id, link.match_id)
            return StateOut(state="withdrawn")
        if _seat_of(need, link.match_id) is None:
            raise NotAllowed("withdrawn")
        if body.answer == "decline":
            raise NotAllowed("accepted")
        return StateOut(state="accepted")

    return router


def _tokens(
    router: APIRouter, queries: Queries, links: Links, helpers: PostgresHelpers, clock: Clock
) -> None:
    """The tokens that a message to the helper carries."""

    @router.get(
        "/offers/{offer_id}/answer-link", summary="The token of the link that answers this offer"
    )
    async def of_offer(offer_id: UUID, caller: Carries) -> LinkOut:
        """Of an offer that is over nothing is told of where and when the two meet."""
        offer, need = await _offer(queries, str(offer_id))
        state = shown_state(offer, clock.now())
        if await helpers.is_erased(offer.helper_id):
            state = "withdrawn"
        stands = state in ("open", "accepted")
        return LinkOut(
            token=links.token(offer.offer_id),
            expires_at=offer.expires_at,
            state=state,
            meeting=await queries.meeting(need.citizen_id) if stands else None,
            distance_metres=offer.distance_metres if stands else None,
            meet_at=offer.meet_at if stands else None,
        )

    @router.get(
        "/needs/{need_id}/matches/{match_id}/answer-link",
        summary="The token of the link by which the match's helper signs off, and when they meet",
    )
    async def of_match(need_id: UUID, match_id: UUID, caller: Carries) -> MatchLinkOut:
        """Of a match that is gone only that it is."""
        need = await queries.need(str(need_id))
        if need is None:
            raise UnknownNeed
        seat = _seat_of(need, str(match_id))
        return MatchLinkOut(
            token=links.match_token(str(need_id), str(match_id)),
            state="agreed" if seat else "released",
            leave_at=seat.leave_at if seat else None,
            meet_at=seat.meet_at if seat else None,
            home_at=seat.home_at if seat else None,
        )


async def _offer(queries: Queries, offer_id: str) -> tuple[Offer, Need]:
    both = await queries.offer(offer_id)
    if both is None:
        raise UnknownOffer
    return both


async def _need_of(queries: Queries, link: MatchLink) -> Need:
    need = await queries.need(link.need_id)
    if need is None:
        raise UnknownLink
    return need


def _seat_of(need: Need, match_id: str) -> Seat | None:
    """The seat that the match's helper has, or had when it ended; None when the match is gone."""
    return next((one for one in need.seats if one.match_id == match_id), None)


def _of_offer(offer: Offer, need: Need, scope: Scope, now: datetime) -> dict[str, object]:
    can = offer.state == "accepted" and _may_sign_off(need, now)
    return {**offer_facts(offer, need, scope, now), "withdrawable": can}


def _gone(need: Need, match_id: str, offers: Sequence[Offer]) -> dict[str, object]:
    """Of a match that is gone, only that it is, and why if that is the helper's own doing."""
    themselves = any(match_id in one.withdrawn for one in need.seats)
    why = {one.reason for one in offers if match_of(one) == match_id}
    rights = next((one for one in ("helper_erased", "helper_restricted") if one in why), None)
    return _over(need, "helper_withdrew" if themselves and rights is None else rights)


def _over(need: Need, reason: str | None) -> dict[str, object]:
    return nothing_more(need, "withdrawn", reason) | {"withdrawable": False}


def _of_seat(seat: Seat, need: Need, scope: Scope, now: datetime) -> dict[str, object]:
    return {
        "state": "accepted",
        "reason": None,
        "pathway": need.pathway,
        "role": seat.role,
        "starts_at": need.starts_at,
        "ends_at": need.ends_at,
        "location_name": scope.location_name(need),
        "leave_at": seat.leave_at,
        "meet_at": seat.meet_at,
        "home_at": seat.home_at,
        "distance_metres": None,
        "expires_at": None,
        "withdrawable": seat.state == "filled" and _may_sign_off(need, now),
    }


def _may_sign_off(need: Need, now: datetime) -> bool:
    begun = need.meet_at is not None and need.meet_at <= now
    return need.state != "closed" and not begun
