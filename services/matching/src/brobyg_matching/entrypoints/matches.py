"""Searches over HTTP: what a coordinator sees, why it came so, and a volunteer who can't after all; a search to begin anew."""

import base64
import binascii
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from brobyg_matching.adapters.reads import Reads
from brobyg_matching.answering import Answering, UnknownMatch
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.domain.transitions import Refused
from brobyg_matching.entrypoints.bodies import Department
from brobyg_matching.entrypoints.offers import refuse
from brobyg_matching.entrypoints.volunteers import in_scope

Coordinator = Annotated[Caller, Depends(requires("coordinator"))]
VolunteerOrCoordinator = Annotated[Caller, Depends(requires("volunteer", "coordinator"))]

#: The longest explanation shown: rows of offers and of decisions.
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


class AskedOut(BaseModel):
    """Somebody who was asked, and what they said."""

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
    """Why something was decided. `asked` in order, each with points; `counts` of the left out by rule; `excluded` lists them, bounded."""

    round: int
    wave: int
    decided_at: datetime
    outcome: str
    could: int
    asked: list[dict[str, object]]
    counts: dict[str, int]
    excluded: dict[str, list[str]]


class ExplainedOut(MatchOut):
    """A search with its explanation."""

    offers: list[AskedOut]
    decisions: list[DecisionOut]


class PageOut(BaseModel):
    """A page of searches; `next` asks for the page after it, absent on the last."""

    items: list[MatchOut]
    next: str | None


class SearchOut(BaseModel):
    """The search is open again, or with the coordinator."""

    state: str


def _out(match: Match) -> dict[str, object]:
    fields = {name: getattr(match, name) for name in MatchOut.model_fields if name != "asked"}
    return {**fields, "asked": len(match.asked)}


def _asked(offer: Offer) -> AskedOut:
    return AskedOut(**{name: getattr(offer, name) for name in AskedOut.model_fields})


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


def unknown() -> Problem:
    """There is no such appointment, or none that this caller may know of."""
    return Problem(404, "There is no such appointment here")


def matches_router(reads: Reads, answering: Answering) -> APIRouter:
    """The routes of searches."""
    router = APIRouter(prefix="/matches", tags=["matches"])
    _reading(router, reads)
    _moving(router, reads, answering)
    return router


async def _own(reads: Reads, appointment_id: UUID, caller: Caller) -> Match:
    match = await reads.match(str(appointment_id))
    if match is None or ("coordinator" in caller.roles and not in_scope(caller, match.department)):
        raise unknown()
    return match


def _reading(router: APIRouter, reads: Reads) -> None:
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
        found = await reads.matches(
            state, department or caller.department, _position(after), limit + 1
        )
        shown = found[:limit]
        items = [MatchOut.model_validate(_out(match)) for match in shown]
        return PageOut(items=items, next=_cursor(shown[-1]) if len(found) > limit else None)

    @router.get(
        "/{appointment_id}",
        summary="One search: who was asked, in which order, why, and who was left out by which rule",
    )
    async def explain(appointment_id: UUID, caller: Coordinator) -> ExplainedOut:
        match = await _own(reads, appointment_id, caller)
        offers = await reads.offers_of(match.appointment_id, MAX_EXPLAINED)
        decisions = await reads.decisions_of(match.appointment_id, MAX_EXPLAINED)
        return ExplainedOut.model_validate(
            {**_out(match), "offers": [_asked(offer) for offer in offers], "decisions": decisions}
        )


def _moving(router: APIRouter, reads: Reads, answering: Answering) -> None:
    """What opens a search again."""

    async def moved(match: Match, move: Awaitable[None]) -> SearchOut:
        try:
            await move
        except UnknownMatch as error:
            raise unknown() from error
        except Refused as refused:
            refuse(refused.why)
        after = await reads.match(match.appointment_id)
        return SearchOut(state=after.state if after else "closed")

    @router.post(
        "/{appointment_id}/release", summary="Who accepted can't after all; the search opens again"
    )
    async def release(appointment_id: UUID, caller: VolunteerOrCoordinator) -> SearchOut:
        match = await _own(reads, appointment_id, caller)
        whose = None if "coordinator" in caller.roles else caller.subject
        return await moved(match, answering.release(match.appointment_id, whose))

    @router.post(
        "/{appointment_id}/reopen",
        summary="Search company once more for what is with the coordinator",
    )
    async def reopen(appointment_id: UUID, caller: Coordinator) -> SearchOut:
        match = await _own(reads, appointment_id, caller)
        return await moved(match, answering.reopen(match.appointment_id))
