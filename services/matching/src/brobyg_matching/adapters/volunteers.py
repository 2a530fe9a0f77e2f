"""Volunteers in PostgreSQL: their profile, their contact kept apart, and who read it."""

from datetime import datetime

import msgspec
from brobyg_kit.database import Database, Transaction

from brobyg_matching.adapters import rows
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.ports import Contact


class PostgresVolunteers:
    """The service's volunteers. Every method may raise an asyncpg error or OSError."""

    def __init__(self, database: Database) -> None:
        """Keeps nothing of its own."""
        self._database = database

    async def registered(
        self, tx: Transaction, key_hash: bytes, request_hash: bytes, volunteer_id: str
    ) -> tuple[str, bytes]:
        """The volunteer that belongs to this key, and the hash of the request that made them: these ones, unless there are earlier ones.

        Blocks while another transaction registers by the same key.
        """
        await tx.driver.execute(
            "insert into registration (key_hash, request_hash, volunteer_id, registered_at) values ($1, $2, $3, $4)"
            " on conflict (key_hash) do nothing",
            key_hash, request_hash, volunteer_id, tx.now,
        )  # fmt: skip
        [row] = await tx.driver.fetch(
            "select volunteer_id::text, request_hash from registration where key_hash = $1",
            key_hash,
        )
        return row["volunteer_id"], row["request_hash"]

    async def add(self, tx: Transaction, volunteer: Volunteer, contact: Contact) -> None:
        """Keep a new volunteer."""
        v = volunteer
        await tx.driver.execute(
            "insert into volunteer (volunteer_id, status, pool, department, languages, gender, competences, home_postcode,"
            " range_metres, travel, availability, away, weekly_limit, version, registered_at,"
            " confidentiality_signed_on, record_checked_on, introduced_on)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            v.volunteer_id, v.status, v.pool, v.department, sorted(v.languages), v.gender, sorted(v.competences),
            v.home_postcode, v.range_metres, v.travel, msgspec.to_builtins(v.availability), sorted(v.away), v.weekly_limit,
            v.version, tx.clock.now(), v.confidentiality_signed_on, v.record_checked_on, v.introduced_on,
        )  # fmt: skip
        await tx.driver.execute(
            "insert into volunteer_contact (volunteer_id, name, email, phone, language) values ($1, $2, $3, $4, $5)",
            v.volunteer_id, contact.name, contact.email, contact.phone, contact.language,
        )  # fmt: skip

    @staticmethod
    async def locked(tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """The volunteer, locked until the transaction ends, or None. Blocks while somebody else holds the lock."""
        row = await tx.driver.fetchrow(
            rows.SELECT_VOLUNTEER + " where volunteer_id = $1 for no key update", volunteer_id
        )
        return rows.volunteer_of(row) if row else None

    @staticmethod
    async def update(tx: Transaction, volunteer: Volunteer) -> None:
        """Write status, dates and version."""
        await tx.driver.execute(
            "update volunteer set status = $2, version = $3, confidentiality_signed_on = $4, record_checked_on = $5,"
            " introduced_on = $6 where volunteer_id = $1",
            volunteer.volunteer_id, volunteer.status, volunteer.version, volunteer.confidentiality_signed_on,
            volunteer.record_checked_on, volunteer.introduced_on,
        )  # fmt: skip

    async def get(self, volunteer_id: str) -> Volunteer | None:
        """The volunteer without contact, or None."""
        row = await self._database.pool.fetchrow(
            rows.SELECT_VOLUNTEER + " where volunteer_id = $1", volunteer_id
        )
        return rows.volunteer_of(row) if row else None

    async def language(self, volunteer_id: str) -> str:
        """The language a volunteer reads. Names nobody, so it is no reading of the contact."""
        language: str | None = await self._database.pool.fetchval(
            "select language from volunteer_contact where volunteer_id = $1", volunteer_id
        )
        return language or "da"

    async def contact(
        self, volunteer_id: str, reader: str, purpose: str, now: datetime
    ) -> Contact | None:
        """How the volunteer is reached, or None. Who reads and what for is recorded in the same transaction."""
        async with self._database.pool.acquire(timeout=10) as connection, connection.transaction():
            row = await connection.fetchrow(
                "select name, email, phone, language from volunteer_contact where volunteer_id = $1",
                volunteer_id,
            )
            if row is None:
                return None
            await connection.execute(
                "insert into access_log (read_at, reader, volunteer_id, purpose) values ($1, $2, $3, $4)",
                now, reader, volunteer_id, purpose,
            )  # fmt: skip
            return Contact(**dict(row))
