"""Helpers and citizens of whom the portal holds something that lets them in."""

from datetime import timedelta

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database
from sqlalchemy import select, update

from brobyg_portal.adapters.tables import passkey, session, sign_in_link
from brobyg_portal.domain.sign_in_link import Known

_s, _l, _p = session.c, sign_in_link.c, passkey.c
#: How often the owner of somebody is asked who has a passkey and is not signed in.
_PASSKEYS_EVERY = timedelta(days=1)
#: Of those so many at once.
_MOST = 500


class People:
    """Reads across the tables."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def due(self) -> list[Known]:
        """Whose owner is to be asked: who has an open session or link, and daily a passkey."""
        now = self._clock.now()
        sessions = select(_s.kind, _s.subject).where(
            _s.kind != "staff", _s.ended_at.is_(None), _s.ends_at > now
        )
        links = select(_l.kind, _l.subject).where(_l.used_at.is_(None), _l.ends_at > now)
        passkeys = (
            select(_p.kind, _p.subject)
            .where(_p.checked_at <= now - _PASSKEYS_EVERY)
            .order_by(_p.checked_at)
            .limit(_MOST)
            .subquery()
        )
        wanted = sessions.union(links, select(passkeys))
        async with self._database.connect() as connection:
            return [Known(*row) for row in await connection.execute(wanted)]

    async def stay(self, subject: str) -> None:
        """Their owner still knows them: their passkeys are asked about in a day."""
        now = self._clock.now()
        statement = update(passkey).where(
            _p.subject == subject, _p.checked_at <= now - _PASSKEYS_EVERY
        )
        async with self._database.connect() as connection:
            await connection.execute(statement.values(checked_at=now))
