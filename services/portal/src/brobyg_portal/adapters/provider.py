"""The identity provider of staff: OpenID Connect's authorization code with PKCE, by Authlib.

What the provider says of itself is read by discovery and kept; a signature by a key that is not
known has its keys read again, so that neither an outage nor new keys need a restart of ours.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from brobyg_kit.clock import Clock
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from brobyg_portal.domain.sign_in import Attempt
from brobyg_portal.errors import ProviderUnavailable, SignInRefused
from brobyg_portal.ports import Identity, SignedOut

#: Signatures by a private key. No `none`, and no shared secret, which a public key can pass for.
_ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512")
_KEPT = timedelta(hours=1)
#: What nobody had to sign in for may have the keys read again this seldom.
_PATIENCE = timedelta(minutes=1)
#: Seconds for each step of a request, and seconds in all.
_STEP, _IN_ALL = 5.0, 10.0
#: Requests to it at once; others wait.
_AT_ONCE = 8
_LARGEST = 512 * 1024
#: The provider's clock may be off by so much, seconds.
_LEEWAY = 60
#: A sign-out is told at once: so old may what tells it be, seconds.
_TOLD_WITHIN = 300
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class Metadata(msgspec.Struct, frozen=True):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: Sequence[str] = ("client_secret_basic",)


@dataclass(frozen=True, slots=True)
class Client:
    """The portal, as the provider knows it."""

    issuer: str
    client_id: str
    #: "" for a public client.
    secret: str
    #: The portal's own address, without a slash at its end.
    home: str

    @property
    def comes_back(self) -> str:
        """Where a sign-in comes back."""
        return f"{self.home}/sign-in/back"


class _Bounded(AsyncOAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Reads no answer that is too large."""

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **more: Any
    ) -> httpx2.Response:
        """Send it and read the answer. Raises ProviderUnavailable."""
        del stream
        answer: httpx2.Response = await super().send(request, stream=True, **more)
        body, status = await _read(answer), answer.status_code
        kind = {"content-type": answer.headers.get("content-type", "")}
        return httpx2.Response(status, headers=kind, content=body, request=request)


async def _read(answer: httpx2.Response) -> bytes:
    found = bytearray()
    try:
        async for part in answer.aiter_bytes():
            found += part
            if len(found) > _LARGEST:
                raise ProviderUnavailable("it says too much")
    finally:
        await answer.aclose()
    return bytes(found)


