"""Staff sign in at the provider, and out of it."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from brobyg_kit.clock import Clock
from brobyg_kit.ids import derived_id

from brobyg_portal.domain.session import Person
from brobyg_portal.domain.sign_in import Attempt, ClaimMapping, granted, own_path
from brobyg_portal.ports import Identity, Provider


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody whom the provider has sent."""

    person: Person
    identity: Identity
    #: Whether they may come in: as staff by a role, or as an administrator.
    welcome: bool


class SigningIn:
    """Sign-ins of staff by one provider."""

    def __init__(
        self,
        provider: Provider,
        issuer: str,
        mapping: ClaimMapping,
        is_administrator: Callable[[str], Awaitable[bool]],
        key: bytes,
        clock: Clock,
    ) -> None:
        """`mapping` says what the claims of `issuer` make of somebody.

        `key` signs attempts; all processes have the same. `clock` tells real time.
        """
        self._provider, self._issuer, self._mapping = provider, issuer, mapping
        self._is_administrator, self._key, self._clock = is_administrator, key, clock

    async def begin(self, wish: str | None) -> tuple[str, str]:
        """Where the browser goes, and what it keeps meanwhile. `wish` is where it is to go on.

        Raises ProviderUnavailable.
        """
        attempt = Attempt(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48),
            own_path(wish), int(self._clock.now().timestamp()),
        )  # fmt: skip
        return await self._provider.sign_in_address(attempt), attempt.to_cookie(self._key)

    def begun(self, kept: str | None, state: str) -> Attempt | None:
        """The attempt that this browser keeps; None for another one, or where it took too long."""
        attempt = Attempt.of_cookie(kept or "", self._key, self._clock.now())
        return attempt if attempt is not None and attempt.state == state else None

    async def arrive(self, code: str, attempt: Attempt) -> Arrived:
        """Who came back with this code. Raises ProviderUnavailable, SignInRefused."""
        identity = await self._provider.redeem(code, attempt)
        given = granted(identity.claims, self._mapping)
        subject = self.subject_of(str(identity.claims["sub"]))
        person = Person("staff", subject, given.roles, given.organisation, given.department)
        welcome = bool(given.roles) or await self._is_administrator(subject)
        return Arrived(person, identity, welcome)

    def subject_of(self, sub: str) -> str:
        """Our id of somebody: the provider's own may be a mail address."""
        return derived_id("staff", self._issuer, sub)

    async def sign_out_address(self, id_token: str) -> str | None:
        """See `ports.Provider`."""
        return await self._provider.sign_out_address(id_token)

    async def signed_out(self, logout_token: str) -> tuple[str | None, str | None, str]:
        """Whom the provider has signed out by our id, which of its sessions, and the telling's id.

        Raises ProviderUnavailable, SignInRefused.
        """
        told = await self._provider.signed_out(logout_token)
        subject = None if told.subject is None else self.subject_of(told.subject)
        return subject, told.provider_session, told.token_id
