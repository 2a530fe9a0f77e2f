"""Helpers and citizens of whom the portal holds something that lets them in."""

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database
from sqlalchemy import delete, select

from brobyg_portal.adapters.tables import session, sign_in_link
from brobyg_portal.domain.sign_in_link import Known

_s, _l = session.c, sign_in_link.c


class People:
    """Reads and deletes across the tables, by an id."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def signed_in(self) -> list[Known]:
        """Who has an open session or link."""
        now = self._clock.now()
        sessions = select(_s.kind, _s.subject).where(
            _s.kind != "staff", _s.ended_at.is_(None), _s.ends_at > now
        )
        links = select(_l.kind, _l.subject).where(_l.used_at.is_(None), _l.ends_at > now)
        async with self._database.connect() as connection:
            return [Known(*row) for row in await connection.execute(sessions.union(links))]

    async def forget(self, subject: str) -> None:
        """Delete all by which somebody could come in again."""
        async with self._database.connect() as connection:
            await connection.execute(delete(sign_in_link).where(_l.subject == subject))
