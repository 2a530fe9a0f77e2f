"""What coordinators are to be told once a restriction is lifted, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence

from brobyg_kit.database import Transaction
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, attention
from sqlalchemy import Text, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from brobyg_referral.cases.adapters.tables import withheld_item

_w = withheld_item.c


class PostgresWithheldItems:
    """Implements `cases.ports.WithheldItems`."""

    async def keep(self, tx: Transaction, items: Sequence[tuple[str, str, bool]]) -> None:
        """As the port says."""
        last = {(about, kind): needed for kind, about, needed in items}
        gone = sorted(one for one, needed in last.items() if not needed)
        if gone:
            await tx.connection.execute(
                delete(withheld_item).where(tuple_(_w.appointment_id, _w.kind).in_(gone))
            )
        await _add(tx, sorted(one for one, needed in last.items() if needed))

    async def keep_open(self, tx: Transaction, items: Mapping[str, tuple[str, str]]) -> None:
        """As the port says."""
        is_open = attention.c.attention_id.in_(items) & attention.c.settled_at.is_(None)
        found = await tx.connection.scalars(select(attention.c.attention_id).where(is_open))
        await _add(tx, sorted((about, kind) for kind, about in map(items.__getitem__, found)))

    async def take(self, tx: Transaction, appointment_ids: Collection[str]) -> set[tuple[str, str]]:
        """As the port says."""
        taken = delete(withheld_item).where(_w.appointment_id.in_(appointment_ids))
        found = await tx.connection.execute(taken.returning(_w.kind, _w.appointment_id))
        return {(row.kind, row.appointment_id) for row in found}


async def _add(tx: Transaction, items: Sequence[tuple[str, str]]) -> None:
    if not items:
        return
    given = unnest({"appointment_id": Id, "kind": Text()}, items)
    added = insert(withheld_item).from_select(["appointment_id", "kind"], select(*given.c))
    await tx.connection.execute(added.on_conflict_do_nothing())
