"""The views that analysts read, and their data dictionary.

A column's comment is that of the table's column of the same name; computed ones have theirs here.
`{v}` in the SQL stands for the schema of the version that is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
from brobyg_kit.database import Driver, driver_of
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import SCHEMA, schema_of, tables_of
from brobyg_reporting.errors import RebuildRefused


@dataclass(frozen=True, slots=True)
class View:
    """One view, its comment and those of its computed columns."""

    sql: str
    comment: str
    columns: Mapping[str, str] = field(default_factory=dict)


_DEPARTMENT = {"department": "The referral's department."}
#: What the SQL mentions by name.
_EXPRESSIONS = {
    "month": "date_trunc('month', a.starts_at at time zone 'Europe/Copenhagen')::date",
    "time_to_match": "extract(epoch from a.first_matched_at - a.booked_at)",
}

VIEWS: Mapping[str, View] = {
    "event_log": View("select * from {v}.event_log", str(tables_of(0)["event_log"].comment)),
    "referral": View(
        """
        select r.*,
            case
                when r.consent <> 'given' then 'no_consent'
                when next.appointment_id is null and r.appointments_booked = 0 then 'no_appointment'
                when next.appointment_id is null then 'over'
                when next.match_state = 'matched' then 'matched'
                when next.match_state = 'escalated' then 'escalated'
                else 'searching'
            end as standing,
            next.appointment_id as next_appointment_id,
            next.starts_at as next_starts_at
        from {v}.referral r
        left join lateral (
            select a.appointment_id, a.starts_at, a.match_state from {v}.appointment a
            where a.referral_id = r.referral_id and a.state = 'booked'
                -- What was booked before consent was withdrawn is no longer the referral's:
                -- consent given anew does not bring it back.
                and (r.consent_withdrawn_at is null or a.booked_at > r.consent_withdrawn_at)
                -- One that the hospital never closed is passed over once something has happened
                -- after it.
                and a.ends_at
                    > greatest(r.referral_changed_at, r.matching_changed_at, r.notified_at)
            order by a.starts_at, a.appointment_id limit 1
        ) next on true
        """,
        "One row a referral: where it stands.",
        {
            "standing": (
                "no_consent, no_appointment, searching, matched, escalated, or over (no"
                " appointment ahead), judged by the next booked appointment."
            ),
            "next_appointment_id": (
                "The earliest appointment still booked, of those that came under the consent in"
                " force and end after the referral's latest event."
            ),
            "next_starts_at": "When that one starts, UTC.",
        },
    ),
    "appointment": View(
        """
        select a.*, r.department, r.municipality_code, r.pathway,
            {month} as month,
            {time_to_match}::double precision as seconds_to_match
        from {v}.appointment a left join {v}.referral r on r.referral_id = a.referral_id
        """,
        "One row an appointment: what the hospital says of it, and how the search for a volunteer"
        " went.",
        {
            **_DEPARTMENT,
            "municipality_code": "The citizen's municipality.",
            "pathway": "The referral's pathway.",
            "month": "First day of the month of the start, Danish time.",
            "seconds_to_match": "Seconds from booking to the first match; null when never matched.",
        },
    ),
    "offer": View(
        """
        select o.*, r.department
        from {v}.offer o left join {v}.referral r on r.referral_id = o.referral_id
        """,
        "One row an offer to a volunteer.",
        _DEPARTMENT,
    ),
    "volunteer": View("select * from {v}.volunteer", "One row a volunteer, without identity."),
    "notification": View(
        """
        select n.*, r.department
        from {v}.notification n left join {v}.referral r on r.referral_id = n.referral_id
        """,
        "One row a message that was sent or given up.",
        _DEPARTMENT,
    ),
    "appointment_summary": View(
        """
        select r.department, r.municipality_code,
            {month} as month,
            case
                when a.state = 'booked' and a.booked_at <= r.consent_withdrawn_at then 'forgotten'
                else a.state
            end as state,
            a.match_state, count(*) as appointments,
            coalesce(sum(a.minutes), 0)::bigint as volunteer_minutes
        from {v}.appointment a left join {v}.referral r on r.referral_id = a.referral_id
        where a.state is not null
        group by 1, 2, 3, 4, 5
        """,
        "Appointments counted by department, municipality, month and state.",
        {
            **_DEPARTMENT,
            "municipality_code": "The citizen's municipality.",
            "month": "First day of the month of the start, Danish time.",
            "state": (
                "As in appointment.state; forgotten for what was booked when consent was"
                " withdrawn: no more is heard of it."
            ),
            "match_state": "As in appointment.match_state.",
            "appointments": "Number of appointments.",
            "volunteer_minutes": "Minutes of the volunteers matched to them.",
        },
    ),
    "volunteer_activity": View(
        """
        select v.volunteer_id, v.pool, v.department, v.municipality_code, v.status,
            coalesce(o.offers, 0) as offers, coalesce(o.accepted, 0) as accepted,
            coalesce(o.declined, 0) as declined, coalesce(o.expired, 0) as expired,
            coalesce(e.planned, 0) as escorts_planned, coalesce(e.done, 0) as escorts_done,
            coalesce(e.minutes_done, 0)::bigint as minutes_done,
            round(coalesce(e.minutes_done, 0) / 60.0, 2)::double precision as hours_done,
            e.latest_escort_at
        from {v}.volunteer v
        left join (
            select volunteer_id, count(*) as offers,
                count(*) filter (where state = 'accepted') as accepted,
                count(*) filter (where state = 'declined') as declined,
                count(*) filter (where state = 'expired') as expired
            from {v}.offer group by 1
        ) o using (volunteer_id)
        left join (
            select volunteer_id, count(*) filter (where state = 'booked') as planned,
                count(*) filter (where state in ('completed', 'missed')) as done,
                sum(minutes) filter (where state in ('completed', 'missed')) as minutes_done,
                max(starts_at) filter (where state in ('completed', 'missed')) as latest_escort_at
            from {v}.appointment where volunteer_id is not null group by 1
        ) e using (volunteer_id)
        """,
        "What each volunteer was asked, answered and did.",
        {
            "volunteer_id": "Opaque id.",
            "pool": "student or retired_professional.",
            "department": "Department they belong to.",
            "municipality_code": "Municipality they live in.",
            "status": "applied, active or paused.",
            "offers": "Offers received.",
            "accepted": "Offers accepted.",
            "declined": "Offers declined.",
            "expired": "Offers left unanswered.",
            "escorts_planned": "Matched appointments still booked.",
            "escorts_done": (
                "Matched appointments that were completed or missed by the citizen: the volunteer"
                " gave the time either way. One that ended and was then moved to a later day"
                " counts for the volunteer of that day."
            ),
            "minutes_done": "Minutes given to those.",
            "hours_done": "The same in hours.",
            "latest_escort_at": "Start of the latest of those, UTC.",
        },
    ),
    "time_to_match": View(
        """
        select r.department, {month} as month, count(*) as matched,
            percentile_cont(0.5) within group (order by {time_to_match}) as p50_seconds,
            percentile_cont(0.9) within group (order by {time_to_match}) as p90_seconds,
            percentile_cont(0.99) within group (order by {time_to_match}) as p99_seconds,
            max({time_to_match})::double precision as max_seconds
        from {v}.appointment a left join {v}.referral r on r.referral_id = a.referral_id
        where a.first_matched_at is not null and a.booked_at is not null
        group by 1, 2
        """,
        "Time from booking to the first match, by department and month of the appointment.",
        {
            **_DEPARTMENT,
            "month": "First day of the month of the appointment, Danish time.",
            "matched": "Appointments that were matched at least once.",
            "p50_seconds": "Median, seconds.",
            "p90_seconds": "90th percentile, seconds.",
            "p99_seconds": "99th percentile, seconds.",
            "max_seconds": "Longest, seconds.",
        },
    ),
    "event_count": View(
        "select type, count(*) as events from {v}.event_log group by type",
        "Number of events of each type.",
        {"type": "CloudEvents type.", "events": "Number of events."},
    ),
}


async def show(connection: AsyncConnection, number: int) -> None:
    """Point every view at the version, in the current transaction.

    New columns come after those a view has, so that views built on it survive. A view of which a
    column goes or changes its type is made anew; raises RebuildRefused when others are built on
    it. Raises the driver's LockNotAvailableError when readers hold one for longer than the
    transaction's lock_timeout.
    """
    driver = await driver_of(connection)
    # First this, which does nothing, has all views locked at once: to lock one after the other
    # while they are defined would often meet a reader who has a later one and waits for an earlier
    # one. LOCK would lock the tables behind them too, and wait for a vacuum of those.
    statements = [
        f"alter view if exists {SCHEMA}.{name} reset (security_barrier)" for name in VIEWS
    ]
    for name, view in VIEWS.items():
        statements += await _definition(driver, name, view, schema_of(number))
    try:
        await driver.execute(";".join([*statements, *_comments()]))
    except asyncpg.DependentObjectsStillExistError as error:
        raise RebuildRefused(
            f"a view loses a column, or a column's type changes, and others are built on it:"
            f" {error}, {error.detail}; drop those, run this again and build them anew"
        ) from error


async def _definition(driver: Driver, name: str, view: View, schema: str) -> list[str]:
    """The statements that give the view its new definition, the columns it has first."""
    sql = view.sql.format(v=schema, **_EXPRESSIONS)
    gives = {one.name: one.type.oid for one in (await driver.prepare(sql)).get_attributes()}
    has = {
        row["attname"]: row["atttypid"]
        for row in await driver.fetch(
            "select attname, atttypid from pg_attribute where attrelid = to_regclass($1)"
            " and attnum > 0 order by attnum",
            f"{SCHEMA}.{name}",
        )
    }
    survives = has.items() <= gives.items()
    columns = ", ".join([*has, *(one for one in gives if one not in has)] if survives else gives)
    return [
        *([] if survives else [f"drop view {SCHEMA}.{name}"]),
        f"create or replace view {SCHEMA}.{name} as select {columns} from ({sql}) as shown",  # noqa: S608  # our own names
    ]


def _comments() -> list[str]:
    statements = []
    tables = tables_of(0)
    for name, view in VIEWS.items():
        statements.append(f"comment on view {SCHEMA}.{name} is {_quoted(view.comment)}")
        table = {c.name: str(c.comment) for c in tables[name].c} if name in tables else {}
        for column, comment in {**table, **view.columns}.items():
            statements.append(f"comment on column {SCHEMA}.{name}.{column} is {_quoted(comment)}")
    return statements


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
