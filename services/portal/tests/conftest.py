"""The portal over real HTTP, with a matching that answers as each test sets it up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
import uvicorn
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running, eventually
from brobyg_portal.bootstrap import SERVICE
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

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

    url: str
    offer: dict[str, object] = field(default_factory=lambda: dict(OFFER))
    status: int = 200
    reply: tuple[int, dict[str, object]] = (200, {"state": "accepted"})
    looked: int = 0
    given: list[object] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@pytest.fixture
async def matching() -> AsyncIterator[Matching]:
    """Up, with an open offer under TOKEN."""
    port = free_port()
    app, known = FastAPI(), Matching(f"http://127.0.0.1:{port}")

    @app.get("/answers/{token}")
    async def look(token: str, request: Request) -> Response:
        known.looked += 1
        known.tokens.append(request.headers.get("authorization", ""))
        if len(token) > 300:  # as matching
            return JSONResponse({}, 422)
        if token != TOKEN:
            return JSONResponse({"type": "https://brobyg.dk/problems/unknown-link"}, 404)
        return JSONResponse(known.offer, known.status)

    @app.post("/answers/{token}")
    async def give(token: str, request: Request) -> Response:
        known.given.append(await request.json())
        status, body = known.reply
        if status == 200:  # as matching tells it from then on
            reason = "helper_withdrew" if body.get("state") == "withdrawn" else None
            known.offer |= {"state": body.get("state"), "reason": reason}
        return JSONResponse(body, status)

    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off"
        )
    )
    serving = asyncio.create_task(server._serve())

    async def up() -> bool:
        return server.started

    await eventually(up, "matching answers")
    yield known
    server.should_exit = True
    await serving


@pytest.fixture
async def portal(
    serve: Callable[..., AbstractAsyncContextManager[Running]], matching: Matching
) -> AsyncIterator[Running]:
    """The portal, in front of that matching."""
    async with serve(SERVICE, matching_url=matching.url) as running:
        yield running
