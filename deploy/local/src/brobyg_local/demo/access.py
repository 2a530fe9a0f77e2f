"""What somebody outside knows of a running system: addresses, sign-ins, the clock, the mails."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import httpx2
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import AcceleratedClock, Clock, WallClock, parse_clock
from brobyg_kit.tokens import issue_token

from brobyg_local.errors import ServiceUnreachable

#: Wall seconds a sender keeps trying one request: longer than any restart takes.
PATIENCE = 180.0
#: A request waits as long as it must until fewer than `AT_ONCE` are in flight.
TIMEOUT = httpx2.Timeout(15.0, connect=3.0, pool=None)
AT_ONCE = 12


@dataclass(frozen=True)
class SystemAccess:
    """One running system. `environment` is what its services were started with."""

    environment: Mapping[str, str]
    mail: Path

    @cached_property
    def clock(self) -> Clock:
        """The clock that all services share."""
        return parse_clock(self.environment.get("BROBYG_CLOCK", ""))

    @cached_property
    def _tokens(self) -> dict[tuple[str, str | None, str | None, str | None], str]:
        """Those made so far: a week sends thousands of requests."""
        return {}

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.environment["BROBYG_KAFKA"]

    def sign_in(
        self,
        role: str,
        *,
        organisation: str | None = None,
        department: str | None = None,
        subject: str | None = None,
    ) -> dict[str, str]:
        """The HTTP header of a development token for `role`; a helper's `subject` is their id.

        Raises OSError when the system's key can't be read, ValueError on an unknown role.
        """
        asked = role, organisation, department, subject
        if asked not in self._tokens:
            key = Path(self.environment["BROBYG_TOKEN_SIGNING_KEY"])
            self._tokens[asked] = _token(key, *asked)
        return {"Authorization": f"Bearer {self._tokens[asked]}"}

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at its end."""
        return self.environment[f"BROBYG_{service.upper()}_URL"].rstrip("/")

    async def until(self, moment: datetime) -> None:
        """Return when the shared clock has reached `moment`."""
        clock = self.clock
        while (left := moment - clock.now()) > timedelta(0):
            await clock.sleep(left)

    def late_seconds(self, moment: datetime) -> float:
        """Wall seconds since the shared clock has passed `moment`; 0 before."""
        clock = self.clock
        factor = clock.factor if isinstance(clock, AcceleratedClock) else 1.0
        return max(0.0, (clock.now() - moment).total_seconds() / factor)


def _token(
    key: Path,
    role: str,
    organisation: str | None,
    department: str | None,
    subject: str | None,
) -> str:
    """A token is valid by the wall clock, whatever clock the services have."""
    return issue_token(
        key,
        subject or f"demo-{role}",
        [role],
        WallClock(),
        organisation=organisation,
        department=department,
        lifetime=timedelta(hours=8),
    )


def http_client() -> httpx2.AsyncClient:
    """An HTTP client with timeouts and no proxy, for `AT_ONCE` requests in flight."""
    limits = httpx2.Limits(max_connections=AT_ONCE)
    return httpx2.AsyncClient(
        timeout=TIMEOUT, limits=limits, trust_env=False, follow_redirects=True
    )


async def send_until_answered(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    patience: float = PATIENCE,
    on_again: Callable[[], object] = lambda: None,
) -> httpx2.Response:
    """Send until the answer is below 500 and not 429, with growing pauses between tries.

    So does an integration engine: it never skips a message because of an outage. `on_again` is
    called before each further try. Raises `ServiceUnreachable` after `patience` wall seconds.
    """
    deadline, backoff = time.monotonic() + patience, Backoff(longest=2.0)
    while True:
        try:
            response = await http.request(method, url, headers=dict(headers or {}), content=content)
            if response.status_code < 500 and response.status_code != 429:
                return response
            reason = f"answered {response.status_code}"
        except httpx2.TransportError as error:
            reason = type(error).__name__
        if time.monotonic() > deadline:
            raise ServiceUnreachable(
                f"{method} {url.partition('?')[0]}: {reason} for {patience:.0f} s",
                advice="brobyg status tells which part does not answer; then run this again",
            )
        await asyncio.sleep(backoff.next())
        on_again()
