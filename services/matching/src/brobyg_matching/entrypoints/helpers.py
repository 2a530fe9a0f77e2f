"""Helpers over HTTP: registered, activated, paused, read; the contact apart and recorded."""

from typing import Annotated, Literal
from uuid import UUID

from brobyg_contracts.purposes import purposes
from brobyg_kit.access_log_api import Purpose
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.clock import Clock
from brobyg_kit.ids import new_id
from brobyg_kit.problems import RESTRICTED, Problem
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel

from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.domain.helper import Helper
from brobyg_matching.entrypoints.bodies import (
    Block,
    HelperOut,
    NewHelper,
    Papers,
    helper_out,
)
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.scope import Scope
from brobyg_matching.errors import HelperErased, PurposeOfOthers, UnknownHelper
from brobyg_matching.use_cases.answers import Answers
from brobyg_matching.use_cases.registration import Registration, RegistrationRequest

Manages = Annotated[Caller, Depends(requires_act("manage-helpers"))]
Reads = Annotated[Caller, Depends(requires_act("read-helper"))]
IdentityReader = Annotated[Caller, Depends(requires_act("open-helper-identity", "reach-helper"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="Repeats with the same key have no second effect; without a key, repeats with"
        " the same body.",
    ),
]


class Registered(BaseModel):
    """A helper's new status."""

    helper_id: str
    status: str


class ContactOut(BaseModel):
    """How a helper is reached."""

    helper_id: str
    name: str
    email: str
    phone: str | None
    language: str


def helpers_router(
    clock: Clock,
    helpers: PostgresHelpers,
    registration: Registration,
    answers: Answers,
    scope: Scope,
) -> APIRouter:
    """The routes of helpers, volunteers and employed ones alike."""
    router = APIRouter(prefix="/volunteers", tags=["helpers"], route_class=ProblemRoute)
    _registration(router, clock, registration, scope)
    _restrictions(router, registration, answers, scope)
    _reads(router, helpers, scope)
    return router


def _registration(
    router: APIRouter, clock: Clock, registration: Registration, scope: Scope
) -> None:
    """How a helper becomes one that can be asked; for coordinators."""

    @router.post(
        "",
        status_code=201,
        summary="Register somebody who wants to help",
        responses={200: {"description": "A repeat: who was registered", "model": Registered}},
    )
    async def register(
        body: NewHelper,
        caller: Manages,
        response: Response,
        idempotency_key: IdempotencyKey = None,
        confirm: Annotated[
            Literal["another"] | None,
            Query(description="Says that it is another person with the same address or number."),
        ] = None,
    ) -> Registered:
        """The same body again is a repeat, also with `confirm`.

        Somebody else of whom all is the same is sent with an Idempotency-Key of their own.
        """
        new = body.helper(new_id(clock))
        covers = scope.reaches(caller, "manage-helpers")
        if not all(map(covers, new.departments)):
            raise Problem(
                403, "This is another department's", "register helpers of your own department"
            )
        request = RegistrationRequest(
            caller.subject, idempotency_key, body.model_dump_json(), confirm is not None
        )
        helper = await registration.register(new, body.contact(), request, covers)
        response.status_code = 201 if helper.helper_id == new.helper_id else 200
        return Registered(helper_id=helper.helper_id, status=helper.status)

    @router.post("/{helper_id}/activate", summary="From now on the helper can be asked")
    async def activate(helper_id: UUID, body: Papers, caller: Manages) -> Registered:
        """One of the helper's pools must have all its papers; else 422 names one that is missing.

        Papers given before still count. A paused helper comes back.
        """
        covers = scope.reaches(caller, "manage-helpers")
        active = await registration.activate(str(helper_id), body.by_kind(), covers)
        return Registered(helper_id=active.helper_id, status=active.status)


def _restrictions(
    router: APIRouter, registration: Registration, answers: Answers, scope: Scope
) -> None:
    """What stops the asking; for coordinators."""

    @router.post("/{helper_id}/pause", summary="Ask the helper for nothing new until activated")
    async def pause(helper_id: UUID, caller: Manages) -> Registered:
        """Open offers to the helper are withdrawn; what they have agreed to stays."""
        paused = await registration.pause(str(helper_id), scope.reaches(caller, "manage-helpers"))
        return Registered(helper_id=paused.helper_id, status=paused.status)

    @router.post(
        "/{helper_id}/blocks",
        status_code=204,
        summary="Never bring this helper and this citizen together",
    )
    async def block(helper_id: UUID, body: Block, caller: Manages) -> None:
        """Open offers are withdrawn; a match that has not begun is ended and searched anew."""
        asked_by = "citizen" if body.asked_by == "citizen" else "helper"
        covers = scope.reaches(caller, "manage-helpers")
        await answers.block(str(helper_id), body.citizen_id, asked_by, covers)


def _reads(router: APIRouter, helpers: PostgresHelpers, scope: Scope) -> None:
    """Who a helper is, and apart from that how they are reached."""

    @router.get("/{helper_id}", summary="A helper without contact")
    async def read(helper_id: UUID, caller: Reads) -> HelperOut:
        """For coordinators of one of the helper's departments, and for the helper."""
        helper = await helpers.get(str(helper_id))
        if helper is None:
            raise UnknownHelper
        if scope.role(caller, "read-helper", helper.departments, helper.helper_id) is None:
            raise UnknownHelper
        if helper.status == "erased":
            raise HelperErased
        return helper_out(helper)

    @router.get(
        "/{helper_id}/contact", summary="How the helper is reached; the reading is recorded"
    )
    async def contact(helper_id: UUID, purpose: Purpose, caller: IdentityReader) -> ContactOut:
        """A service gets the given name and no phone number."""
        opens, reaches = (
            scope.reaches(caller, act) for act in ("open-helper-identity", "reach-helper")
        )
        whole = False

        def check(helper: Helper | None) -> None:
            nonlocal whole
            whole = helper is not None and any(map(opens, helper.departments))
            if helper is None or not (whole or any(map(reaches, helper.departments))):
                raise UnknownHelper
            if purpose not in (own := purposes().said_by("person" if whole else "service")):
                raise PurposeOfOthers(f"say one of: {', '.join(own)}")
            if helper.status == "erased":
                raise HelperErased
            if not whole and helper.status == "restricted":
                raise Problem(403, "Processing of the helper is restricted", type=RESTRICTED)

        found = await helpers.contact(str(helper_id), caller, purpose, check)
        if found is None:
            raise UnknownHelper
        return ContactOut(
            helper_id=str(helper_id),
            # A message greets by the given name.
            name=found.name if whole else found.name.split()[0],
            email=found.email,
            phone=found.phone if whole else None,
            language=found.language,
        )
