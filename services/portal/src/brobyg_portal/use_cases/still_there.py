"""Sessions, links and passkeys of helpers and citizens end when their owner knows them no more.

The portal hears no events. It asks about all who are signed in, and a minute later again, so that
who is erased is out within about two minutes, whatever page they are on; and each day about all who
have a passkey.
"""

import asyncio
from collections import Counter

from brobyg_kit.backoff import Backoff
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.logs import get_logger

from brobyg_portal.adapters.people import People
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.domain.session import Kind
from brobyg_portal.domain.sign_in_link import Known
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Owners

log = get_logger(__name__)

#: Seconds between two rounds, of real time.
EVERY = 60.0
#: About so many people owners are asked at once.
_AT_ONCE = 16
#: After so many questions in a row without an answer a kind of people waits for the next round.
_IN_A_ROW = 3


class StillThere:
    """See the module."""

    def __init__(self, people: People, sessions: Sessions, owners: Owners) -> None:
        """Who could not be asked about is remembered for the next round."""
        self._people, self._sessions, self._owners = people, sessions, owners
        self._unanswered: frozenset[Known] = frozenset()

    async def run(self) -> None:
        """A round, a minute later the next, until cancelled. Database trouble is waited out."""
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

        Who can't be asked about stays, and comes last in the next round: they keep nobody else in.
        """
        ended, in_a_row, unanswered = 0, Counter[Kind](), set[Known]()
        due = sorted(await self._people.due(), key=self._unanswered.__contains__)
        while due:
            some, due = due[:_AT_ONCE], due[_AT_ONCE:]
            some = [one for one in some if in_a_row[one.kind] < _IN_A_ROW]
            answers = await asyncio.gather(*(self._may(one) for one in some))
            for known, may in zip(some, answers, strict=True):
                in_a_row[known.kind] = in_a_row[known.kind] + 1 if may is None else 0
                if may is None:
                    unanswered.add(known)
                elif may:
                    await self._people.stay(known.subject)
                else:
                    await self._sessions.end_all_of(known.subject)
                    ended += 1
        self._unanswered = frozenset(unanswered)
        if ended:
            log.info("still_there.ended", people=ended)
        return ended

    async def _may(self, known: Known) -> bool | None:
        """None where nobody says so."""
        try:
            return await self._owners.may_sign_in(known)
        except ServiceUnavailable as error:
            log.warning("service.unavailable", error=error)
            return None
