"""Which open items nobody else is changing, in PostgreSQL."""

from collections.abc import Collection

from brobyg_kit.database import Transaction
from brobyg_kit.tables import attention
from sqlalchemy import select


class PostgresOpenItems:
    """Implements `cases.ports.OpenItems` and `cases.ports.CitizenItems`."""

    async def open_of(self, tx: Transaction, kind: str, citizen_id: str) -> set[str]:
        """As the port says.

        Looks through the open ones of the kind: no more than coordinators have before them.
        """
        about = attention.c.body["citizen_id"].astext == citizen_id
        is_open = (attention.c.kind == kind) & attention.c.settled_at.is_(None)
        return set(
            await tx.connection.scalars(select(attention.c.attention_id).where(is_open, about))
        )

    async def settled_by(self, tx: Transaction, ids: Collection[str]) -> dict[str, str]:
        """As the port says."""
        found = await tx.connection.execute(
            select(attention.c.attention_id, attention.c.settled_by)
            .where(attention.c.attention_id.in_(ids))
            .order_by(attention.c.attention_id)
            .with_for_update()
        )
        return {row.attention_id: row.settled_by for row in found if row.settled_by}

    async def lock_free(self, tx: Transaction, ids: Collection[str]) -> dict[str, bool]:
        """As the port says."""
        is_open = attention.c.attention_id.in_(ids) & attention.c.settled_at.is_(None)
        free = (
            select(attention.c.attention_id)
            .where(is_open)
            .order_by(attention.c.attention_id)
            .with_for_update(skip_locked=True)
            .cte("free")
        )
        is_free = attention.c.attention_id.in_(select(free.c.attention_id))
        found = await tx.connection.execute(
            select(attention.c.attention_id, is_free.label("is_free")).where(is_open)
        )
        return {row.attention_id: row.is_free for row in found}
