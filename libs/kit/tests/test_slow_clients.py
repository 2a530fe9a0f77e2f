"""A client that is too slow is cut off: with its head, its body, or in taking off the answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Annotated

import httpx2
import pytest
from brobyg_kit import connections, middleware
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import Running, bearer
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

#: Limits that a test comes to, and one that no test does; seconds. A client that is slow but
#: steady sends every `EVERY`: a machine that stops for a moment breaks none of its pauses.
SHORT, LONG, EVERY = 1.0, 60.0, 0.1
#: Within this the server has hung up, on a busy machine too.
_SOON = 5.0
_WHOLE_HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
_LARGE = 32 * 1024 * 1024
Serve = Callable[..., AbstractAsyncContextManager[Running]]


class ThingSettings(KitSettings):
    thing_port: int = 0


@asynccontextmanager
async def thing(serve: Serve) -> AsyncIterator[Running]:
    router = APIRouter()

    @router.post("/things")
    async def create(
        request: Request, _: Annotated[Caller, Depends(requires_act("work-on-attention"))]
    ) -> int:
        return len(await request.body())

    public = APIRouter()
    public.get("/large")(lambda: Response(bytes(_LARGE)))
    parts = Parts(routers=[router], public_routers=[public])
    service = Service("thing", "thing", ThingSettings, lambda _: parts)
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


async def test_a_body_that_stalls_is_answered_408_and_the_connection_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_SECONDS", SHORT)
    monkeypatch.setattr(middleware, "BODY_SECONDS", LONG)
    async with thing(serve) as running:
        began = time.monotonic()
        answer = await answer_to(running, "/things", b"answer=", every=0)
        lasted = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    assert SHORT <= lasted < _SOON


async def test_a_body_that_trickles_is_cut_off_after_the_whole_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_SECONDS", LONG)
    monkeypatch.setattr(middleware, "BODY_SECONDS", SHORT)
    async with thing(serve) as running:
        began = time.monotonic()
        answer = await answer_to(running, "/things", *[b"x"] * 99, every=EVERY)
        lasted = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 408")
    assert SHORT <= lasted < _SOON


async def test_who_is_answered_before_the_body_has_come_is_hung_up_on(serve: Serve) -> None:
    async with thing(serve) as running:
        answer = await answer_to(running, "/nothing", *[b"x"] * 99, every=EVERY)
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


async def connected(
    running: Running, *sent: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which this was sent."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.writelines(sent)
    return reader, writer


async def hung_up(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 8) == b""


@pytest.mark.parametrize(
    ("first", "then"),
    [(b"", b""), (b"GET /livez HTTP/1.1\r\n", b"X: y\r\n"), (_WHOLE_HEAD, b"\r\n")],
    ids=["nothing", "a head", "after a request"],
)
async def test_a_head_that_does_not_come_whole_in_time_is_hung_up_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, first: bytes, then: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    async with thing(serve) as running:
        began = time.monotonic()
        reader, writer = await connected(running, first)
        if first == _WHOLE_HEAD:
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")

        async def trickle() -> None:
            while then:
                writer.write(then)
                await asyncio.sleep(EVERY)

        trickling = asyncio.create_task(trickle())
        await hung_up(reader)
        lasted = time.monotonic() - began
        trickling.cancel()
        writer.close()
    assert SHORT <= lasted < _SOON


async def test_connections_without_a_request_keep_nobody_else_out(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WAITING", 8)
    monkeypatch.setattr(connections, "IN_HAND", 4)
    async with thing(serve) as running:
        held = [await connected(running, b"GET /livez HTTP/1.1\r\n") for _ in range(20)]
        async with httpx2.AsyncClient(base_url=running.url) as honest:
            assert (await honest.get("/livez")).status_code == 200
        for reader, _ in held[:12]:
            await hung_up(reader)
        for _, writer in held:
            writer.close()


async def test_who_does_not_take_off_an_answer_is_hung_up_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, cut_off = asyncio.Event(), connections.Connection.cut_off

    def seen(connection: connections.Connection) -> None:
        cut.set()
        cut_off(connection)

    monkeypatch.setattr(connections.Connection, "cut_off", seen)
    monkeypatch.setattr(connections, "TAKEN_SECONDS", SHORT)
    async with thing(serve) as running:
        reader, writer = await connected(running, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(cut.wait(), 8)
        assert 0 < len(await asyncio.wait_for(reader.read(), 8)) < _LARGE
        writer.close()


async def test_who_takes_off_an_answer_slowly_but_steadily_gets_all_of_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TAKEN_SECONDS", SHORT)
    whole = 2 * SHORT
    async with thing(serve) as running:
        reader, writer = await connected(running, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        head, began, taken = await reader.readuntil(b"\r\n\r\n"), time.monotonic(), 0
        while taken < _LARGE and (part := await asyncio.wait_for(reader.read(2**20), 8)):
            taken += len(part)
            await asyncio.sleep(max(0.0, began + whole * taken / _LARGE - time.monotonic()))
        writer.close()
    assert (head[:15], taken) == (b"HTTP/1.1 200 OK", _LARGE)
    assert time.monotonic() - began >= whole, "else this shows nothing"
