"""Who may open the portal's pages, as the table says; and the check itself can fail."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from access_matrix import undeclared
from brobyg_contracts.access import Endpoint, acts, pages_of_sessions
from brobyg_contracts.domain import ROLES
from brobyg_contracts.sign_in import NOT_BY_PROVIDERS
from brobyg_kit.auth import requires_act
from brobyg_kit.runtime import Runtime
from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.session import Kind, Lifetime, Person
from brobyg_portal.entrypoints.guard import administrator, signed_in, token_maker
from brobyg_portal.testing import Portal
from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

#: What a route depends on, by the table's word; what asks for an act names it as its `act`.
_ASKED_FOR = {signed_in: "signed_in", administrator: "administrator"}
SOMEBODY = "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11"


@dataclass(frozen=True)
class How:
    """How a page is asked."""

    #: The address, where the page's has something in it that is asked for.
    path: str = ""
    #: What is sent to it.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: What those are answered who may, where it is neither 2xx nor a redirect.
    status: int = 200


_LETTER, _ACCESSES = "/operations/{service}/{letter_id}", "/citizens/{person_id}/accesses"
#: No service runs here: a page that can't be without one is 503.
_HOW = {
    Endpoint("POST", "/sessions"): How(fields={"subject": SOMEBODY}),
    Endpoint("GET", "/my-data"): How(status=503),
    Endpoint("GET", _ACCESSES): How(f"/citizens/{SOMEBODY}/accesses", status=503),
    Endpoint("GET", _LETTER): How("/operations/matching/1", status=503),
    **{
        Endpoint(method, f"{_LETTER}/{act}"): How(
            f"/operations/matching/1/{act}", {"reason": "mistaken"}, 503
        )
        for method in ("GET", "POST")
        for act in ("replay", "discard")
    },
    # No passkey is sent, and there may be none.
    Endpoint("POST", "/passkeys"): How(status=404),
    Endpoint("GET", "/passkeys"): How(status=404),
}
#: Everybody who may come; None is nobody.
_WHO: Sequence[tuple[Kind, str] | None] = (
    None,
    *(("staff", role) for role in (*sorted(ROLES - NOT_BY_PROVIDERS), "chief")),
    ("helper", "volunteer"),
    ("citizen", "citizen"),
)


def sessions_asked_for(routes: Sequence[BaseRoute]) -> Iterator[tuple[Endpoint, str]]:
    """Each endpoint whose code asks for a session, and for whose."""
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            yield from sessions_asked_for(inner.routes)
        elif isinstance(route, APIRoute):
            calls = [*_calls(route.dependant)]
            asked = {_ASKED_FOR[call] for call in calls if call in _ASKED_FOR}
            asked |= {call.act for call in calls if hasattr(call, "act")}
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
    sessions, faults = Sessions(database, clock, Lifetime()), []
    for number, who in enumerate(_WHO):
        kind, role = who or ("staff", "")
        subject = f"{SOMEBODY[:-2]}{number:02x}"
        roles = frozenset() if role == "chief" else frozenset({role})
        if role == "chief":
            await Administrators(database, clock).add(subject)
        begun = await sessions.begin(Person(kind, subject, roles))
        browser = staffed.browser()
        if who is not None:
            browser.client.cookies.set("brobyg", begun)
        for at, asked_for in pages_of_sessions().items():
            how = _HOW.get(at, How())
            path = how.path or at.path
            form = token_maker((await sessions.seen(begun)).session)(path)
            fields = {"form": form, **how.fields} if at.method == "POST" else None
            answer = await browser.client.request(at.method, path, data=fields)
            out = answer.headers.get("location", "").startswith("/sign-in")
            if who is None:
                good = out
            elif not _may(kind, role, asked_for):
                good = answer.status_code == 403
            else:
                good = not out and answer.status_code in (200, 303, how.status)
            if not good:
                faults.append(f"{at} as {who}: {answer.status_code}")
    assert faults == []


def _may(kind: Kind, role: str, asked_for: str) -> bool:
    return {
        "signed_in": True,
        "administrator": role == "chief",
        "by_link": kind != "staff",
    }.get(asked_for) or (asked_for in acts() and role in acts()[asked_for].who)
