"""Reading the notices, for those who ask what became of them."""

from collections.abc import Sequence
from uuid import UUID

from brobyg_kit.database import Database
from sqlalchemy import RowMapping, select

from brobyg_notification.adapters.tables import notification
from brobyg_notification.ports import State

_n = notification.c


async def page(
    database: Database,
    state: State | None,
    appointment_id: UUID | None,
    before: int | None,
    limit: int,
    department: str | None,
) -> Sequence[RowMapping]:
    """At most `limit` notices older than position `before`, newest first.

    Of a department only those that were sent to it.
    """
    statement = (
        select(
            _n.position,
            _n.notification_id,
            _n.template,
            _n.recipient_role,
            _n.recipient_id,
            _n.referral_id,
            _n.appointment_id,
            _n.cause,
            _n.state,
            _n.reason,
            _n.attempts,
            _n.due_at,
            _n.created_at,
            _n.ended_at,
        )
        .order_by(_n.position.desc())
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(_n.state == state)
    if appointment_id is not None:
        statement = statement.where(_n.appointment_id == str(appointment_id))
    if before is not None:
        statement = statement.where(_n.position < before)
    if department is not None:
        statement = statement.where(
            _n.recipient_role == "coordinator", _n.recipient_id == department
        )
    async with database.connect() as connection:
        return (await connection.execute(statement)).mappings().all()
