"""Offers over HTTP: shown and answered by a signed-in caller.

By the link in the message they are answered in `answer_links`.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.clock import Clock
from fastapi import APIRouter, Depends

from brobyg_matching.adapters.queries import Queries
from brobyg_matching.domain.need import Need, Offer, OfferState
from brobyg_matching.entrypoints.bodies import OfferFacts, OfferOut, StateOut
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.scope import Scope, acting
from brobyg_matching.errors import UnknownOffer
from brobyg_matching.use_cases.answers import Answers

Answering = Annotated[Caller, Depends(requires_act("answer-offer"))]

#: The fields of an offer that everybody sees who may see it.
_FROM_OFFER = ("leave_at", "meet_at", "home_at", "distance_metres", "expires_at", "reason")


def shown_state(offer: Offer, now: datetime) -> OfferState:
    """An open offer whose time is over is shown as expired, also before its timer has fired."""
    return "expired" if offer.state == "open" and offer.expires_at <= now else offer.state


def offer_facts(offer: Offer, need: Need, scope: Scope, now: datetime) -> dict[str, object]:
    """What everybody sees who may see the offer.

    Of one that is over only that it is, and why: what the need has become is not theirs to see.
    """
    state = shown_state(offer, now)
    if state not in ("open", "accepted"):
        return nothing_more(need, state, offer.reason) | {"expires_at": offer.expires_at}
    seat = need.seat(offer.seat_no)
    return {name: getattr(offer, name) for name in _FROM_OFFER} | {
        "state": state,
        "pathway": need.pathway,
        "role": seat.role if seat else "",
        "starts_at": need.starts_at,
        "ends_at": need.ends_at,
        "location_name": scope.location_name(need),
    }


def nothing_more(need: Need, state: OfferState, reason: str | None) -> dict[str, object]:
    """What is said of an offer or a match that is over."""
    nothing: dict[str, object] = dict.fromkeys(OfferFacts.model_fields)
    about = {"state": state, "reason": reason, "pathway": need.pathway, "role": ""}
    return nothing | about | {"expires_at": None}


def offers_router(queries: Queries, answers: Answers, clock: Clock, scope: Scope) -> APIRouter:
    """Offers by their id, for signed-in callers."""
    router = APIRouter(prefix="/offers", tags=["offers"], route_class=ProblemRoute)

    async def found(offer_id: UUID, caller: Caller) -> tuple[Offer, Need, str]:
        """With the role in which the caller answers it."""
        both = await queries.offer(str(offer_id))
        if both is None:
            raise UnknownOffer
        offer, need = both
        role = scope.role(caller, "answer-offer", [need.department], offer.helper_id)
        if role is None:
            raise UnknownOffer
        return offer, need, role

    @router.get("/{offer_id}", summary="An offer, for its helper or a coordinator")
    async def read(offer_id: UUID, caller: Answering) -> OfferOut:
        """Of an offer that is over only its state, reason, pathway and end are told."""
        offer, need, _ = await found(offer_id, caller)
        own = {
            "offer_id": offer.offer_id, "need_id": offer.need_id, "seat": offer.seat_no,
            "helper_id": offer.helper_id,
        }  # fmt: skip
        return OfferOut.model_validate(offer_facts(offer, need, scope, clock.now()) | own)

    @router.post(
        "/{offer_id}/{answer}",
        summary="Answer an offer, or take an acceptance back; the same again has no effect",
    )
    async def answer(
        offer_id: UUID,
        answer: Literal["accept", "decline", "withdraw"],
        caller: Answering,
    ) -> StateOut:
        """409 when it can't be answered so, 410 when it is too late; the problem's type says why.

        `withdraw` takes an acceptance back, until the two meet.
        """
        _, _, role = await found(offer_id, caller)
        by = acting(caller, role)
        return StateOut(state=await answers.answer(str(offer_id), answer, by))

    return router
