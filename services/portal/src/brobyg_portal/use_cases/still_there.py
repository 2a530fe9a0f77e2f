"""Sessions, links and passkeys of helpers and citizens end when their owner knows them no more.

The portal hears no events. It asks each minute about all who are signed in, so that who is erased,
restricted or has left is out within a minute, whatever page they are on; and each day about all who
have a passkey.
"""

import asyncio

from brobyg_kit.backoff import Backoff
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.logs import get_logger

from brobyg_portal.adapters.people import People
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Owners

log = get_logger(__name__)

#: Seconds between two rounds, of real time.
EVERY = 60.0


class StillThere:
    """See the module."""

    def __init__(self, people: People, sessions: Sessions, owners: Owners) -> None:
        """No state of its own."""
        self._people, self._sessions, self._owners = people, sessions, owners

    async def run(self) -> None:
        """A round each minute, until cancelled. Trouble with the database is waited out."""
        backoff = Backoff()
        while True:
            pause = EVERY
            try:
                await self.round()
                backoff.reset()
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                log.warning("still_there.interrupted", error=error, retry_seconds=pause)
            await asyncio.sleep(pause)

    async def round(self) -> int:
        """Ask about everybody who is due; how many are out.

        Who can't be asked about stays: their owner shows them nothing meanwhile.
        """
        ended, away = 0, set[str]()
        for known in await self._people.due():
            if known.kind in away:
                continue
            try:
                if await self._owners.may_sign_in(known):
                    await self._people.stay(known.subject)
                    continue
            except ServiceUnavailable as error:
                log.warning("service.unavailable", error=error)
                away.add(known.kind)
                continue
            await self._sessions.end_all_of(known.subject)
            await self._people.forget(known.subject)
            ended += 1
        if ended:
            log.info("still_there.ended", people=ended)
        return ended
