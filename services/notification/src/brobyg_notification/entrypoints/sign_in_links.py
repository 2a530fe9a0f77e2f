"""The links by which people sign in at the portal, taken to be mailed to them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from brobyg_notification.errors import TooManyLinks
from brobyg_notification.ports import PersonRole
from brobyg_notification.use_cases.sign_in_links import SignInLink, SignInLinks


class LinkIn(BaseModel):
    """Whose link it is, and its secret part; without it they are told that a passkey was added."""

    model_config = ConfigDict(extra="forbid")

    role: PersonRole
    person_id: UUID
    token: str | None = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    seconds: int = Field(ge=60, le=3600, description="How long it is good for from now.")


def router(links: SignInLinks) -> APIRouter:
    """The one route."""
    routes = APIRouter(tags=["sign-in"])

    @routes.post("/sign-in-links", status_code=202, summary="Mail a link to whom it signs in")
    async def take(
        body: LinkIn, caller: Annotated[Caller, Depends(requires_act("send-sign-in-link"))]
    ) -> None:
        """Answered before anybody is asked for the address; one without an address gets none."""
        del caller
        life = timedelta(seconds=body.seconds)
        try:
            links.take(SignInLink(body.role, str(body.person_id), body.token, life))
        except TooManyLinks as error:
            title = "Too many links are on their way"
            raise Problem(503, title, headers={"Retry-After": "10"}) from error

    return routes
