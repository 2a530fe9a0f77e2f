"""Volunteers in PostgreSQL: their profile, their contact kept apart, and who read it."""

from collections.abc import Collection

import msgspec
from brobyg_kit.database import Database, Transaction
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import (
    access_log,
    block,
    registration,
    volunteer,
    volunteer_contact,
)
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.ports import Contact, RegisteredRequest


class PostgresVolunteers:
    """`ports.Volunteers` on the service's own database, and what the API reads of volunteers."""

    def __init__(self, database: Database) -> None:
        """Store the argument."""
        self._database = database

    async def registered(
        self, tx: Transaction, key_hashes: Collection[bytes]
    ) -> RegisteredRequest | None:
        """See `ports.Volunteers.registered`."""
        # In one order, so that two transactions never wait for each other.
        for one in sorted(key_hashes):
            lock = int.from_bytes(one[:8], "big", signed=True)
            await tx.connection.execute(select(func.pg_advisory_xact_lock(lock)))
        columns = (registration.c[name] for name in RegisteredRequest.__struct_fields__)
        found = await tx.connection.execute(
            select(*columns).where(registration.c.key_hash.in_(key_hashes))
        )
        row = found.first()
        return RegisteredRequest(*row) if row else None

    async def add(
        self,
        tx: Transaction,
        added: Volunteer,
        contact: Contact,
        request: RegisteredRequest | None = None,
    ) -> None:
        """See `ports.Volunteers.add`."""
        await tx.connection.execute(
            insert(volunteer).values(rows.volunteer_values(added) | {"registered_at": tx.now})
        )
        await tx.connection.execute(
            insert(volunteer_contact).values(
                {"volunteer_id": added.volunteer_id} | msgspec.structs.asdict(contact)
            )
        )
        if request is not None:
            await tx.connection.execute(
                insert(registration).values(
                    msgspec.structs.asdict(request) | {"registered_at": tx.now}
                )
            )

    async def lock(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """See `ports.Volunteers.lock`."""
        found = await tx.connection.execute(
            select(volunteer)
            .where(volunteer.c.volunteer_id == volunteer_id)
            .with_for_update(key_share=True)
        )
        row = found.mappings().first()
        return rows.volunteer_of(row) if row else None

    async def update(self, tx: Transaction, changed: Volunteer) -> None:
        """See `ports.Volunteers.update`."""
        await tx.connection.execute(
            update(volunteer)
            .where(volunteer.c.volunteer_id == changed.volunteer_id)
            .values(rows.volunteer_values(changed))
        )

    async def block(
        self, tx: Transaction, volunteer_id: str, citizen_id: str, asked_by: str
    ) -> None:
        """See `ports.Volunteers.block`."""
        values = {
            "volunteer_id": volunteer_id, "citizen_id": citizen_id, "asked_by": asked_by,
            "blocked_at": tx.now,
        }  # fmt: skip
        await tx.connection.execute(upsert(block).values(values).on_conflict_do_nothing())

    async def get(self, volunteer_id: str) -> Volunteer | None:
        """The volunteer without contact, or None."""
        async with self._database.connect() as connection:
            found = await connection.execute(
                select(volunteer).where(volunteer.c.volunteer_id == volunteer_id)
            )
            row = found.mappings().first()
        return rows.volunteer_of(row) if row else None

    async def language(self, volunteer_id: str) -> str:
        """The language a volunteer reads. Names nobody, so it is not recorded as a reading."""
        async with self._database.connect() as connection:
            language: str | None = await connection.scalar(
                select(volunteer_contact.c.language).where(
                    volunteer_contact.c.volunteer_id == volunteer_id
                )
            )
        return language or "da"

    async def contact(self, volunteer_id: str, reader: str, purpose: str) -> Contact | None:
        """How the volunteer is reached, or None.

        Who reads it and what for is recorded in the same transaction.
        """
        columns = (volunteer_contact.c[name] for name in Contact.__struct_fields__)
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(
                select(*columns).where(volunteer_contact.c.volunteer_id == volunteer_id)
            )
            row = found.mappings().first()
            if row is None:
                return None
            values = {
                "read_at": tx.now, "reader": reader, "volunteer_id": volunteer_id,
                "purpose": purpose,
            }  # fmt: skip
            await tx.connection.execute(insert(access_log).values(values))
        return Contact(**row)
