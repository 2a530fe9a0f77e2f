"""What requests with an Idempotency-Key have made, in PostgreSQL."""

from collections.abc import Collection

from brobyg_kit.database import Transaction
from brobyg_kit.tables import Id
from sqlalchemy import ARRAY, bindparam, func, insert, null, select, update

from brobyg_referral.cases.adapters.tables import idempotency_key


class PostgresRequests:
    """Implements `cases.ports.RequestStore`."""

    async def made(
        self, tx: Transaction, sender: str, key_hash: bytes
    ) -> tuple[str, bytes] | tuple[None, None] | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(idempotency_key.c.made_id, idempotency_key.c.request_hash).where(
                idempotency_key.c.sender == sender, idempotency_key.c.key_hash == key_hash
            )
        )
        row = found.one_or_none()
        return (row.made_id, row.request_hash) if row else None

    async def remember(
        self, tx: Transaction, sender: str, key_hash: bytes, request_hash: bytes, made_id: str
    ) -> None:
        """As the port says. Raises a unique violation when the key was used meanwhile."""
        await tx.connection.execute(
            insert(idempotency_key).values(
                sender=sender,
                key_hash=key_hash,
                request_hash=request_hash,
                made_id=made_id,
                created_at=tx.now,
            )
        )

    async def forget(self, tx: Transaction, referral_ids: Collection[str]) -> None:
        """As the port says."""
        given = bindparam("referrals", list(referral_ids), type_=ARRAY(Id))
        await tx.connection.execute(
            update(idempotency_key)
            .where(idempotency_key.c.made_id == func.any(given))
            .values(made_id=null(), request_hash=null())
        )
