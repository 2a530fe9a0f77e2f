"""Searches over HTTP: shown, explained, released and reopened."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from brobyg_matching.adapters.queries import Queries
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.entrypoints.bodies import Department
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.volunteers import in_scope
from brobyg_matching.errors import UnknownMatch
from brobyg_matching.use_cases.offer_responses import OfferResponses

Coordinator = Annotated[Caller, Depends(requires("coordinator"))]
VolunteerOrCoordinator = Annotated[Caller, Depends(requires("volunteer", "coordinator"))]

#: The longest explanation shown: as many offers and as many decisions.
MAX_EXPLAINED = 200


class MatchOut(BaseModel):
    """Where one appointment's search stands."""

    appointment_id: str
    referral_id: str
    citizen_id: str
    department: str
    location_id: str
    starts_at: datetime
    ends_at: datetime
    meeting: str
    meet_at: datetime
    state: Literal["searching", "matched", "escalated", "closed"]
    reason: str | None
    round: int
    wave: int
    asked: int
    opened_at: datetime
    decide_by: datetime
    match_id: str | None
    offer_id: str | None
    volunteer_id: str | None
    leave_at: datetime | None
    home_at: datetime | None


class AskedOfferOut(BaseModel):
    """Somebody who was asked, and the answer."""

    offer_id: str
    volunteer_id: str
    round: int
    wave: int
    rank: int
    state: str
    reason: str | None
    distance_metres: int
    known_to_citizen: bool
    made_at: datetime
    expires_at: datetime
    answered_at: datetime | None


class DecisionOut(BaseModel):
    """Why something was decided."""

    round: int
    wave: int
    decided_at: datetime
    outcome: str
    #: How many volunteers passed all rules.
    could: int
    #: In order, each with points.
    asked: list[dict[str, object]]
    #: How many volunteers each rule excluded.
    counts: dict[str, int]
    #: Whom each rule excluded; bounded.
    excluded: dict[str, list[str]]


class ExplainedOut(MatchOut):
    """A search with its explanation."""

    offers: list[AskedOfferOut]
    decisions: list[DecisionOut]


class PageOut(BaseModel):
    """A page of searches."""

    items: list[MatchOut]
    #: The cursor of the next page; None on the last.
    next: str | None


class SearchOut(BaseModel):
    """The search is open again, or with the coordinator."""

    state: str


def _out(match: Match) -> dict[str, object]:
    fields = {name: getattr(match, name) for name in MatchOut.model_fields if name != "asked"}
    return {**fields, "asked": len(match.asked)}


def _asked(offer: Offer) -> AskedOfferOut:
    return AskedOfferOut(**{name: getattr(offer, name) for name in AskedOfferOut.model_fields})


def _cursor(match: Match) -> str:
    return base64.urlsafe_b64encode(
        f"{match.starts_at.isoformat()}|{match.appointment_id}".encode()
    ).decode()


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        time, _, appointment_id = base64.urlsafe_b64decode(cursor).decode().partition("|")
        starts_at = datetime.fromisoformat(time)
        if starts_at.tzinfo is None:
            raise ValueError("a time without its zone")
        return starts_at.astimezone(UTC), str(UUID(appointment_id))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise Problem(
            422, "The page asked for is not one of ours", "use 'next' as the last page gave it"
        ) from error


def matches_router(queries: Queries, responses: OfferResponses) -> APIRouter:
    """The routes of searches."""
    router = APIRouter(prefix="/matches", tags=["matches"], route_class=ProblemRoute)
    _reads(router, queries)
    _commands(router, queries, responses)
    return router


async def _own(queries: Queries, appointment_id: UUID, caller: Caller) -> Match:
    match = await queries.match(str(appointment_id))
    if match is None or ("coordinator" in caller.roles and not in_scope(caller, match.department)):
        raise UnknownMatch
    return match


def _reads(router: APIRouter, queries: Queries) -> None:
    """What a coordinator sees."""

    @router.get("", summary="Searches by the start of their appointment, a page at a time")
    async def page(
        caller: Coordinator,
        state: Annotated[
            Literal["searching", "matched", "escalated", "closed"] | None, Query()
        ] = None,
        department: Annotated[Department | None, Query()] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> PageOut:
        if department is not None and not in_scope(caller, department):
            raise Problem(403, "This is another department's")
        found = await queries.matches(
            state, department or caller.department, _position(after), limit + 1
        )
        shown = found[:limit]
        items = [MatchOut.model_validate(_out(match)) for match in shown]
        return PageOut(items=items, next=_cursor(shown[-1]) if len(found) > limit else None)

    @router.get(
        "/{appointment_id}",
        summary="One search: who was asked in which order and why, and whom each rule excluded",
    )
    async def explain(appointment_id: UUID, caller: Coordinator) -> ExplainedOut:
        match = await _own(queries, appointment_id, caller)
        offers = await queries.offers_of(match.appointment_id, MAX_EXPLAINED)
        decisions = await queries.decisions_of(match.appointment_id, MAX_EXPLAINED)
        return ExplainedOut.model_validate(
            {**_out(match), "offers": [_asked(offer) for offer in offers], "decisions": decisions}
        )


def _commands(router: APIRouter, queries: Queries, responses: OfferResponses) -> None:
    """What opens a search again."""

    async def state_of(match: Match) -> SearchOut:
        after = await queries.match(match.appointment_id)
        return SearchOut(state=after.state if after else "closed")

    @router.post(
        "/{appointment_id}/release",
        summary="Whoever accepted can't after all; the search opens again",
    )
    async def release(appointment_id: UUID, caller: VolunteerOrCoordinator) -> SearchOut:
        match = await _own(queries, appointment_id, caller)
        whose = None if "coordinator" in caller.roles else caller.subject
        await responses.release(match.appointment_id, whose)
        return await state_of(match)

    @router.post(
        "/{appointment_id}/reopen",
        summary="Search once more for what is with the coordinator",
    )
    async def reopen(appointment_id: UUID, caller: Coordinator) -> SearchOut:
        match = await _own(queries, appointment_id, caller)
        await responses.reopen(match.appointment_id)
        return await state_of(match)