class OidcProvider:
    """See `ports.Provider`."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """Connects nothing. `clock` tells real time, in which the provider lives."""
        self._client, self._clock = client, clock
        # One for all sign-ins: to make one reads the machine's certificates, which takes long.
        self._http = _Bounded(
            client.client_id,
            client.secret or None,
            scope="openid",
            redirect_uri=client.comes_back,
            code_challenge_method="S256",
            timeout=_STEP,
            limits=httpx2.Limits(max_connections=_AT_ONCE),
            follow_redirects=False,
            # A provider on this machine is not behind the machine's proxy.
            trust_env=urlsplit(client.issuer).scheme == "https",
            # What the provider sets in one sign-in is not sent in another's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._metadata: tuple[Metadata, datetime] | None = None
        self._keys: KeySet | None = None
        self._keys_read_at: datetime | None = None
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def sign_in_address(self, attempt: Attempt) -> str:
        """See `ports.Provider`."""
        metadata = await self._discovered()
        address, _ = self._http.create_authorization_url(
            metadata.authorization_endpoint,
            state=attempt.state,
            code_verifier=attempt.verifier,
            nonce=attempt.nonce,
        )
        return str(address)

    async def redeem(self, code: str, attempt: Attempt) -> Identity:
        """See `ports.Provider`."""
        metadata = await self._discovered()
        try:
            async with asyncio.timeout(_IN_ALL), self._turn:
                answer: Mapping[str, Any] = await self._http.fetch_token(
                    metadata.token_endpoint,
                    auth=self._proof(metadata),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                )
        except (httpx2.HTTPError, TimeoutError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        except (AuthlibBaseError, ValueError) as error:  # a refusal, or no answer of a provider's
            raise SignInRefused(type(error).__name__) from error
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused("there is no id_token")
        found = await self._decoded(id_token, always_again=True)
        claims = CodeIDToken(
            found.claims,
            found.header,
            {"iss": {"value": metadata.issuer}, "aud": {"value": self._client.client_id}},
            {
                "nonce": attempt.nonce,
                "client_id": self._client.client_id,
                "access_token": access_token,
            },
        )
        try:
            claims.validate(now=self._seconds(), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(type(error).__name__) from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise SignInRefused("there is no sub")
        return Identity(dict(claims), id_token)

    async def sign_out_address(self, id_token: str) -> str | None:
        """See `ports.Provider`."""
        metadata = await self._discovered()
        if metadata.end_session_endpoint is None:
            return None
        told = {
            "client_id": self._client.client_id,
            "post_logout_redirect_uri": f"{self._client.home}/sign-out/back",
            **({"id_token_hint": id_token} if id_token else {}),
        }
        separator = "&" if urlsplit(metadata.end_session_endpoint).query else "?"
        return f"{metadata.end_session_endpoint}{separator}{urlencode(told)}"

    async def signed_out(self, logout_token: str) -> SignedOut:
        """See `ports.Provider`."""
        claims = (await self._decoded(logout_token, always_again=False)).claims
        registry = jwt.JWTClaimsRegistry(
            now=self._seconds(),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._client.issuer},
            aud={"essential": True, "value": self._client.client_id},
            iat={"essential": True},
            jti={"essential": True},
        )
        try:
            registry.validate(claims)
            events, age = claims.get("events"), self._seconds() - int(claims["iat"])
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(type(error).__name__) from error
        subject, session, named = claims.get("sub"), claims.get("sid"), claims["jti"]
        texts = [one for one in (subject, session, named) if one is not None]
        if (
            not isinstance(events, dict)
            or not isinstance(events.get(_LOGOUT), dict)
            or "nonce" in claims  # it is an ID token then
            or age > _TOLD_WITHIN
            or not all(isinstance(one, str) and 0 < len(one) <= 500 for one in texts)
            or (subject is None and session is None)
        ):
            raise SignInRefused("it tells of no sign-out")
        return SignedOut(subject, session, named)

    def _proof(self, metadata: Metadata) -> Any:  # Authlib's own, without types
        """How the portal proves to be itself."""
        if not self._client.secret:
            return self._http.client_auth("none")
        methods = metadata.token_endpoint_auth_methods_supported
        post = "client_secret_post" in methods and "client_secret_basic" not in methods
        return self._http.client_auth("client_secret_post" if post else "client_secret_basic")

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())

    async def _discovered(self) -> Metadata:
        """What the provider says of itself; while it is away, what it said last."""
        now, known = self._clock.now(), self._metadata
        if known is not None and now < known[1] + _KEPT:
            return known[0]
        try:
            found = await self._read_metadata()
        except ProviderUnavailable:
            if known is None:
                raise
            return known[0]
        self._metadata = (found, now)
        return found

    async def _read_metadata(self) -> Metadata:
        address = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        body = await self._get(address)
        try:
            found = msgspec.json.decode(body, type=Metadata)
        except msgspec.MsgspecError as error:
            raise ProviderUnavailable("what it says of itself has an unexpected form") from error
        secure = urlsplit(self._client.issuer).scheme == "https"
        end = found.end_session_endpoint
        places = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri]
        places += [] if end is None else [end]
        if found.issuer != self._client.issuer:
            raise ProviderUnavailable("another issuer answers at this address")
        if not all(urlsplit(one).scheme in ("https", *["http"] * (not secure)) for one in places):
            raise ProviderUnavailable("it names places that are not https")
        return found

    async def _decoded(self, token: str, *, always_again: bool) -> jwt.Token:
        """A token of the provider's, whose signature alone is checked yet.

        One that no known key has signed has the keys read again: `always_again`, or seldom. Raises
        ProviderUnavailable for one by an unknown key before they may be.
        """
        if len(token) > _LARGEST:
            raise SignInRefused("it is too long")
        kid, known = _kid_of(token), self._keys
        if known is not None and (found := _signed_by(known, token)) is not None:
            return found
        again = self._keys_read_at is None or self._clock.now() >= self._keys_read_at + _PATIENCE
        if known is None or always_again or again:
            self._keys_read_at = self._clock.now()
            self._keys = await self._read_keys()
            if (found := _signed_by(self._keys, token)) is not None:
                return found
        elif kid is not None and kid not in {one.kid for one in known.keys}:  # it may be a new one
            raise ProviderUnavailable("its keys wait to be read again")
        raise SignInRefused("none of the provider's keys has signed it")

    async def _read_keys(self) -> KeySet:
        body = await self._get((await self._discovered()).jwks_uri)
        try:
            told = msgspec.json.decode(body, type=dict[str, list[dict[str, Any]]])
            signing = [
                one
                for one in told["keys"]
                if one.get("use", "sig") == "sig" and one.get("kty") in ("RSA", "EC")
            ]
            return KeySet.import_key_set({"keys": signing})
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderUnavailable("its keys have an unexpected form") from error

    async def _get(self, address: str) -> bytes:
        try:
            async with asyncio.timeout(_IN_ALL), self._turn:
                answer = await self._http.request("GET", address, withhold_token=True)
                answer.raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        body: bytes = answer.content
        return body


def _signed_by(keys: KeySet, token: str) -> jwt.Token | None:
    """The token, if one of these keys has signed it. Raises SignInRefused for what is no token."""
    try:
        return jwt.decode(token, keys, algorithms=list(_ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _kid_of(token: str) -> str | None:
    """The key that it names, if any. Raises SignInRefused for what is no token or names no text."""
    try:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefused("it is no token") from error
    if kid is not None and not isinstance(kid, str):
        raise SignInRefused("its kid is no text")
    return kid
