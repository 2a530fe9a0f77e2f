"""Who may open the portal's pages, as the table says; and the check itself can fail."""

from collections.abc import Iterator, Sequence

import pytest
from access_matrix import undeclared
from brobyg_contracts.access import Endpoint, SignedIn, pages_of_sessions
from brobyg_kit.auth import requires_act
from brobyg_kit.runtime import Runtime
from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.session import Lifetime, Person
from brobyg_portal.entrypoints.guard import administrator, signed_in, token_maker
from brobyg_portal.testing import Portal
from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

_ASKED_FOR = {signed_in: "signed_in", administrator: "administrator"}
SOMEBODY = "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11"
#: What is sent to a page, by its address.
_SENT = {"/sessions": {"subject": SOMEBODY}}


def sessions_asked_for(routes: Sequence[BaseRoute]) -> Iterator[tuple[Endpoint, str]]:
    """Each endpoint whose code asks for a session, and for whose."""
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            yield from sessions_asked_for(inner.routes)
        elif isinstance(route, APIRoute):
            asked = {_ASKED_FOR[call] for call in _calls(route.dependant) if call in _ASKED_FOR}
            yield from (
                (Endpoint(method, route.path), who) for method in route.methods for who in asked
            )


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def test_every_page_is_in_the_table_of_access_and_others_are_told() -> None:
    app = Runtime(SERVICE, SERVICE.settings()).app()
    assert undeclared(app, "portal") == []
    assert dict(sessions_asked_for(app.routes)) == pages_of_sessions()
    app.get("/answer/{token}/again")(lambda: None)
    app.get("/metrics", dependencies=[Depends(requires_act("read-reports"))])(lambda: None)
    new, changed = sorted(undeclared(app, "portal"))
    assert "is in no row" in new
    assert "the code {'read-reports'}" in changed
    missing = undeclared(app, "notification")
    expected = "path='/notifications') is in the table, and notification has none"
    assert any(one.endswith(expected) for one in missing)
    other = FastAPI()
    other.get("/x", dependencies=[Depends(administrator)])(lambda: None)
    assert dict(sessions_asked_for(other.routes)) == {Endpoint("GET", "/x"): "administrator"}


@pytest.mark.asyncio(loop_scope="module")
async def test_every_page_is_opened_by_whom_the_table_names_and_by_nobody_else(
    staffed: Portal,
) -> None:
    database, clock = staffed.database, staffed.running.runtime.clock
    sessions, chief = Sessions(database, clock, Lifetime()), SOMEBODY.replace("2a11", "2a12")
    await Administrators(database, clock).add(chief)
    faults = []
    for who in ("nobody", "staff", "chief"):
        subject = chief if who == "chief" else SOMEBODY.replace("2a11", "2a13")
        begun = await sessions.begin(Person("staff", subject, frozenset({"coordinator"})))
        browser = staffed.browser()
        if who != "nobody":
            browser.client.cookies.set("brobyg", begun)
        for at, asked_for in pages_of_sessions().items():
            form = token_maker((await sessions.seen(begun)).session)(at.path)
            fields = {"form": form, **_SENT.get(at.path, {})} if at.method == "POST" else None
            answer = await browser.client.request(at.method, at.path, data=fields)
            if (answer.status_code, answer.headers.get("location", "")) != _expected(
                who, asked_for, at, answer.headers.get("location", "")
            ):
                faults.append(f"{at} as {who}: {answer.status_code}")
    assert faults == []


def _expected(who: str, asked_for: SignedIn, at: Endpoint, place: str) -> tuple[int, str]:
    if who == "nobody":
        return 303, f"/sign-in?next={at.path.replace('/', '%2F')}"
    if asked_for == "administrator" and who != "chief":
        return 403, ""
    return (303, place) if at.method == "POST" and not place.startswith("/sign-in") else (200, "")
