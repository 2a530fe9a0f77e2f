"""What is kept for a number of days, and how it is ended, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes
from sqlalchemy import delete, func, select

from brobyg_matching.adapters.tables import (
    access_log,
    block,
    booking,
    helper,
    helper_contact,
    need,
    offer,
    paper,
    person_key,
    registration,
    seat,
)

_ended = func.greatest(need.c.opened_at, need.c.ends_at)


async def _needs(tx: Transaction, before: datetime, most: int) -> int:
    """Delete closed needs with all that is theirs."""
    over = await tx.connection.scalars(
        select(need.c.need_id)
        .where(need.c.state == "closed", _ended < before)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = list(over)
    for table in (booking, offer, seat, need):
        await tx.connection.execute(delete(table).where(table.c.need_id.in_(ids)))
    return len(ids)


async def _helpers(tx: Transaction, before: datetime, most: int) -> int:
    """Delete how those are reached who have left, what they have signed and whom they blocked."""
    left = await _left(tx, before, most)
    for table in (helper_contact, registration, paper, block):
        await tx.connection.execute(delete(table).where(table.c.helper_id.in_(left)))
    await tx.connection.execute(delete(person_key).where(person_key.c.person_id.in_(left)))
    return len(left)


async def _left(tx: Transaction, before: datetime, most: int) -> Sequence[str]:
    """Helpers whom we still know, and who have not been active since; locked."""
    found = await tx.connection.scalars(
        select(helper.c.helper_id)
        .join(helper_contact, helper_contact.c.helper_id == helper.c.helper_id)
        .where(helper.c.status.in_(("applied", "paused")), helper.c.inactive_since < before)
        .limit(most)
        .with_for_update(of=helper, key_share=True, skip_locked=True)
    )
    return list(found)


RETENTION: dict[str, Carrier] = {
    "helper_left": Carrier(_helpers, batch=20),
    "need": Carrier(_needs, batch=100),
    "registration": deletes(registration, registration.c.registered_at),
    "access_log": deletes(access_log, access_log.c.read_at),
}
