"""The running system as somebody outside it sees it: addresses, sign-ins, the shared clock and the folder with the mails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import httpx2
from brobyg_kit.clock import Clock, parse_clock

from .tokens import Tokens

__all__ = ["PATIENCE", "SERVICES", "Outside", "Unreachable", "client", "persist"]

SERVICES = ("referral", "matching", "notification", "reporting", "portal")
PATIENCE = 180.0
"""Wall seconds a sender keeps trying one request: longer than any restart takes."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
TIMEOUT = httpx2.Timeout(15.0, connect=3.0)


class Unreachable(Exception):
    """A service did not answer, or answered only with 5xx, for as long as a sender keeps trying."""


@dataclass(frozen=True)
class Outside:
    """One running system. `environment` is what its services were started with."""

    environment: Mapping[str, str]
    mail: Path

    @cached_property
    def clock(self) -> Clock:
        """The clock that all services share."""
        return parse_clock(self.environment.get("BROBYG_CLOCK", ""))

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.environment["BROBYG_KAFKA"]

    @cached_property
    def tokens(self) -> Tokens:
        """Sign-ins for every role."""
        return Tokens(Path(self.environment["BROBYG_TOKEN_SIGNING_KEY"]))

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at its end."""
        return self.environment[f"BROBYG_{service.upper()}_URL"].rstrip("/")

    async def until(self, moment: datetime) -> None:
        """Return when the shared clock has reached `moment`. Blocks until then."""
        clock = self.clock
        while (left := moment - clock.now()) > timedelta(0):
            await clock.sleep(left)


def client() -> httpx2.AsyncClient:
    """An HTTP client with timeouts, as many connections as the players use, and no proxy in between."""
    return httpx2.AsyncClient(
        timeout=TIMEOUT, limits=httpx2.Limits(max_connections=16), trust_env=False
    )


async def persist(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    patience: float = PATIENCE,
    on_again: Callable[[], None] | None = None,
) -> httpx2.Response:
    """Send until somebody answers with less than 500 (429 counts as no answer), with growing pauses between tries.

    What an integration engine does: it never skips a message because of an outage. `on_again` is called before each further try. Blocks; raises
    `Unreachable` after `patience` wall seconds.
    """
    deadline, pause = time.monotonic() + patience, FIRST_PAUSE
    while True:
        try:
            response = await http.request(method, url, headers=dict(headers or {}), content=content)
            if response.status_code < 500 and response.status_code != 429:
                return response
            reason = f"answered {response.status_code}"
        except httpx2.TransportError as error:
            reason = type(error).__name__
        if time.monotonic() > deadline:
            raise Unreachable(f"{method} {url.partition('?')[0]}: {reason} for {patience:.0f} s")
        await asyncio.sleep(pause)
        if on_again is not None:
            on_again()
        pause = min(pause * 1.7, LONGEST_PAUSE)
