"""The portal over real HTTP, with a matching that answers as each test sets it up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import uvicorn
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running, eventually, served
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.testing import Portal, portal_with, provided
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from conftest import Addresses

TOKEN = "signed.token-of_an.offer"
OFFER = {
    "state": "open", "reason": None, "pathway": "escort", "role": "companion",
    "withdrawable": False, "leave_at": "2026-12-01T08:15:00Z",
    "starts_at": "2026-12-01T09:15:00Z", "ends_at": "2026-12-01T10:00:00Z",
    "location_name": "Regionshospitalet Randers", "meeting": "home", "language": "da",
    "meet_at": "2026-12-01T08:35:00Z", "home_at": "2026-12-01T10:50:00Z",
    "distance_metres": 4210, "expires_at": "2026-11-30T16:00:00Z",
}  # fmt: skip


@dataclass
class Matching:
    """What matching is asked, and what it will say."""

    offer: dict[str, object] = field(default_factory=lambda: dict(OFFER))
    status: int = 200
    reply: tuple[int, dict[str, object]] = (200, {"state": "accepted"})
    looked: int = 0
    given: list[object] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


class _Asked:
    """The matching that a test has set up."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.known = Matching()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/answers/{token}")
        async def look(token: str, request: Request) -> Response:
            self.known.looked += 1
            self.known.tokens.append(request.headers.get("authorization", ""))
            if len(token) > 300:  # as matching
                return JSONResponse({}, 422)
            if token != TOKEN:
                return JSONResponse({"type": "https://brobyg.dk/problems/unknown-link"}, 404)
            return JSONResponse(self.known.offer, self.known.status)

        @app.post("/answers/{token}")
        async def give(token: str, request: Request) -> Response:
            self.known.given.append(await request.json())
            status, body = self.known.reply
            if status == 200:  # as matching tells it from then on
                reason = "helper_withdrew" if body.get("state") == "withdrawn" else None
                self.known.offer |= {"state": body.get("state"), "reason": reason}
            return JSONResponse(body, status)

        return app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked() -> AsyncIterator[_Asked]:
    """Up, for all tests of a module."""
    found = _Asked()
    server = uvicorn.Server(
        uvicorn.Config(
            found.app(), host="127.0.0.1", port=int(found.url.rpartition(":")[2]),
            log_config=None, access_log=False, lifespan="off",
        )
    )  # fmt: skip
    serving = asyncio.create_task(server._serve())

    async def up() -> bool:
        return server.started

    await eventually(up, "matching answers")
    yield found
    server.should_exit = True
    await serving


@pytest.fixture
def matching(asked: _Asked) -> Matching:
    """Up, with an open offer under TOKEN."""
    asked.known = Matching()
    return asked.known


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def portal(addresses: Addresses, asked: _Asked) -> AsyncIterator[Running]:
    """The portal, in front of that matching, for all tests of a module."""
    serving = served(SERVICE, addresses.database, addresses.kafka, matching_url=asked.url)
    async with serving as running:
        running.client.follow_redirects = True
        yield running


@pytest.fixture(autouse=True)
def _a_browser_without_cookies(request: pytest.FixtureRequest) -> None:
    if "portal" in request.fixturenames:
        request.getfixturevalue("portal").client.cookies.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staffed(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    """The portal with a provider of its own, for all tests of a module; its time stands still."""
    folder, clock = tmp_path_factory.mktemp("portal"), ManualClock(WallClock().now())
    async with (
        provided() as provider,
        portal_with(
            SERVICE, addresses.database, addresses.kafka, provider, folder, clock,
            portal_parts=True,
        ) as portal,
    ):  # fmt: skip
        yield portal


@pytest.fixture
def time(staffed: Portal) -> ManualClock:
    """The portal's time."""
    clock = staffed.running.runtime.clock
    assert isinstance(clock, ManualClock)
    return clock
