"""What requests with an Idempotency-Key have made, in PostgreSQL."""

from brobyg_kit.database import Transaction
from sqlalchemy import insert, select

from brobyg_referral.cases.adapters.tables import idempotency_key


class PostgresRequests:
    """Implements `cases.ports.RequestStore`."""

    async def made(self, tx: Transaction, sender: str, key_hash: bytes) -> tuple[str, bytes] | None:
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
