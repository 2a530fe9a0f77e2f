"""What the API asks the views. `department` limits every answer to one department; None is all of them."""

from dataclasses import dataclass
from typing import Any

from brobyg_kit.database import Database

from brobyg_reporting.domain.sentences import sentence

#: A row as JSON can hold it; its keys are the view's columns, described in the data dictionary.
Row = dict[str, Any]

_MOST_EVENTS = 5_000


@dataclass(frozen=True, slots=True)
class Queries:
    """Reads only, each within the pool's own time limit."""

    database: Database

    async def department_of(self, referral_id: str) -> tuple[bool, str | None]:
        """Whether anything is known of the referral, and its department."""
        row = await self.database.pool.fetchrow(
            "select department from reporting.referral where referral_id = $1", referral_id
        )
        return (row is not None, row["department"] if row else None)

    async def timeline(self, referral_id: str) -> list[Row]:
        """Everything that happened to the referral in order of time, the first 5,000 events."""
        rows = await self.database.pool.fetch(
            "select id::text, time, type, subject, sequence, correlationid, causationid, data::text from reporting.event_log"
            " where subject = $1 order by time, topic, record_offset limit $2",
            referral_id,
            _MOST_EVENTS,
        )
        return [_told(dict(row)) for row in rows]

    async def referrals(
        self, department: str | None, standing: str | None, limit: int, offset: int
    ) -> tuple[int, list[Row]]:
        """Number of referrals and one page of them, the newest first."""
        total = await self.database.pool.fetchval(
            "select count(*) from reporting.referral where ($1::text is null or department = $1) and ($2::text is null or standing = $2)",
            department,
            standing,
        )
        rows = await self.database.pool.fetch(
            "select * from reporting.referral where ($1::text is null or department = $1) and ($2::text is null or standing = $2)"
            " order by created_at desc nulls last, referral_id limit $3 offset $4",
            department,
            standing,
            limit,
            offset,
        )
        return int(total), [dict(row) for row in rows]

    async def appointments(self, department: str | None) -> list[Row]:
        """Appointments counted by municipality, month and state."""
        return await self._of_department(
            "select * from reporting.appointment_summary {where}"
            " order by department, municipality_code, month, state, match_state",
            department,
        )

    async def volunteers(
        self, department: str | None, limit: int, offset: int
    ) -> tuple[int, list[Row]]:
        """Number of volunteers and one page of their activity, those with most hours first."""
        total = await self.database.pool.fetchval(
            "select count(*) from reporting.volunteer where $1::text is null or department = $1",
            department,
        )
        rows = await self.database.pool.fetch(
            "select * from reporting.volunteer_activity where $1::text is null or department = $1"
            " order by minutes_done desc, volunteer_id limit $2 offset $3",
            department,
            limit,
            offset,
        )
        return int(total), [dict(row) for row in rows]

    async def time_to_match(self, department: str | None) -> list[Row]:
        """Percentiles of the time from booking to the first match, by department and month."""
        return await self._of_department(
            "select * from reporting.time_to_match {where} order by department, month", department
        )

    async def counts(self, department: str | None) -> dict[str, int]:
        """Number of events of each type."""
        if department is None:
            rows = await self.database.pool.fetch(
                "select type, events from reporting.event_count order by type"
            )
        else:
            rows = await self.database.pool.fetch(
                "select e.type, count(*) as events from reporting.event_log e where e.subject in"
                " (select referral_id from reporting.referral where department = $1"
                " union all select volunteer_id from reporting.volunteer where department = $1) group by e.type order by e.type",
                department,
            )
        return {row["type"]: row["events"] for row in rows}

    async def _of_department(self, sql: str, department: str | None) -> list[Row]:
        rows = await self.database.pool.fetch(
            sql.format(where="where $1::text is null or department = $1"), department
        )
        return [dict(row) for row in rows]


def _told(row: Row) -> Row:
    english, danish = sentence(row["type"], row.pop("data").encode())
    return {**row, "sentence": {"en": english, "da": danish}}
