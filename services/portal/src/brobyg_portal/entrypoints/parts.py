"""/parts: every part that pages are made of, with made-up content. For development and tests."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from brobyg_kit.clock import Clock
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from brobyg_portal.domain.listing import Column, Row, listing
from brobyg_portal.entrypoints.guard import Guard

_FIRST = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
_PLACES = (
    "Regionshospitalet Nordby", "Lægehuset i Allingåbro", "Sundhedscenter Grenaa",
    "Tandklinikken, Østervold", "Aarhus Universitetshospital",
)  # fmt: skip
_STATES = ("open", "filled", "late", "filled", "none")
_ROWS: tuple[Row, ...] = tuple(
    {
        "number": number,
        "place": _PLACES[number * 2 % 5],
        "starts_at": _FIRST + timedelta(days=number % 7, minutes=45 * number),
        "metres": 700 + 4630 * number % 31000,
        "state": _STATES[number * 3 % 5],
    }
    for number in range(43)
)
_COLUMNS = (
    Column("starts_at"), Column("place"), Column("metres", numeric=True),
    Column("state", sortable=False),
)  # fmt: skip
#: The fields of the form that must be filled in.
_NEEDED = ("place", "day", "way")
Typed = Annotated[str, Form(max_length=500)]


def router(guard: Guard, clock: Clock) -> APIRouter:
    """The public routes: nothing on them is of anybody, and nothing is done."""
    routes = APIRouter(
        tags=["pages"], default_response_class=HTMLResponse, route_class=guard.route_class
    )

    def page(
        request: Request, status: int, typed: dict[str, str], errors: dict[str, str]
    ) -> Response:
        asked = request.query_params
        wanted = [
            row
            for row in _ROWS
            if asked.get("q", "").casefold() in str(row["place"]).casefold()
            and asked.get("state", "") in ("", row["state"])
        ]
        return guard.show(
            request, "parts.html", status,
            listing=listing(_COLUMNS, wanted, asked.get("sort", ""), asked.get("page", "")),
            columns=[("A", _ROWS[:2]), ("B", _ROWS[2:3]), ("C", ())],
            errors=errors, typed=typed, now=clock.now(), done=asked.get("done", ""),
        )  # fmt: skip

    @routes.get("/parts", summary="Every part of pages")
    async def show(request: Request) -> Response:
        """The table's order and page and the filter are in the address."""
        names = (*_NEEDED, "note")
        return page(request, 200, {one: request.state.typed.get(one, "") for one in names}, {})

    @routes.post("/parts", summary="The form: 422 with its errors, else 303")
    async def save(
        request: Request,
        place: Typed = "",
        day: Typed = "",
        way: Typed = "",
        note: Typed = "",
    ) -> Response:
        typed = {"place": place, "day": day, "way": way, "note": note}
        if errors := {name: "missing" for name in _NEEDED if not typed[name].strip()}:
            return page(request, 422, typed, errors)
        return _then("saved")

    @routes.get("/parts/discard", summary="What the dialog is without JavaScript")
    async def ask(request: Request) -> Response:
        return guard.show(request, "discard.html")

    @routes.post("/parts/discard")
    async def discard() -> Response:
        return _then("discarded")

    @routes.post("/parts/move")
    async def move() -> Response:
        return _then("moved")

    @routes.post("/parts/undo", summary="The way back, from the toast")
    async def undo() -> Response:
        return _then("undone")

    return routes


def _then(done: str) -> Response:
    """To the page again, which says what was done: so back and reload do nothing twice."""
    return RedirectResponse(f"/parts?done={done}", 303)
