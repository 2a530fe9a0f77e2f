"""What is kept for a number of days, and how it is ended, in PostgreSQL."""

from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes, is_restricted
from brobyg_kit.tables import restriction
from sqlalchemy import Text, cast, delete, exists, func, or_, select

from brobyg_matching.adapters.tables import (
    booking,
    need,
    offer,
    registration,
    seat,
)

_ended = func.greatest(need.c.opened_at, need.c.ends_at, need.c.closed_at)
#: Whether a need is about somebody restricted: its citizen, or a helper who was asked or came.
_HELD = or_(
    is_restricted(need.c.citizen_id),
    *(
        exists().where(
            table.c.need_id == need.c.need_id, cast(restriction.c.person_id, Text) == person
        )
        for table, person in (
            (seat, cast(seat.c.helper_id, Text)),
            (offer, cast(offer.c.helper_id, Text)),
            (booking, booking.c.holder),
        )
    ),
)


async def _needs(tx: Transaction, before: datetime, most: int) -> int:
    """Delete closed needs with all that is theirs."""
    over = await tx.connection.scalars(
        select(need.c.need_id)
        .where(need.c.state == "closed", _ended < before, ~_HELD)
        .order_by(_ended)
        .limit(most)
        .with_for_update(of=need, skip_locked=True)
    )
    ids = list(over)
    for table in (booking, offer, seat, need):
        await tx.connection.execute(delete(table).where(table.c.need_id.in_(ids)))
    return len(ids)


#: Who has left is erased: `HelperRights.over`.
RETENTION: dict[str, Carrier] = {
    "need": Carrier(_needs, batch=100),
    "registration": deletes(
        registration, registration.c.registered_at, ~is_restricted(registration.c.helper_id)
    ),
}
