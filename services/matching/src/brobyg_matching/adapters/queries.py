"""What the API shows of offers, matches and decisions. Reads only, without locks."""

import json
from datetime import datetime

import asyncpg
from brobyg_kit.database import Database

from brobyg_matching.adapters import rows
from brobyg_matching.domain.match import Match, Offer


class Reads:
    """Every method may raise an asyncpg error or OSError."""

    def __init__(self, database: Database) -> None:
        """Keeps nothing of its own."""
        self._database = database

    async def offer(self, offer_id: str) -> tuple[Offer, Match] | None:
        """An offer with its appointment's search, or None."""
        row = await self._database.pool.fetchrow(
            rows.SELECT_OFFER + " where offer_id = $1", offer_id
        )
        if row is None:
            return None
        match = await self.match(row["appointment_id"])
        return (rows.offer_of(row), match) if match else None

    async def match(self, appointment_id: str) -> Match | None:
        """An appointment's search without its offers, or None."""
        row = await self._database.pool.fetchrow(
            rows.SELECT_MATCH + " where appointment_id = $1", appointment_id
        )
        return rows.match_of(row) if row else None

    async def offers_of(self, appointment_id: str, limit: int) -> list[Offer]:
        """Everybody asked about the appointment so far, in the order of asking."""
        found = await self._database.pool.fetch(
            rows.SELECT_OFFER + " where appointment_id = $1 order by round, rank limit $2",
            appointment_id,
            limit,
        )
        return [rows.offer_of(row) for row in found]

    async def decisions_of(self, appointment_id: str, limit: int) -> list[dict[str, object]]:
        """The decisions about the appointment, oldest first, as JSON."""
        found = await self._database.pool.fetch(
            "select round, wave, decided_at, outcome, could, asked, counts, excluded from decision"
            " where appointment_id = $1 order by id limit $2",
            appointment_id,
            limit,
        )
        return [_decision(row) for row in found]

    async def matches(
        self,
        state: str | None,
        department: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Match]:
        """Searches by the start of their appointment, after the given start and id."""
        found = await self._database.pool.fetch(
            rows.SELECT_MATCH + " where ($1::text is null or state = $1)"
            " and ($2::text is null or department = $2)"
            " and ($3::timestamptz is null or (starts_at, appointment_id) > ($3, $4::uuid))"
            " order by starts_at, appointment_id limit $5",
            state,
            department,
            after[0] if after else None,
            after[1] if after else None,
            limit,
        )
        return [rows.match_of(row) for row in found]


def _decision(row: asyncpg.Record) -> dict[str, object]:
    return {
        **dict(row),
        **{name: json.loads(row[name]) for name in ("asked", "counts", "excluded")},
    }
