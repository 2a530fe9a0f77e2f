"""Volunteers over HTTP: registered, activated, paused, read; the contact apart and recorded."""

from functools import partial
from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from brobyg_kit.clock import Clock
from brobyg_kit.ids import new_id
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel

from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.entrypoints.bodies import (
    Activation,
    Block,
    NewVolunteer,
    Purpose,
    VolunteerOut,
    volunteer_out,
)
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.errors import UnknownVolunteer
from brobyg_matching.use_cases.registration import Registration, RegistrationRequest
from brobyg_matching.use_cases.restrictions import Restrictions

Coordinator = Annotated[Caller, Depends(requires("coordinator"))]
CoordinatorOrSelf = Annotated[Caller, Depends(requires("coordinator", "volunteer"))]
CoordinatorOrService = Annotated[Caller, Depends(requires("coordinator", "service"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="Repeats with the same key have no second effect; without a key, repeats with"
        " the same body.",
    ),
]


class Registered(BaseModel):
    """A volunteer's new status."""

    volunteer_id: str
    status: str


class ContactOut(BaseModel):
    """How a volunteer is reached."""

    volunteer_id: str
    name: str
    email: str
    phone: str | None
    language: str


def in_scope(caller: Caller, department: str) -> bool:
    """True when a coordinator bound to a department asks about their own."""
    return caller.department is None or caller.department == department


def volunteers_router(
    clock: Clock,
    volunteers: PostgresVolunteers,
    registration: Registration,
    restrictions: Restrictions,
) -> APIRouter:
    """The routes of volunteers."""
    router = APIRouter(prefix="/volunteers", tags=["volunteers"], route_class=ProblemRoute)
    _registration(router, clock, registration)
    _restrictions(router, restrictions)
    _reads(router, volunteers)
    return router


def _scoped(caller: Caller, volunteer: Volunteer) -> bool:
    return in_scope(caller, volunteer.department)


def _registration(router: APIRouter, clock: Clock, registration: Registration) -> None:
    """How a volunteer becomes one that can be asked; for coordinators."""

    @router.post("", status_code=201, summary="Register somebody who wants to help")
    async def register(
        body: NewVolunteer, caller: Coordinator, idempotency_key: IdempotencyKey = None
    ) -> Registered:
        if not in_scope(caller, body.department):
            raise Problem(
                403, "This is another department's", "register volunteers of your own department"
            )
        request = RegistrationRequest(caller.subject, idempotency_key, body.model_dump_json())
        new = body.volunteer(new_id(clock))
        volunteer = await registration.register(new, body.contact(), request)
        return Registered(volunteer_id=volunteer.volunteer_id, status=volunteer.status)

    @router.post("/{volunteer_id}/activate", summary="From now on the volunteer can be asked")
    async def activate(volunteer_id: UUID, body: Activation, caller: Coordinator) -> Registered:
        days = body.confidentiality_signed_on, body.record_checked_on, body.introduced_on
        active = await registration.activate(str(volunteer_id), *days, partial(_scoped, caller))
        return Registered(volunteer_id=active.volunteer_id, status=active.status)


def _restrictions(router: APIRouter, restrictions: Restrictions) -> None:
    """What stops the asking; for coordinators."""

    @router.post(
        "/{volunteer_id}/pause", summary="Ask the volunteer for nothing new until activated again"
    )
    async def pause(volunteer_id: UUID, caller: Coordinator) -> Registered:
        paused = await restrictions.pause(str(volunteer_id), partial(_scoped, caller))
        return Registered(volunteer_id=paused.volunteer_id, status=paused.status)

    @router.post(
        "/{volunteer_id}/blocks",
        status_code=204,
        summary="Never bring this volunteer and this citizen together",
    )
    async def block(volunteer_id: UUID, body: Block, caller: Coordinator) -> None:
        allowed = partial(_scoped, caller)
        await restrictions.block(str(volunteer_id), body.citizen_id, body.asked_by, allowed)


def _reads(router: APIRouter, volunteers: PostgresVolunteers) -> None:
    """Who a volunteer is, and apart from that how they are reached."""

    @router.get("/{volunteer_id}", summary="A volunteer without contact")
    async def read(volunteer_id: UUID, caller: CoordinatorOrSelf) -> VolunteerOut:
        volunteer = await volunteers.get(str(volunteer_id))
        own = volunteer is not None and caller.subject == volunteer.volunteer_id
        if volunteer is None or not (
            own or ("coordinator" in caller.roles and in_scope(caller, volunteer.department))
        ):
            raise UnknownVolunteer
        return volunteer_out(volunteer)

    @router.get(
        "/{volunteer_id}/contact", summary="How the volunteer is reached; the reading is recorded"
    )
    async def contact(
        volunteer_id: UUID, purpose: Annotated[Purpose, Query()], caller: CoordinatorOrService
    ) -> ContactOut:
        to_service = "service" in caller.roles
        if not to_service:
            volunteer = await volunteers.get(str(volunteer_id))
            if volunteer is None or not in_scope(caller, volunteer.department):
                raise UnknownVolunteer
        found = await volunteers.contact(str(volunteer_id), caller.subject, purpose)
        if found is None:
            raise UnknownVolunteer
        return ContactOut(
            volunteer_id=str(volunteer_id),
            # A message greets by the given name.
            name=found.name.split()[0] if to_service else found.name,
            email=found.email,
            phone=None if to_service else found.phone,
            language=found.language,
        )
