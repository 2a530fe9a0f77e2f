"""What the API shows of offers, matches and decisions. Reads only, without locks."""

import json
from datetime import datetime
from typing import Any

from brobyg_kit.database import Database
from brobyg_kit.tables import Id, Instant
from sqlalchemy import RowMapping, Select, literal, select, tuple_

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import decision, match, offer
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.errors import UnknownOffer


class Queries:
    """Every method may raise one of the kit's DATABASE_ERRORS."""

    def __init__(self, database: Database) -> None:
        """Store the argument."""
        self._database = database

    async def _read(self, statement: "Select[Any]") -> list[RowMapping]:
        async with self._database.connect() as connection:
            return list((await connection.execute(statement)).mappings())

    async def offer(self, offer_id: str) -> tuple[Offer, Match]:
        """An offer with its appointment's search. Raises UnknownOffer."""
        for row in await self._read(select(offer).where(offer.c.offer_id == offer_id)):
            if (found := await self.match(row["appointment_id"])) is not None:
                return rows.offer_of(row), found
        raise UnknownOffer

    async def match(self, appointment_id: str) -> Match | None:
        """An appointment's search without its offers, or None."""
        found = await self._read(select(match).where(match.c.appointment_id == appointment_id))
        return rows.match_of(found[0]) if found else None

    async def offers_of(self, appointment_id: str, limit: int) -> list[Offer]:
        """The first `limit` offers made for the appointment, in the order of asking."""
        found = await self._read(
            select(offer)
            .where(offer.c.appointment_id == appointment_id)
            .order_by(offer.c.round, offer.c.rank)
            .limit(limit)
        )
        return [rows.offer_of(row) for row in found]

    async def decisions_of(self, appointment_id: str, limit: int) -> list[dict[str, object]]:
        """The first `limit` decisions about the appointment, oldest first."""
        found = await self._read(
            select(decision)
            .where(decision.c.appointment_id == appointment_id)
            .order_by(decision.c.id)
            .limit(limit)
        )
        return [
            {**row, **{name: json.loads(row[name]) for name in ("asked", "counts", "excluded")}}
            for row in found
        ]

    async def matches(
        self,
        state: str | None,
        department: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Match]:
        """The next `limit` searches by start and id of their appointment, after the given ones."""
        position = match.c.starts_at, match.c.appointment_id
        statement = select(match).order_by(*position).limit(limit)
        if state is not None:
            statement = statement.where(match.c.state == state)
        if department is not None:
            statement = statement.where(match.c.department == department)
        if after is not None:
            start = tuple_(literal(after[0], Instant), literal(after[1], Id))
            statement = statement.where(tuple_(*position) > start)
        return [rows.match_of(row) for row in await self._read(statement)]
