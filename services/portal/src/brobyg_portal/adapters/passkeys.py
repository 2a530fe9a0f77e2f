"""Passkeys of helpers and citizens in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from brobyg_portal.adapters.authenticators import NewPasskey
from brobyg_portal.adapters.tables import passkey
from brobyg_portal.domain.sign_in_link import Known

#: How many somebody may have.
MOST = 10
_LOCK = 0x706B6579
_p = passkey.c


@dataclass(frozen=True, slots=True)
class OwnPasskey:
    """A passkey as whose it is sees it."""

    credential_id: bytes
    added_at: datetime
    used_at: datetime

    @property
    def name(self) -> str:
        """Names it in a form."""
        return self.credential_id.hex()


class Passkeys:
    """The table passkey."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def of(self, subject: str) -> list[OwnPasskey]:
        """Somebody's, the newest first."""
        wanted = select(_p.credential_id, _p.added_at, _p.used_at).where(_p.subject == subject)
        async with self._database.connect() as connection:
            rows = await connection.execute(wanted.order_by(_p.added_at.desc()))
            return [OwnPasskey(*row) for row in rows]

    async def add(self, known: Known, new: NewPasskey) -> bool:
        """Keep one; False where it is there already, or they have as many as they may."""
        now = self._clock.now()
        row = {
            "credential_id": new.credential_id,
            "kind": known.kind,
            "subject": known.subject,
            "public_key": new.public_key,
            "sign_count": new.sign_count,
            "added_at": now,
            "used_at": now,
            "checked_at": now,
        }
        async with self._database.transaction() as tx:
            number = int.from_bytes(known.subject.encode()[-4:], "big", signed=True)
            await tx.connection.execute(select(func.pg_advisory_xact_lock(_LOCK, number)))
            counted = select(func.count()).where(_p.subject == known.subject)
            if int(await tx.connection.scalar(counted) or 0) >= MOST:
                return False
            done = await tx.connection.execute(insert(passkey).values(row).on_conflict_do_nothing())
        return bool(done.rowcount)

    async def find(self, credential_id: bytes) -> tuple[Known, NewPasskey] | None:
        """Whose it is."""
        wanted = select(_p.kind, _p.subject, _p.public_key, _p.sign_count).where(
            _p.credential_id == credential_id
        )
        async with self._database.connect() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        found = NewPasskey(credential_id, row.public_key, row.sign_count)
        return Known(row.kind, row.subject), found

    async def used(self, credential_id: bytes, sign_count: int) -> None:
        """It has proven itself."""
        values = {"used_at": self._clock.now(), "sign_count": sign_count}
        statement = update(passkey).where(_p.credential_id == credential_id).values(values)
        async with self._database.connect() as connection:
            await connection.execute(statement)

    async def remove(self, subject: str, name: str) -> bool:
        """Delete one of theirs; False where it is none of theirs."""
        try:
            credential_id = bytes.fromhex(name)
        except ValueError:
            return False
        theirs = delete(passkey).where(_p.credential_id == credential_id, _p.subject == subject)
        async with self._database.connect() as connection:
            return bool((await connection.execute(theirs)).rowcount)
