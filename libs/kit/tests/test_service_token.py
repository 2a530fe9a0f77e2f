"""A service's own token: given, or had from a provider and renewed before it ends."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import uvicorn
from brobyg_kit.clock import ManualClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.runtime import Server
from brobyg_kit.service_token import ServiceToken
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import bearer, eventually
from fastapi import FastAPI, Request, Response

SIGNED_IN = base64.b64encode(b"brobyg-notification:a+secret%3A+of+tests").decode()
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
LIFE = timedelta(minutes=5)


@dataclass
class Provider:
    """A token endpoint and a service that tells what it was shown."""

    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def app(self) -> FastAPI:
        made = FastAPI()

        @made.post("/token")
        async def token(request: Request) -> Response:
            told = (await request.body()).decode()
            self.asked.append(f"{request.headers['authorization']} {told}")
            number, seconds = len(self.asked), int(LIFE.total_seconds())
            body = f'{{"access_token": "token-{number}", "expires_in": {seconds}, "x": 1}}'
            return Response(self.body or body, self.status, media_type="application/json")

        @made.get("/whose")
        async def whose(request: Request) -> str:
            return request.headers.get("authorization", "none")

        return made

    def settings(self, **more: object) -> KitSettings:
        told = {
            "service_token_address": f"{self.address}/token",
            "service_client": "brobyg-notification",
            "service_client_secret": "a secret: of tests",
        }
        return KitSettings.model_validate(told | more)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    one, port = Provider(), free_port()
    one.address = f"http://127.0.0.1:{port}"
    web = Server(uvicorn.Config(one.app(), port=port, log_config=None, access_log=False))
    serving = asyncio.create_task(web.serve())

    async def is_up() -> bool:
        return web.started

    await eventually(is_up, "the provider answers")
    yield one
    web.stop()
    await serving


@asynccontextmanager
async def asking(provider: Provider, token: ServiceToken) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=provider.address, auth=token, trust_env=False) as http:
        yield http


async def shown(http: httpx2.AsyncClient) -> str:
    return str((await http.get("/whose")).json())


async def test_it_is_had_once_and_renewed_before_it_ends(provider: Provider) -> None:
    clock = ManualClock(NOW)
    async with asking(provider, ServiceToken(provider.settings(), clock)) as http:
        told = await asyncio.gather(*(shown(http) for _ in range(20)))
        assert set(told) == {"Bearer token-1"}
        assert provider.asked == [f"Basic {SIGNED_IN} grant_type=client_credentials"]
        clock.advance(LIFE * 0.6)
        assert await shown(http) == "Bearer token-1"
        clock.advance(LIFE * 0.1)
        assert await shown(http) == "Bearer token-2"


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, None), (302, None), (401, b"{}"), (200, b"<html>"), (200, b"x" * 30_000), (200, b"{}")],
)
async def test_a_provider_in_trouble_is_no_trouble_while_the_token_is_valid(
    provider: Provider, status: int, body: bytes | None
) -> None:
    clock = ManualClock(NOW)
    async with asking(provider, ServiceToken(provider.settings(), clock)) as http:
        assert await shown(http) == "Bearer token-1"
        provider.status, provider.body = status, body
        clock.advance(LIFE * 0.9)
        for _ in range(5):
            assert await shown(http) == "Bearer token-1"
        assert len(provider.asked) == 2
        clock.advance(LIFE * 0.2)
        with pytest.raises(httpx2.TransportError, match="gives no token"):
            await shown(http)
        provider.status, provider.body = 200, None
        assert await shown(http) == "Bearer token-4"


async def test_one_that_is_given_is_shown_as_it_is_and_none_where_there_is_none(
    provider: Provider,
) -> None:
    given = KitSettings.model_validate({"service_token": "given"})
    for settings, expected in ((given, "Bearer given"), (KitSettings(), "none")):
        async with asking(provider, ServiceToken(settings, ManualClock(NOW))) as http:
            assert await shown(http) == expected
    assert provider.asked == []


@pytest.mark.parametrize("address", ["http://login.example.org/token", "ftp://a/token", "a"])
def test_a_secret_is_not_sent_in_the_open(address: str) -> None:
    with pytest.raises(ValueError, match="service_token_address"):
        KitSettings.model_validate({"service_token_address": address})


def test_what_is_to_be_renewed_is_told_with_its_end() -> None:
    def ends(**settings: object) -> dict[str, datetime]:
        made = ServiceToken(KitSettings.model_validate(settings), ManualClock(NOW))
        return dict(made.ends())

    token = bearer("service")["Authorization"].split()[1]
    assert ends() == {}
    assert ends(service_token=token).keys() == {"the token BROBYG_SERVICE_TOKEN"}
    provided = {"service_token_address": "https://a/token", "service_token": token}
    assert ends(**provided) == {}
    assert ends(**provided, service_client_secret_ends="2027-01-31") == {
        "the secret BROBYG_SERVICE_CLIENT_SECRET": datetime(2027, 1, 31, tzinfo=UTC)
    }
