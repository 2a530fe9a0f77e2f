"""Needs over HTTP: shown; held, searched again, given to a helper or taken by one."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from brobyg_matching.adapters.queries import Queries
from brobyg_matching.domain.need import Need, NeedState, Offer, Seat, SeatState
from brobyg_matching.entrypoints.bodies import AssignBody, ClaimBody, Department
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.scope import Scope, acting
from brobyg_matching.errors import UnknownHelper, UnknownNeed
from brobyg_matching.use_cases.answers import Answers

Reads = Annotated[Caller, Depends(requires_act("read-needs"))]
Steers = Annotated[Caller, Depends(requires_act("steer-need"))]
Takes = Annotated[Caller, Depends(requires_act("take-seat"))]
SeatNo = Annotated[int, Path(ge=1, le=32)]

#: The most offers of one need that are shown.
MAX_OFFERS = 200


class SeatOut(BaseModel):
    """One helper wanted by a need."""

    no: int
    role: str
    state: SeatState
    reason: str | None
    round: int
    wave: int
    asked: int
    decide_by: datetime | None
    helper_id: str | None
    pool: str | None
    match_id: str | None
    way: str | None
    offer_id: str | None
    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None


class NeedOut(BaseModel):
    """Where a need stands."""

    need_id: str
    about_kind: str
    about_id: str
    pathway: str
    department: str
    mode: str
    priority: int
    referral_id: str | None
    citizen_id: str | None
    location_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    answer_by: datetime | None
    not_before: datetime | None
    meet_at: datetime | None
    state: NeedState
    reason: str | None
    opened_at: datetime
    missing: int
    resource_id: str | None
    #: The citizen's other need on whose way this one is helped.
    follows: str | None
    clashes_with: str | None
    #: The need that this one clashes with, and the citizen's needs for which nobody is asked
    #: because of this one.
    clashing: list[str]
    #: Kinds of attention that are raised.
    attention: list[str]
    seats: list[SeatOut]


class AskedOfferOut(BaseModel):
    """Somebody who was asked, and the answer."""

    offer_id: str
    seat: int
    helper_id: str
    round: int
    wave: int
    rank: int
    state: str
    reason: str | None
    distance_metres: int | None
    known_to_citizen: bool
    made_at: datetime
    expires_at: datetime
    answered_at: datetime | None


class BookingOut(BaseModel):
    """Capacity that is taken; seat 0 is what is held with the need, such as a room."""

    seat_no: int
    holder: str
    since: datetime | None
    until: datetime | None
    exclusive: bool


class WholeNeedOut(NeedOut):
    """A need with its offers and bookings."""

    offers: list[AskedOfferOut]
    bookings: list[BookingOut]


class SeatStateOut(BaseModel):
    """Where a seat stands."""

    state: SeatState


class PageOut(BaseModel):
    """A page of needs."""

    items: list[NeedOut]
    #: The cursor of the next page; None on the last.
    next: str | None


def _seat(one: Seat) -> SeatOut:
    fields = {name: getattr(one, name) for name in SeatOut.model_fields if name != "asked"}
    return SeatOut.model_validate(fields | {"asked": len(one.asked)})


def _out(need: Need, clashing: Mapping[str, list[str]]) -> dict[str, object]:
    made = {
        "seats": [_seat(one) for one in need.seats],
        "attention": [*need.attention],
        "clashing": clashing.get(need.need_id, []),
    }
    return {name: getattr(need, name) for name in NeedOut.model_fields if name not in made} | made


def _asked(offer: Offer) -> AskedOfferOut:
    fields = {name: getattr(offer, name) for name in AskedOfferOut.model_fields if name != "seat"}
    return AskedOfferOut.model_validate(fields | {"seat": offer.seat_no})


def _cursor(need: Need) -> str:
    start = need.starts_at or need.opened_at
    return base64.urlsafe_b64encode(f"{start.isoformat()}|{need.need_id}".encode()).decode()


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        time, _, need_id = base64.urlsafe_b64decode(cursor).decode().partition("|")
        starts_at = datetime.fromisoformat(time)
        if starts_at.tzinfo is None:
            raise ValueError("a time without its zone")
        return starts_at.astimezone(UTC), str(UUID(need_id))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise Problem(
            422, "The page asked for is not one of ours", "use 'next' as the last page gave it"
        ) from error


def needs_router(queries: Queries, answers: Answers, scope: Scope) -> APIRouter:
    """The routes of needs."""
    router = APIRouter(prefix="/needs", tags=["needs"], route_class=ProblemRoute)
    _reads(router, queries, scope)
    _commands(router, queries, answers, scope)
    _seats(router, queries, answers, scope)
    return router


async def _own(
    queries: Queries, scope: Scope, need_id: UUID, caller: Caller, act: str
) -> tuple[Need, str]:
    """The need, and in which role the caller may do this with it. Raises UnknownNeed."""
    need = await queries.need(str(need_id))
    if need is None:
        raise UnknownNeed
    # Whoever acts for themselves does so whatever need it is: which they may take is its rules'.
    role = scope.role(caller, act, [need.department], caller.subject)
    if role is None:
        raise UnknownNeed
    return need, role


def _reads(router: APIRouter, queries: Queries, scope: Scope) -> None:
    """What a coordinator sees."""

    @router.get("", summary="Needs by their start, a page at a time")
    async def page(
        caller: Reads,
        state: Annotated[NeedState | None, Query()] = None,
        seat: Annotated[SeatState | None, Query(description="Has a seat in this state.")] = None,
        department: Annotated[Department | None, Query()] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> PageOut:
        """Of the coordinator's departments, or of one. `after` is the `next` of the page before."""
        whose = scope.listed(caller, "read-needs", department)
        found = await queries.needs(whose, state, seat, _position(after), limit + 1)
        shown = found[:limit]
        clashing = await queries.clashing(shown)
        items = [NeedOut.model_validate(_out(need, clashing)) for need in shown]
        return PageOut(items=items, next=_cursor(shown[-1]) if len(found) > limit else None)

    @router.get("/{need_id}", summary="One need: its seats, who was asked, what is booked")
    async def read(need_id: UUID, caller: Reads) -> WholeNeedOut:
        need, _ = await _own(queries, scope, need_id, caller, "read-needs")
        offers = await queries.offers_of(need.need_id, MAX_OFFERS)
        more = {
            "offers": [_asked(offer) for offer in offers],
            "bookings": await queries.bookings_of(need.need_id),
        }
        return WholeNeedOut.model_validate(_out(need, await queries.clashing([need])) | more)


