"""Helpers and citizens sign in by a link that is mailed to them.

Nobody is told who is known: whoever asks has the same answer at once, and what follows is done by a
timer, from which nothing comes back to who asked.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from brobyg_kit.clock import Clock
from brobyg_kit.database import Transaction
from brobyg_kit.logs import get_logger
from brobyg_kit.timers import DueTimer

from brobyg_portal.adapters.secrets import hash_of, is_secret, new_secret
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.adapters.sign_in_links import ASKED, Request, SignInLinks
from brobyg_portal.domain.session import Kind
from brobyg_portal.domain.sign_in_link import (
    BY_LINK,
    LIFE,
    Known,
    Link,
    LinkState,
    state_of_link,
)
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Owners

log = get_logger(__name__)

#: One firing of the timer asks for so long at most, seconds; it holds a transaction.
_TURN_SECONDS = 10.0
#: So long it is waited before an owner is asked again that did not answer.
_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody is signed in."""

    #: The session's.
    token: str
    #: Where to go on.
    next: str
    #: What the browser keeps, by which it is known when it asks again.
    proof: str = field(repr=False)


class LinkSignIn:
    """See the module. Every method may raise one of DATABASE_ERRORS."""

    def __init__(
        self, links: SignInLinks, owners: Owners, sessions: Sessions, clock: Clock
    ) -> None:
        """`clock` tells real time."""
        self._links, self._owners, self._sessions = links, owners, sessions
        self._clock = clock

    def is_known(self, address: str, proof: str | None) -> bool:
        """Whether somebody was signed in by this address in a browser that kept this `proof`."""
        return self._links.is_proof(address, proof or "")

    async def ask(
        self, address: str, browser: str | None, wish: str, *, is_known: bool, network: str
    ) -> str:
        """Note that somebody asks; the secret that their browser keeps, the one it has if any.

        `network` is where they ask from; of it a keyed hash is kept.
        """
        secret = browser if browser is not None and is_secret(browser) else new_secret()
        await self._links.ask(address, secret, wish, is_known=is_known, network=network)
        return secret

    async def follow(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """A timer's handler: ask the owners who has the addresses, and have the links mailed.

        A service that does not answer is asked again until the request is too old; meanwhile the
        other's people have their links.
        """
        began, away = time.monotonic(), set[Kind]()
        for request in await self._links.waiting(tx, [one.subject for one in timers]):
            if time.monotonic() - began <= _TURN_SECONDS and await self._follow(tx, request, away):
                await self._links.end_request(tx, request.request_id)
            else:
                tx.schedule(ASKED, request.request_id, tx.now + _AGAIN)

    async def _follow(self, tx: Transaction, request: Request, away: set[Kind]) -> bool:
        """Whether it is done with; if not it goes on where it was when it is called again.

        Owners that are `away` are not asked, and those that do not answer are put there: who is
        known to the other has a link all the same.
        """
        over = self._clock.now() >= request.asked_at + LIFE
        if request.address is None or over or await self._links.is_one_too_many(tx, request):
            return True
        asked = [kind for kind in BY_LINK if kind not in away]
        answers = await asyncio.gather(*(self._find(one, request.address) for one in asked))
        away.update(kind for kind, found in zip(asked, answers, strict=True) if found is None)
        done, had = not away, await self._links.linked(tx, request.request_id)
        for known in (one for found in answers if found for one in found if one not in had):
            try:
                await self._mail(request, known)
            except ServiceUnavailable as error:
                log.warning("service.unavailable", error=error)
                done = False
                break
            had.add(known)
        if done or had:
            await self._links.count(tx, request.request_id)
        return done

    async def _find(self, kind: Kind, address: str) -> list[Known] | None:
        try:
            return await self._owners.find(kind, address)
        except ServiceUnavailable as error:
            log.warning("service.unavailable", error=error)
            return None

    async def _mail(self, request: Request, known: Known) -> None:
        """Keep the link, then have it mailed: its person may be quick to open it.

        A process that is killed between the two leaves one that was never mailed and is taken for
        mailed: its person asks anew.
        """
        token = new_secret()
        await self._links.keep(request.request_id, known, token)
        try:
            await self._owners.mail(known, token)
        except ServiceUnavailable:
            await self._links.drop(token)
            raise

    async def look(self, token: str, browser: str | None) -> tuple[LinkState, Link | None]:
        """How the link is with who opens it; that has no effect, however often."""
        link = await self._links.find(token)
        hashed = hash_of(browser) if browser is not None and is_secret(browser) else None
        return state_of_link(link, hashed, self._clock.now()), link

    async def enter(
        self, token: str, browser: str | None, former: str | None
    ) -> Entered | LinkState:
        """Sign in whose link it is, once; `former` is the session that this browser had.

        The owner is asked again, as somebody may have been erased since it was mailed. Raises
        ServiceUnavailable; then the link may be used again.
        """
        state, link = await self.look(token, browser)
        if link is None or state != "open":
            return state
        if not await self._owners.may_sign_in(link.known):
            return "over"
        if not await self._links.spend(token):
            return "used"
        try:
            session = await self._sessions.begin(link.known.person, former=former)
        except BaseException:
            await self._links.release(token)
            raise
        return Entered(session, link.next, link.proof)
