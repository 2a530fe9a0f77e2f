"""Reading the notices, for those who ask what became of them."""

from uuid import UUID

import asyncpg

from brobyg_notification.ports import State

_PAGE = """
select position, notification_id, template, recipient_role, recipient_id, referral_id, appointment_id, cause, state, reason, attempts,
       due_at, created_at, ended_at
from notification
where ($1::text is null or state = $1) and ($2::uuid is null or appointment_id = $2) and ($3::bigint is null or position < $3)
  and ($5::text is null or (recipient_role = 'coordinator' and recipient_id = $5))
order by position desc limit $4
"""


async def page(
    pool: "asyncpg.Pool[asyncpg.Record]",
    state: State | None,
    appointment_id: UUID | None,
    before: int | None,
    limit: int,
    department: str | None,
) -> list[asyncpg.Record]:
    """At most `limit` notices older than position `before`, newest first; of a department only those that were sent to it."""
    return await pool.fetch(_PAGE, state, appointment_id, before, limit, department)
