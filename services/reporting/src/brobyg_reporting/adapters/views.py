"""The views that analysts read, shown on one version or another of the projections."""

import asyncpg
from brobyg_contracts import NeedDecided, reference
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.database import Driver, driver_of
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.tables import SCHEMA, schema_of, tables_of
from brobyg_reporting.adapters.view_definitions import VIEWS, View
from brobyg_reporting.errors import RebuildRefused

#: The records of the reference data in the service's copy: a record's value is a CloudEvent.
_RECORDS = f"""
    select key, convert_from(body, 'UTF8')::jsonb -> 'data' as body from replica
    where topic = '{reference.TOPIC}' and body is not null
"""  # noqa: S608  # a constant of ours
#: What the SQL mentions by name. Names of places and departments come from the service's copy of
#: the reference data.
_EXPRESSIONS = {
    "decided": NeedDecided.EVENT_TYPE,
    "departments": f"""(
        select distinct on (id) coalesce(former, split_part(key, '/', 2)) as id,
            body ->> 'label' as name, split_part(key, '/', 2) as current
        from ({_RECORDS}) d left join lateral (
            select null as former
            union all select jsonb_array_elements_text(body -> 'former')
        ) f on true
        where starts_with(key, 'department/')
        order by id, former nulls last
    )""",  # noqa: S608  # as above
    "places": f"""(
        select split_part(key, '/', 2) as id, body ->> 'label' as name,
            body ->> 'postcode' as postcode, body ->> 'municipality_code' as municipality_code
        from ({_RECORDS}) p where starts_with(key, 'place/')
    )""",  # noqa: S608  # as above
    "month": (
        "date_trunc('month', coalesce(n.starts_at, n.opened_at)"
        f" at time zone '{LOCAL_ZONE.key}')::date"
    ),
    "time_to_match": "extract(epoch from n.first_matched_at - n.opened_at)",
    "standing": """case
                when n.state = 'closed' then n.closed_reason
                when n.match_state in ('matched', 'escalated', 'waiting', 'held') then n.match_state
                else 'searching'
            end""",
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
    shown, sql = f"{SCHEMA}.{name}", view.sql.format(v=schema, **_EXPRESSIONS)
    gives = {one.name: one.type.oid for one in (await driver.prepare(sql)).get_attributes()}
    has = {
        row["attname"]: row["atttypid"]
        for row in await driver.fetch(
            "select attname, atttypid from pg_attribute where attrelid = to_regclass($1)"
            " and attnum > 0 order by attnum",
            shown,
        )
    }
    survives = has.items() <= gives.items()
    columns = ", ".join([*has, *(one for one in gives if one not in has)] if survives else gives)
    return [
        *([] if survives else [f"drop view {shown}"]),
        # Our own names.
        f"create or replace view {shown} as select {columns} from ({sql}) as shown",  # noqa: S608
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
