"""Helpers and citizens sign in by a passkey that they have added when they were signed in.

It names itself, so that nobody types who they are, and nothing tells who has one.
"""

import secrets
from collections.abc import Sequence

from brobyg_kit.clock import Clock
from brobyg_kit.logs import get_logger

from brobyg_portal.adapters.authenticators import Authenticators
from brobyg_portal.adapters.forms import Spent
from brobyg_portal.adapters.passkeys import OwnPasskey, Passkeys
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.domain.challenge import challenge, is_challenge
from brobyg_portal.domain.session import Session
from brobyg_portal.domain.sign_in_link import Known
from brobyg_portal.errors import PasskeyRefused, ServiceUnavailable
from brobyg_portal.ports import Owners

log = get_logger(__name__)

_ANYBODYS = ""


class PasskeySignIn:
    """See the module. Every method that waits may raise one of DATABASE_ERRORS."""

    def __init__(
        self,
        passkeys: Passkeys,
        authenticators: Authenticators,
        owners: Owners,
        sessions: Sessions,
        spent: Spent,
        clock: Clock,
        keys: Sequence[bytes],
    ) -> None:
        """`clock` tells real time. The first of the `keys` signs challenges; all are known."""
        self._passkeys, self._authenticators, self._owners = passkeys, authenticators, owners
        self._sessions, self._spent, self._clock, self._keys = sessions, spent, clock, keys

    async def of(self, session: Session) -> list[OwnPasskey]:
        """Those of who is signed in."""
        return await self._passkeys.of(session.subject)

    def may_add(self, session: Session) -> bool:
        """Whether they have just signed in: a passkey outlives the session in which it is added."""
        return session.is_fresh(self._clock.now())

    async def to_add(self, session: Session) -> str:
        """What their browser is asked to make one by."""
        had = [one.credential_id for one in await self.of(session)]
        return self._authenticators.creation(session.subject, self._challenge(session.subject), had)

    async def add(self, session: Session, answer: str) -> None:
        """Keep the passkey that their browser has made, and have a mail tell them of it.

        Raises PasskeyRefused. Without notification no mail goes, and the passkey is there.
        """
        if not self.may_add(session):
            raise PasskeyRefused("they signed in too long ago")
        claimed = self._authenticators.claimed(answer, new=True)
        await self._spend(claimed.challenge, session.subject)
        new = self._authenticators.added(answer, claimed.challenge)
        known = Known(session.kind, session.subject)
        if not await self._passkeys.add(known, new):
            raise PasskeyRefused("it is there already, or one too many")
        try:
            await self._owners.mail(known, None)
        except ServiceUnavailable as error:
            log.warning("service.unavailable", error=error)

    async def remove(self, session: Session, name: str) -> bool:
        """Delete one of theirs; False where it is none."""
        return await self._passkeys.remove(session.subject, name)

    def to_sign_in(self) -> str:
        """What a browser is asked to show one by."""
        return self._authenticators.request(self._challenge(_ANYBODYS))

    async def enter(self, answer: str, former: str | None) -> str:
        """Sign in whose passkey it is, and return the session's token.

        `former` is the session that this browser had. Raises PasskeyRefused, also for who may not
        be signed in any more, and ServiceUnavailable.
        """
        claimed = self._authenticators.claimed(answer, new=False)
        await self._spend(claimed.challenge, _ANYBODYS)
        found = await self._passkeys.find(claimed.credential_id)
        if found is None:
            raise PasskeyRefused("it is not known")
        known, passkey = found
        sign_count = self._authenticators.proven(answer, claimed.challenge, passkey)
        if not await self._owners.may_sign_in(known):
            raise PasskeyRefused("they may not be signed in")
        await self._passkeys.used(passkey.credential_id, sign_count)
        return await self._sessions.begin(known.person, former=former)

    def _challenge(self, whose: str) -> bytes:
        return challenge(self._keys[0], whose, self._clock.now(), secrets.token_bytes(16))

    async def _spend(self, said: bytes, whose: str) -> None:
        """Take a challenge once. Raises PasskeyRefused."""
        now = self._clock.now()
        if not any(is_challenge(said, key, whose, now) for key in self._keys):
            raise PasskeyRefused("a challenge of nobody's, or too old")
        if await self._spent.spend(f"passkey:{said.hex()}") is not None:
            raise PasskeyRefused("it was answered before")
