"""What is kept for a number of days, and how it is ended."""

from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes
from brobyg_kit.tables import restriction
from sqlalchemy import Text, cast, delete, exists, func, select

from brobyg_notification.adapters.tables import called_off, closed_need, notification

_n, _closed = notification.c, closed_need.c
_to = notification.alias("to_restricted")
#: All that was told about a need of which somebody restricted was told stays (GDPR art. 18(2)).
_FREE = _n.need_id.not_in(
    select(_to.c.need_id).where(_to.c.recipient_id.in_(select(cast(restriction.c.person_id, Text))))
)
_WITH_A_SPAN = deletes(
    notification,
    func.greatest(_n.ended_at, _n.ends_at),
    _n.state != "waiting",
    _n.ends_at.is_not(None),
    _FREE,
)


async def _notices(tx: Transaction, before: datetime, most: int) -> int:
    """Delete what tells of something that is over.

    A need without a span, such as a case, is over when it is closed: until then a later release
    goes by what was told of it.
    """
    done = await _WITH_A_SPAN.carry_out(tx, before, most)
    over = (
        select(_n.position)
        .join(closed_need, _closed.need_id == _n.need_id)
        .where(_closed.closed_at < before, _n.ended_at < before, _n.ends_at.is_(None), _FREE)
        .order_by(_closed.closed_at)
        .limit(most - done)
        .with_for_update(of=notification, skip_locked=True)
    )
    found = await tx.connection.execute(delete(notification).where(_n.position.in_(over)))
    return done + int(found.rowcount)


RETENTION: dict[str, Carrier] = {
    "notification": Carrier(_notices),
    "called_off": deletes(called_off, called_off.c.happened_at),
    # As long as there is a notice that counts from it.
    "closed_need": deletes(
        closed_need, _closed.closed_at, ~exists().where(_n.need_id == _closed.need_id)
    ),
}
