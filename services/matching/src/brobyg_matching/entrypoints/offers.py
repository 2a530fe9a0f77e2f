"""Offers over HTTP: shown and answered, by a signed-in caller or by the link in the message."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_contracts.places import location_name
from brobyg_kit.auth import Caller, requires
from brobyg_kit.clock import Clock
from fastapi import APIRouter, Depends, Path

from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.queries import Queries
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.match import Match, Offer, OfferState
from brobyg_matching.entrypoints.bodies import AnswerBody, AnswerOut, LinkOut, OfferOut, StateOut
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.volunteers import in_scope
from brobyg_matching.errors import UnknownOffer
from brobyg_matching.use_cases.offer_responses import OfferResponses

VolunteerOrCoordinator = Annotated[Caller, Depends(requires("volunteer", "coordinator"))]
ServiceCaller = Annotated[Caller, Depends(requires("service"))]
Portal = Annotated[Caller, Depends(requires("portal"))]
Token = Annotated[str, Path(max_length=300)]

#: The fields of an offer that everybody sees who may see it, and those for its volunteer.
_FROM_OFFER = ("meet_at", "home_at", "distance_metres", "expires_at")
_OWN = ("offer_id", "appointment_id", "volunteer_id", "reason")


def shown_state(offer: Offer, now: datetime) -> OfferState:
    """An open offer whose time is over is shown as expired, also before its timer has fired."""
    return "expired" if offer.state == "open" and offer.expires_at <= now else offer.state


def _facts(offer: Offer, match: Match, now: datetime) -> dict[str, object]:
    """What everybody sees who may see the offer."""
    from_offer = {name: getattr(offer, name) for name in _FROM_OFFER}
    return from_offer | {
        "state": shown_state(offer, now),
        "starts_at": match.starts_at,
        "ends_at": match.ends_at,
        "location_name": location_name(match.location_id),
        "meeting": match.meeting,
    }


def offers_router(queries: Queries, responses: OfferResponses, clock: Clock) -> APIRouter:
    """Offers by their id, for signed-in callers."""
    router = APIRouter(prefix="/offers", tags=["offers"], route_class=ProblemRoute)

    async def found(offer_id: UUID, caller: Caller) -> tuple[Offer, Match]:
        offer, match = await queries.offer(str(offer_id))
        own = caller.subject == offer.volunteer_id and "volunteer" in caller.roles
        if not own and not ("coordinator" in caller.roles and in_scope(caller, match.department)):
            raise UnknownOffer
        return offer, match

    @router.get("/{offer_id}", summary="An offer, for its volunteer or a coordinator")
    async def read(offer_id: UUID, caller: VolunteerOrCoordinator) -> OfferOut:
        offer, match = await found(offer_id, caller)
        own = {name: getattr(offer, name) for name in _OWN}
        return OfferOut.model_validate(_facts(offer, match, clock.now()) | own)

    @router.post(
        "/{offer_id}/{answer}", summary="Answer an offer; the same answer again has no effect"
    )
    async def answer(
        offer_id: UUID, answer: Literal["accept", "decline"], caller: VolunteerOrCoordinator
    ) -> StateOut:
        await found(offer_id, caller)
        return StateOut(state=await responses.answer(str(offer_id), answer))

    return router


def answers_router(
    queries: Queries,
    responses: OfferResponses,
    links: Links,
    volunteers: PostgresVolunteers,
    clock: Clock,
) -> APIRouter:
    """Offers by the link in the message, for the services that carry it.

    Reading never spends a link.
    """
    router = APIRouter(tags=["answer links"], route_class=ProblemRoute)

    @router.get(
        "/offers/{offer_id}/answer-link", summary="The token of the link that answers this offer"
    )
    async def link(offer_id: UUID, caller: ServiceCaller) -> LinkOut:
        offer, _ = await queries.offer(str(offer_id))
        return LinkOut(
            token=links.token(offer.offer_id),
            expires_at=offer.expires_at,
            state=shown_state(offer, clock.now()),
        )

    @router.get("/answers/{token}", summary="What the link is about; changes nothing")
    async def show(token: Token, caller: Portal) -> AnswerOut:
        offer, match = await queries.offer(links.offer_id(token))
        language = await volunteers.language(offer.volunteer_id)
        return AnswerOut.model_validate(_facts(offer, match, clock.now()) | {"language": language})

    @router.post(
        "/answers/{token}", summary="Answer by the link; the same answer again has no effect"
    )
    async def answer(token: Token, body: AnswerBody, caller: Portal) -> StateOut:
        return StateOut(state=await responses.answer(links.offer_id(token), body.answer))

    return router
