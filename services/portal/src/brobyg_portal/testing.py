"""For tests: an identity provider in the test's own process, and browsers that sign in by it."""

import asyncio
import hashlib
import hmac
import html
import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import uvicorn
from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.database import Database
from brobyg_kit.free_ports import free_port
from brobyg_kit.runtime import Server
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, eventually, served
from brobyg_kit.tokens import generate_keys
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import ECKey

#: The portal's name and secret at the provider.
CLIENT, SECRET = "brobyg-portal", "a secret of these tests only"
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class _Code:
    claims: dict[str, Any]
    challenge: str
    redirect_uri: str


@dataclass
class TestProvider:
    """An OpenID Connect provider that does as a test says."""

    __test__ = False  # it is none of pytest's

    issuer: str
    #: Whoever signs in next, by their claims.
    who: dict[str, Any] = field(default_factory=dict)
    #: Answers nothing but 503.
    down: bool = False
    #: Seconds before each answer.
    slow: float = 0.0
    #: Laid over what it says of itself.
    places: dict[str, str] = field(default_factory=dict)
    #: Bytes by which its next tokens' answers are too long.
    padding: int = 0
    #: Laid over the claims of the next tokens.
    wrong: dict[str, Any] = field(default_factory=dict)
    #: How often it was asked, by path.
    asked: dict[str, int] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    codes: dict[str, _Code] = field(default_factory=dict)

    def change_keys(self) -> None:
        """Sign by another key from now on; the former is published no more."""
        self.key = ECKey.generate_key("P-256", auto_kid=True)

    def signed(
        self, claims: Mapping[str, Any], kind: str = "JWT", algorithm: str = "ES256", **more: Any
    ) -> str:
        """A token with these claims: by its key; forged with `none`, or HS256 by its public key.

        `more` is laid over its header.
        """
        header = {"alg": algorithm, "kid": self.key.kid, "typ": kind, **more}
        if algorithm == "ES256":
            return jwt.encode(header, dict(claims), self.key)
        said = ".".join(_base64(json.dumps(one).encode()) for one in (header, dict(claims)))
        public = self.key.as_pem(private=False)
        signature = b"" if algorithm == "none" else hmac.digest(public, said.encode(), "sha256")
        return f"{said}.{_base64(signature)}"

    def logout_token(self, subject: str | None, **more: Any) -> str:
        """What tells that somebody is signed out."""
        now = int(WallClock().now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "jti": secrets.token_hex(8),
            "exp": now + 120, "sub": subject, "events": {_LOGOUT: {}},
        }  # fmt: skip
        told = {name: value for name, value in {**claims, **more}.items() if value is not None}
        return self.signed(told, "logout+jwt")

    def app(self) -> FastAPI:
        """The provider as a web application."""
        app = FastAPI(openapi_url=None)

        @app.middleware("http")
        async def behave(request: Request, call_next: Any) -> Response:
            path = request.url.path
            self.asked[path] = self.asked.get(path, 0) + 1
            await asyncio.sleep(self.slow)
            if self.down:
                return JSONResponse({}, 503)
            answer: Response = await call_next(request)
            return answer

        app.add_api_route("/.well-known/openid-configuration", self._discovery, methods=["GET"])
        app.add_api_route("/authorize", self._authorize, methods=["GET"])
        app.add_api_route("/token", self._token, methods=["POST"])
        app.add_api_route("/keys", self._keys, methods=["GET"])
        return app

    async def _discovery(self) -> Response:
        places = {
            "authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys",
            "end_session_endpoint": "end",
        }  # fmt: skip
        found = {name: f"{self.issuer}/{path}" for name, path in places.items()}
        return JSONResponse({"issuer": self.issuer, **found, **self.places})

    async def _keys(self) -> Response:
        other = {"kty": "OKP", "crv": "unheard-of", "x": "AA", "kid": "other"}
        return JSONResponse({"keys": [other, self.key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        asked, code = request.query_params, secrets.token_urlsafe(16)
        now = int(WallClock().now().timestamp())
        assert asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], "sid": secrets.token_hex(8), **self.who, **self.wrong,
        }  # fmt: skip
        self.codes[code] = _Code(claims, asked["code_challenge"], asked["redirect_uri"])
        query = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        known = self.codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        proven = known and _base64(digest) == known.challenge
        if known is None or not proven or form.get("redirect_uri") != known.redirect_uri:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if not request.headers.get("authorization", "").startswith("Basic "):
            return JSONResponse({"error": "invalid_client"}, 401)
        algorithm = known.claims.pop("algorithm", "ES256")
        id_token = self.signed(known.claims, algorithm=algorithm)
        answer = {"access_token": "x", "token_type": "Bearer", "id_token": id_token}
        return JSONResponse({**answer, "padding": "x" * self.padding})


def _base64(plain: bytes) -> str:
    return urlsafe_b64encode(plain).decode().rstrip("=")


class Browser:
    """A browser with its own cookies. It follows no redirect by itself."""

    def __init__(self, portal: str, provider: TestProvider) -> None:
        """With no cookies yet."""
        self.provider = provider
        self.client = httpx2.AsyncClient(base_url=portal, timeout=20)

    @property
    def cookie(self) -> str | None:
        """The cookie of the session."""
        return self.client.cookies.get("brobyg")

    async def to_provider(self, wish: str = "/") -> str:
        """Begin to sign in; where the provider sends the browser back to."""
        sent = await self.client.get("/sign-in/staff", params={"next": wish})
        assert sent.status_code == 303, sent.text
        answer = await self.client.get(sent.headers["location"])
        return str(answer.headers["location"])

    async def sign_in(self, wish: str = "/", **who: Any) -> httpx2.Response:
        """Sign in as somebody with these claims; the portal's answer."""
        self.provider.who = {"sub": "kim", **who}
        return await self.client.get(await self.to_provider(wish))

    async def field(self, page: str, action: str) -> str:
        """The token of the form on this page that is sent to `action`."""
        text = (await self.client.get(page)).text
        form = rf'method="post" action="{action}".*?name="form" value="([^"]+)"'
        found = re.search(form, text, re.DOTALL)
        assert found, text
        return html.unescape(found[1])

    async def send(self, action: str, page: str = "", **fields: str) -> httpx2.Response:
        """Send the form of this page, or of the page that it is sent to."""
        token = await self.field(page or action, action)
        return await self.client.post(action, data={"form": token, **fields})


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that runs in the test's process, with a provider."""

    running: Running
    provider: TestProvider
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        """A new browser."""
        self.browsers.append(Browser(self.running.url, self.provider))
        return self.browsers[-1]

    @property
    def database(self) -> Database:
        """The portal's database."""
        assert self.running.runtime.database is not None
        return self.running.runtime.database


@asynccontextmanager
async def provided() -> AsyncIterator[TestProvider]:
    """A provider, up."""
    port = free_port()
    provider = TestProvider(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(
        provider.app(), host="127.0.0.1", port=port, log_config=None, access_log=False,
        lifespan="off",
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve())

    async def up() -> bool:
        return server.started

    await eventually(up, "the provider answers")
    try:
        yield provider
    finally:
        server.stop()
        await serving


@asynccontextmanager
async def portal_with(
    service: Service,
    database: str,
    kafka: str,
    provider: TestProvider,
    folder: Path,
    clock: Clock,
    **settings: object,
) -> AsyncIterator[Portal]:
    """The portal, before that provider. Keys are made in `folder`."""
    port = free_port()
    signing, secret = folder / "portal.jwk.json", folder / "provider.secret"
    generate_keys(signing, folder / "portal-public.jwks.json")
    secret.write_text(f"{SECRET}\n")
    values: dict[str, Any] = {
        "portal_port": port,
        "portal_url": f"http://127.0.0.1:{port}",
        "portal_provider_issuer": provider.issuer,
        "portal_provider_client": CLIENT,
        "portal_provider_secret": secret,
        "portal_signing_key": signing,
        "portal_sign_in_tries": 100_000,
        **settings,
    }
    async with served(service, database, kafka, clock=clock, **values) as running:
        portal = Portal(running, provider)
        try:
            yield portal
        finally:
            for browser in portal.browsers:
                await browser.client.aclose()


#: A moment more than a session may rest.
IDLE = timedelta(minutes=30, seconds=1)