def _commands(router: APIRouter, queries: Queries, answers: Answers, scope: Scope) -> None:
    """What a coordinator does to a whole need."""
    steps = {"hold": answers.hold, "resume": answers.resume, "reopen": answers.reopen}

    @router.post(
        "/{need_id}/{command}",
        summary="Stop the asking, let it go on, or search once more for what was given up",
    )
    async def command(
        need_id: UUID, command: Literal["hold", "resume", "reopen"], caller: Steers
    ) -> NeedOut:
        """`hold` withdraws open offers; `resume` and `reopen` begin a new round.

        409 when there is nothing to stop, or to go on with.
        """
        need, role = await _own(queries, scope, need_id, caller, "steer-need")
        await steps[command](need.need_id, acting(caller, role))
        return await _after(queries, need)


async def _after(queries: Queries, need: Need) -> NeedOut:
    after = await queries.need(need.need_id) or need
    return NeedOut.model_validate(_out(after, await queries.clashing([after])))


def _claimant(caller: Caller, role: str, body: ClaimBody | None) -> str:
    """Who is to have the seat. Raises Problem 422, UnknownHelper."""
    if role == "coordinator":
        if body is None or body.helper_id is None:
            raise Problem(422, "A coordinator says whose it is to be")
        return body.helper_id
    try:
        return str(UUID(caller.subject))
    except ValueError:
        raise UnknownHelper from None


def _seats(router: APIRouter, queries: Queries, answers: Answers, scope: Scope) -> None:
    """Who gets or leaves a seat by hand. A helper sees nothing of the need but the outcome."""

    @router.post("/{need_id}/seats/{no}/assign", summary="Give the seat to a helper")
    async def assign(
        need_id: UUID,
        no: SeatNo,
        body: AssignBody,
        caller: Steers,
        confirm: Annotated[
            Literal["clash"] | None,
            Query(description="Says that somebody is to help though the citizen is elsewhere too."),
        ] = None,
    ) -> NeedOut:
        """Whoever had it before is released; the same again has no effect.

        409 names the citizen's other need at the time, unless `confirm` says that it is known.
        """
        need, role = await _own(queries, scope, need_id, caller, "steer-need")
        confirmed = confirm is not None
        await answers.assign(
            need.need_id, no, body.helper_id, acting(caller, role), clash_confirmed=confirmed
        )
        return await _after(queries, need)

    @router.post(
        "/{need_id}/seats/{no}/claim", summary="Take a free seat without having been asked"
    )
    async def claim(
        need_id: UUID, no: SeatNo, caller: Takes, body: ClaimBody | None = None
    ) -> SeatStateOut:
        """A helper takes it for themselves, a coordinator for `helper_id`; the same again is fine.

        409 where the pathway or the helper's time does not allow it, or another was sooner.
        """
        need, role = await _own(queries, scope, need_id, caller, "take-seat")
        claimant = _claimant(caller, role, body)
        await answers.claim(need.need_id, no, claimant, acting(caller, role))
        return SeatStateOut(state="filled")

    @router.post(
        "/{need_id}/seats/{no}/release",
        summary="Whoever has the seat can't after all; it is searched again",
    )
    async def release(need_id: UUID, no: SeatNo, caller: Takes) -> SeatStateOut:
        """A helper leaves their own seat only. 409 when it has begun, or nobody has the seat."""
        need, role = await _own(queries, scope, need_id, caller, "take-seat")
        await answers.release(need.need_id, no, acting(caller, role))
        after = await queries.need(need.need_id)
        seat = after.seat(no) if after else None
        return SeatStateOut(state=seat.state if seat else "closed")
