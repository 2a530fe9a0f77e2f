"""Offers over HTTP: shown and answered, by a signed-in caller or by the link in the message."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_contracts.places import LOCATIONS
from brobyg_kit.auth import Caller, requires
from brobyg_kit.clock import Clock
from brobyg_kit.problems import NOT_FOUND, Problem
from fastapi import APIRouter, Depends, Path

from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.queries import Queries
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.match import Match, Offer, OfferState
from brobyg_matching.entrypoints.bodies import AnswerBody, AnswerOut, LinkOut, OfferOut, StateOut
from brobyg_matching.entrypoints.volunteers import in_scope
from brobyg_matching.errors import NotAllowed, Objection, UnknownOffer
from brobyg_matching.use_cases.offer_responses import Answer, OfferResponses

VolunteerOrCoordinator = Annotated[Caller, Depends(requires("volunteer", "coordinator"))]
ServiceCaller = Annotated[Caller, Depends(requires("service"))]
Portal = Annotated[Caller, Depends(requires("portal"))]
Token = Annotated[str, Path(max_length=300)]

#: HTTP status and title of the problem for each objection.
PROBLEMS: dict[Objection, tuple[int, str]] = {
    "taken": (409, "Somebody else has it already"),
    "withdrawn": (409, "The question was withdrawn"),
    "declined": (409, "It was declined before"),
    "accepted": (409, "It was accepted before; release the match instead"),
    "expired": (410, "The time to answer is over"),
    "elsewhere": (409, "The volunteer is somewhere else at that time"),
    "weekly_limit": (409, "The volunteer's limit for that week is reached"),
    "not_active": (409, "The volunteer is paused"),
    "begun": (409, "It has begun already; call the coordinator"),
    "not_matched": (409, "Nobody is matched"),
    "not_escalated": (409, "It is not with the coordinator"),
    "too_late": (409, "It is too late to ask anybody; call"),
}


def not_allowed(error: NotAllowed) -> Problem:
    """The problem that explains the error; its type ends in the objection, for machines."""
    status, title = PROBLEMS[error.objection]
    name = error.objection.replace("_", "-")
    return Problem(status, title, type=f"https://brobyg.dk/problems/{name}")


def shown_state(offer: Offer, now: datetime) -> OfferState:
    """An open offer whose time is over is shown as expired, also before its timer has fired."""
    return "expired" if offer.state == "open" and offer.expires_at <= now else offer.state


def location_name(location_id: str) -> str:
    """The name of the place as people know it."""
    place = LOCATIONS.get(location_id)
    return place.name if place else location_id


def unknown() -> Problem:
    """There is no such offer, or none that this caller may know of."""
    return Problem(404, "There is no such offer", type=NOT_FOUND)


def offers_router(queries: Queries, responses: OfferResponses, clock: Clock) -> APIRouter:
    """Offers by their id, for signed-in callers."""
    router = APIRouter(prefix="/offers", tags=["offers"])

    async def found(offer_id: UUID, caller: Caller) -> tuple[Offer, Match]:
        both = await queries.offer(str(offer_id))
        if both is None:
            raise unknown()
        own = caller.subject == both[0].volunteer_id and "volunteer" in caller.roles
        if not own and not ("coordinator" in caller.roles and in_scope(caller, both[1].department)):
            raise unknown()
        return both

    @router.get("/{offer_id}", summary="An offer, for its volunteer or a coordinator")
    async def read(offer_id: UUID, caller: VolunteerOrCoordinator) -> OfferOut:
        offer, match = await found(offer_id, caller)
        return OfferOut(
            offer_id=offer.offer_id,
            appointment_id=offer.appointment_id,
            volunteer_id=offer.volunteer_id,
            state=shown_state(offer, clock.now()),
            reason=offer.reason,
            starts_at=match.starts_at,
            ends_at=match.ends_at,
            location_name=location_name(match.location_id),
            meeting=match.meeting,
            meet_at=offer.meet_at,
            home_at=offer.home_at,
            distance_metres=offer.distance_metres,
            expires_at=offer.expires_at,
        )

    @router.post(
        "/{offer_id}/{answer}", summary="Answer an offer; the same answer again has no effect"
    )
    async def answer(
        offer_id: UUID, answer: Literal["accept", "decline"], caller: VolunteerOrCoordinator
    ) -> StateOut:
        await found(offer_id, caller)
        return await take(responses, str(offer_id), answer)

    return router


async def take(responses: OfferResponses, offer_id: str, answer: Answer) -> StateOut:
    """Take an answer, or raise the Problem that says why not."""
    try:
        return StateOut(state=await responses.answer(offer_id, answer))
    except UnknownOffer as error:
        raise unknown() from error
    except NotAllowed as error:
        raise not_allowed(error) from error


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
    router = APIRouter(tags=["answer links"])

    @router.get(
        "/offers/{offer_id}/answer-link", summary="The token of the link that answers this offer"
    )
    async def link(offer_id: UUID, caller: ServiceCaller) -> LinkOut:
        both = await queries.offer(str(offer_id))
        if both is None:
            raise unknown()
        offer = both[0]
        return LinkOut(
            token=links.token(offer.offer_id),
            expires_at=offer.expires_at,
            state=shown_state(offer, clock.now()),
        )

    def offer_of(token: str) -> str:
        try:
            return links.offer_id(token)
        except UnknownOffer as error:
            raise unknown() from error

    @router.get("/answers/{token}", summary="What the link is about; changes nothing")
    async def show(token: Token, caller: Portal) -> AnswerOut:
        both = await queries.offer(offer_of(token))
        if both is None:
            raise unknown()
        offer, match = both
        return AnswerOut(
            state=shown_state(offer, clock.now()),
            starts_at=match.starts_at,
            ends_at=match.ends_at,
            location_name=location_name(match.location_id),
            meeting=match.meeting,
            meet_at=offer.meet_at,
            home_at=offer.home_at,
            language=await volunteers.language(offer.volunteer_id),
            distance_metres=offer.distance_metres,
            expires_at=offer.expires_at,
        )

    @router.post(
        "/answers/{token}", summary="Answer by the link; the same answer again has no effect"
    )
    async def answer(token: Token, body: AnswerBody, caller: Portal) -> StateOut:
        return await take(responses, offer_of(token), body.answer)

    return router
