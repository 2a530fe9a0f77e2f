"""For tests: stands in for matching, referral and notification, where people sign in by links."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Heartbeat
from brobyg_kit.runtime import Server
from brobyg_kit.sign_in_api import NOT_SIGNED_IN
from brobyg_kit.testing import Running, eventually
from brobyg_kit.timers import Timers
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from brobyg_portal.adapters.sign_in_links import ASKED


@dataclass
class Owners:
    """What they know, what they were asked, and what they will say."""

    port: int = field(default_factory=free_port)
    #: Ids by kind of people and address.
    known: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    #: Who may not be signed in any more.
    gone: set[str] = field(default_factory=set)
    #: Who answers only 503: the first word of the path, or the last.
    away: set[str] = field(default_factory=set)
    #: Of whom they answer only 500.
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    #: Carried out before a mail is taken.
    before_mail: Callable[[str], Awaitable[None]] | None = None
    #: The links that were to be mailed.
    mails: list[dict[str, str]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """Where the portal reaches them."""
        url = f"http://127.0.0.1:{self.port}"
        return {f"{one}_url": url for one in ("matching", "referral", "notification")}

    def forget(self) -> None:
        """As they were."""
        said = (self.known, self.gone, self.away, self.broken, self.asked, self.tokens, self.mails)
        for one in said:
            one.clear()
        self.before_mail = None

    def app(self) -> FastAPI:
        """All three as one web application."""
        app = FastAPI()

        @app.post("/sign-in-links")
        async def mail(request: Request) -> Response:
            if "mail" in self.away:
                return JSONResponse({}, 503)
            mail = await request.json()
            if self.before_mail is not None and mail["token"]:
                await self.before_mail(mail["token"])
            self.mails.append(mail)
            return JSONResponse(None, 202)

        @app.post("/{people}/sign-in")
        async def find(people: str, request: Request) -> Response:
            self.asked.append(people)
            self.tokens.append(request.headers["authorization"])
            if people in self.away:
                return JSONResponse({}, 503)
            address = (await request.json())["email"].lower()
            return JSONResponse({"people": self.known.get((people, address), [])})

        @app.get("/{people}/{person_id}/sign-in")
        async def may(people: str, person_id: str) -> Response:
            if people in self.away or person_id in self.broken:
                return JSONResponse({}, 503)
            if person_id in self.gone:
                return JSONResponse({"type": NOT_SIGNED_IN}, 410)
            return Response(status_code=204)

        return app


async def follow(portal: Running) -> None:
    """What the portal's timers do with those who have asked for a link."""
    runtime = portal.runtime
    assert runtime.database is not None
    handlers = {ASKED: runtime.parts.timers[ASKED]}
    beat = Heartbeat("timers of a test")
    timers = Timers(runtime.database, runtime.clock, handlers, runtime.metrics, beat)
    while await timers.fire():
        pass


@asynccontextmanager
async def owning() -> AsyncIterator[Owners]:
    """They answer."""
    owners = Owners()
    config = uvicorn.Config(
        owners.app(), host="127.0.0.1", port=owners.port, log_config=None, access_log=False,
        lifespan="off", timeout_keep_alive=60,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve())

    async def up() -> bool:
        return server.started

    await eventually(up, "the owners answer")
    yield owners
    server.stop()
    await serving
