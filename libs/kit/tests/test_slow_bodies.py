"""A client that sends its body too slowly is cut off: a stalled one, and one that trickles."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated

import pytest
from brobyg_kit import middleware
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import Running, bearer
from fastapi import APIRouter, Depends, Request

PAUSE, WHOLE = 0.4, 1.2
Serve = Callable[..., AbstractAsyncContextManager[Running]]


class ThingSettings(KitSettings):
    thing_port: int = 0


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_SECONDS", PAUSE)
    monkeypatch.setattr(middleware, "BODY_SECONDS", WHOLE)


@asynccontextmanager
async def thing(serve: Serve) -> AsyncIterator[Running]:
    router = APIRouter()

    @router.post("/things")
    async def create(
        request: Request, _: Annotated[Caller, Depends(requires_act("work-on-attention"))]
    ) -> int:
        return len(await request.body())

    service = Service("thing", "thing", ThingSettings, lambda _: Parts(routers=[router]))
    async with serve(service) as running:
        yield running


async def answer_to(running: Running, path: str, *pieces: bytes, every: float) -> bytes:
    """What is answered until the server hangs up, to a body of 100 bytes sent piece by piece."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = bearer("coordinator")["Authorization"]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 100\r\n\r\n"
    )
    writer.write(head.encode())

    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(every)

    sending = asyncio.create_task(send())
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        sending.cancel()
        writer.close()


async def test_a_body_that_stalls_is_answered_408_and_the_connection_closed(serve: Serve) -> None:
    async with thing(serve) as running:
        began = time.monotonic()
        answer = await answer_to(running, "/things", b"answer=", every=0)
        lasted = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    assert PAUSE <= lasted < WHOLE


async def test_a_body_that_trickles_is_cut_off_after_the_whole_time(serve: Serve) -> None:
    async with thing(serve) as running:
        began = time.monotonic()
        answer = await answer_to(running, "/things", *[b"x"] * 50, every=PAUSE / 4)
        lasted = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 408")
    assert WHOLE <= lasted < WHOLE + 2


async def test_who_is_answered_before_the_body_has_come_is_hung_up_on(serve: Serve) -> None:
    async with thing(serve) as running:
        answer = await answer_to(running, "/nothing", *[b"x"] * 50, every=PAUSE / 4)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"connection: close" in answer.lower()


async def test_a_body_that_comes_in_time_is_read_and_its_connection_kept(serve: Serve) -> None:
    async with thing(serve) as running:
        for _ in range(2):
            answer = await running.client.post(
                "/things", content=b"x" * 100, headers=bearer("coordinator")
            )
            assert (answer.status_code, answer.json()) == (200, 100)
            assert "connection" not in answer.headers
