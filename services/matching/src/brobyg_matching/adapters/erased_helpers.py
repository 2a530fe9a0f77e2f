"""What goes with a helper who is erased, in PostgreSQL."""

from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.tables import Id
from sqlalchemy import Text, bindparam, cast, delete, exists, func, select, update

from brobyg_matching.adapters.tables import (
    block,
    booking,
    caseload,
    helper,
    need,
    offer,
    paper,
    registration,
    seat,
    turn,
)

_ID = bindparam("helper", type_=Id)
_HELD = (registration, paper, block, turn)
_IS_ERASED = exists(
    select(helper.c.helper_id).where(helper.c.helper_id == _ID, helper.c.status == "erased")
)
#: What tells from how far they come: the times are those of the need from now on.
_FORGET_TIMES = (
    update(seat)
    .where(
        seat.c.helper_id == _ID,
        seat.c.need_id == need.c.need_id,
        seat.c.leave_at.is_not(None),
        _IS_ERASED,
    )
    .values(leave_at=need.c.starts_at, meet_at=need.c.starts_at, home_at=need.c.ends_at),
    update(offer)
    .where(offer.c.helper_id == _ID, offer.c.state != "open", _IS_ERASED)
    .values(distance_metres=None, leave_at=None, meet_at=None, home_at=None),
    update(booking)
    .where(
        booking.c.holder == cast(_ID, Text),
        booking.c.need_id == need.c.need_id,
        booking.c.span.is_not(None),
        _IS_ERASED,
    )
    .values(span=booking.c.span * func.tstzrange(need.c.starts_at, need.c.ends_at)),
    delete(caseload).where(caseload.c.helper_id == _ID, caseload.c.taken == 0, _IS_ERASED),
)
_BOUND = (
    select(offer.c.need_id)
    .where(offer.c.helper_id == _ID, offer.c.state == "open")
    .union(select(seat.c.need_id).where(seat.c.helper_id == _ID, seat.c.state == "filled"))
)


async def destroy(tx: Transaction, helper_id: str) -> None:
    """Delete their papers, their requests to register and their blocks."""
    for table in _HELD:
        await tx.connection.execute(delete(table).where(table.c.helper_id == helper_id))


async def forget_times(tx: Transaction, helper_id: str) -> None:
    """See `ports.Helpers.forget_times`."""
    for statement in _FORGET_TIMES:
        await tx.connection.execute(statement, {"helper": helper_id})


async def bound(tx: Transaction, helper_id: str) -> list[str]:
    """See `ports.Helpers.bound`."""
    return sorted(await tx.connection.scalars(_BOUND, {"helper": helper_id}))


async def left(tx: Transaction, before: datetime, most: int) -> list[str]:
    """See `ports.Helpers.left`."""
    found = await tx.connection.scalars(
        select(helper.c.helper_id)
        .where(helper.c.status.in_(("applied", "paused")), helper.c.inactive_since < before)
        .order_by(helper.c.inactive_since)
        .limit(most)
        .with_for_update(of=helper, key_share=True, skip_locked=True)
    )
    return list(found)
