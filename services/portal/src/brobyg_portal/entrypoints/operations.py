"""The operator's pages: what is not well, what helps, and what could not be handled.

These routes need no token: whoever they are for has a session, and the services that are asked
decide what its role may. The portal itself shows them to nobody else.
"""

from dataclasses import asdict
from typing import Annotated, Literal, TypeAlias, get_args

from brobyg_kit.clock import Clock
from brobyg_kit.operations_api import READ, SETTLE
from brobyg_kit.parking import DISCARD_REASONS
from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from brobyg_portal.adapters.operations import Operations, Settled
from brobyg_portal.domain.listing import Column, listing
from brobyg_portal.domain.operations import Overview
from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import Guard, redirect
from brobyg_portal.entrypoints.may import May

_LETTERS = (
    Column("first_failed_at"), Column("service"), Column("type"), Column("state"),
    Column("attempts", numeric=True),
)  # fmt: skip
_SERVICES = (
    *(Column(name, sortable=False) for name in ("name", "state")),
    *(Column(name, sortable=False, numeric=True) for name in (
        "outbox", "lag", "parked", "dead_letters", "attention",
    )),
)  # fmt: skip
_MOST = 2**63 - 1
Name: TypeAlias = Literal["referral", "matching", "notification", "reporting"]
Id = Annotated[int, Path(ge=1, le=_MOST)]
Done = Literal["", "replayed", "discarded"]
Looks = Annotated[Session, Depends(May(READ))]
Settles = Annotated[Session, Depends(May(SETTLE))]
Language = Annotated[str | None, Query()]
Asked = Annotated[str, Query(max_length=40)]


class OperationsRoutes:
    """The pages, in front of `Operations`."""

    def __init__(self, guard: Guard, operations: Operations, clock: Clock) -> None:
        """`clock` tells real time."""
        self._guard, self._operations, self._clock = guard, operations, clock

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter(
            tags=["operations"],
            default_response_class=HTMLResponse,
            route_class=self._guard.route_class,
        )
        add, one = routes.add_api_route, "/operations/{service}/{letter_id}"
        add("/operations", self.look, methods=["GET"], summary="What is not well, and what helps")
        add(one, self.letter, methods=["GET"], summary="One that could not be handled")
        for act, ask, do in (
            ("replay", self.ask_replay, self.replay),
            ("discard", self.ask_discard, self.discard),
        ):
            add(f"{one}/{act}", ask, methods=["GET"], summary=f"Whether to {act} it; acts not")
            add(f"{one}/{act}", do, methods=["POST"], summary=f"Have it done: {act}")
        return routes

    async def look(
        self,
        request: Request,
        session: Looks,
        sort: Asked = "",
        page: Asked = "",
        done: Asked = "",
        language: Language = None,
    ) -> Response:
        """All services at once. It keeps itself fresh where there is JavaScript."""
        del language  # the renderer reads it
        found = await self._operations.overview(session)
        letters = listing(_LETTERS, [asdict(one) for one in found.letters], sort, page)
        return self._guard.page(
            request, "operations",
            overview=found, services=listing(_SERVICES, _rows(found), "", ""), letters=letters,
            now=self._clock.now(), done=done if done in get_args(Done) else "",
        )  # fmt: skip

    async def letter(
        self, request: Request, session: Looks, service: Name, letter_id: Id,
        language: Language = None,
    ) -> Response:  # fmt: skip
        """Where it is and why it could not be handled; not what it says."""
        del language
        return await self._page(request, session, service, letter_id, "dead_letter")

    async def ask_replay(
        self, request: Request, session: Settles, service: Name, letter_id: Id,
        language: Language = None,
    ) -> Response:  # fmt: skip
        """The page with the button that does it."""
        del language
        return await self._page(request, session, service, letter_id, "replay")

    async def replay(
        self, request: Request, session: Settles, service: Name, letter_id: Id
    ) -> Response:
        """Have it tried again, and go back to the overview, which shows it."""
        settled = await self._operations.replay(session, service, letter_id)
        return await self._settled(request, session, service, letter_id, settled, "replayed")

    async def ask_discard(
        self, request: Request, session: Settles, service: Name, letter_id: Id,
        language: Language = None,
    ) -> Response:  # fmt: skip
        """The page on which a reason is chosen."""
        del language
        return await self._page(request, session, service, letter_id, "discard")

    async def discard(
        self, request: Request, session: Settles, service: Name, letter_id: Id,
        reason: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:  # fmt: skip
        """Give up on it, for the reason that was chosen."""
        if reason not in DISCARD_REASONS:
            errors = {"reason": "missing"}
            return await self._page(
                request, session, service, letter_id, "discard", 422, errors=errors
            )
        settled = await self._operations.discard(session, service, letter_id, reason)
        return await self._settled(request, session, service, letter_id, settled, "discarded")

    async def _settled(
        self, request: Request, session: Session, service: Name, letter_id: int,
        settled: Settled, done: Done,
    ) -> Response:  # fmt: skip
        # The service reads its own database: the next look has it, without a position to wait for.
        if settled == "done":
            return redirect(f"/operations?done={done}")
        return await self._page(
            request, session, service, letter_id, "dead_letter", 409, refused=True
        )

    async def _page(
        self, request: Request, session: Session, service: Name, letter_id: int,
        page: Literal["dead_letter", "replay", "discard"], status: int = 200, *,
        refused: bool = False, errors: dict[str, str] | None = None,
    ) -> Response:  # fmt: skip
        found = await self._operations.letter(session, service, letter_id)
        if found is None:
            return self._guard.page(request, "letter_gone", 404)
        name = page if found.state == "dead" or page == "dead_letter" else "dead_letter"
        chosen = request.state.typed.get("reason", "")
        return self._guard.page(
            request, name, status,
            letter=found, refused=refused, errors=errors or {}, chosen=chosen,
            reasons=list(DISCARD_REASONS),
        )  # fmt: skip


def _rows(overview: Overview) -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "state": one.state,
            "outbox": one.report and one.report.outbox,
            "lag": one.report and one.lag,
            "parked": one.report and one.report.parked,
            "dead_letters": one.report and one.report.dead_letters,
            "attention": one.report and sum(one.report.attention.values()),
            "rejections": one.report and one.report.rejections,
        }
        for one in overview.services
    ]
