"""The token by which a service asks the others: one that it is given, or a provider's.

From a provider it is had by client credentials (RFC 6749, 4.4), and had again in time.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote_plus

import httpx2
import msgspec

from brobyg_kit.clock import Clock
from brobyg_kit.endings import end_of_token
from brobyg_kit.logs import get_logger
from brobyg_kit.settings import KitSettings

log = get_logger(__name__)

#: Seconds for each step of a question for a token, bytes of its answer, and between two that fail.
_TIMEOUT, _MAX_BYTES, _AGAIN = 5.0, 20_000, timedelta(seconds=5)


class _Answer(msgspec.Struct):
    """What a provider answers."""

    access_token: str
    #: Seconds.
    expires_in: int


class ServiceToken(httpx2.Auth):
    """Puts the service's own token on each request to another service."""

    requires_request_body = False

    def __init__(self, settings: KitSettings, clock: Clock) -> None:
        """Asks nobody yet. `clock` is the wall's, as tokens end by it."""
        self._settings, self._clock = settings, clock
        self._token = settings.service_token.get_secret_value()
        self._renew_at = self._ends_at = datetime.min.replace(tzinfo=UTC)
        self._asking = asyncio.Lock()

    @property
    def is_there(self) -> bool:
        """Whether there is a token, or a provider to have one of."""
        return bool(self._token or self._settings.service_token_address)

    def ends(self) -> Iterable[tuple[str, datetime]]:
        """What somebody must renew: the token that was given, else the client's secret."""
        if self._settings.service_token_address:
            if (day := self._settings.service_client_secret_ends) is not None:
                yield "the secret BROBYG_SERVICE_CLIENT_SECRET", datetime.combine(day, time(), UTC)
        elif end := end_of_token(self._token):
            yield "the token BROBYG_SERVICE_TOKEN", end

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The request with the token; without one as it is. Raises httpx2.TransportError."""
        if self.is_there:
            request.headers["Authorization"] = f"Bearer {await self._current()}"
        yield request

    async def _current(self) -> str:
        """The token, renewed when two thirds of its time are over."""
        if self._settings.service_token_address and self._clock.now() >= self._renew_at:
            async with self._asking:
                if self._clock.now() >= self._renew_at:
                    await self._renew()
        return self._token

    async def _renew(self) -> None:
        """Raises httpx2.TransportError when there is none that is still valid."""
        now = self._clock.now()
        try:
            answer = await self._ask()
        except (httpx2.HTTPError, TimeoutError, msgspec.MsgspecError) as error:
            log.warning("service_token.not_renewed", error=type(error).__name__)
            if now >= self._ends_at:
                raise httpx2.TransportError("the provider gives no token") from error
            self._renew_at = now + _AGAIN
            return
        life = timedelta(seconds=max(answer.expires_in, 0))
        self._token, self._ends_at = answer.access_token, now + life
        self._renew_at = now + life * 2 / 3

    async def _ask(self) -> _Answer:
        client = self._settings.service_client
        secret = self._settings.service_client_secret.get_secret_value()
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as http,
            asyncio.timeout(2 * _TIMEOUT),
            http.stream(
                "POST",
                self._settings.service_token_address,
                data={"grant_type": "client_credentials"},
                # Encoded as in a form first (RFC 6749, 2.3.1).
                auth=httpx2.BasicAuth(quote_plus(client), quote_plus(secret)),
            ) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MAX_BYTES:
                    raise httpx2.DecodingError(f"more than {_MAX_BYTES} bytes")
            return msgspec.json.decode(body, type=_Answer)
