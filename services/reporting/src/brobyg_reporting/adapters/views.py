"""The views that analysts read, shown on one version or another of the projections."""

import asyncio
import json
import re
from collections.abc import Mapping

import asyncpg
from brobyg_contracts import NeedDecided, reference
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Driver, driver_of
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_reporting.adapters.municipalities import MUNICIPALITIES
from brobyg_reporting.adapters.tables import SCHEMA, tables_of
from brobyg_reporting.adapters.view_definitions import VIEWS
from brobyg_reporting.adapters.view_parts import View
from brobyg_reporting.errors import RebuildRefused, ViewsInUse

#: How often a switch tries to have the views from readers.
_MOST_ATTEMPTS = 30
#: How long it waits for them, seconds by the attempt. Below the server's deadlock timeout (1 s), so
#: it is never a reader that is ended; short at first, so that readers hardly wait.
_LOCK_TIMEOUT = Backoff(first=0.02, longest=0.5)
#: The records of the reference data in the service's copy: a record's value is a CloudEvent.
_RECORDS = f"""
    select key, convert_from(body, 'UTF8')::jsonb -> 'data' as body from replica
    where topic = '{reference.TOPIC}' and body is not null
"""  # noqa: S608  # a constant of ours
#: When a need is, or else was opened, by Danish clocks.
_LOCAL = f"(coalesce(n.starts_at, n.opened_at) at time zone '{LOCAL_ZONE.key}')"
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
    "municipalities": f"'{json.dumps(MUNICIPALITIES, ensure_ascii=False)}'::jsonb",
    "month": f"date_trunc('month', {_LOCAL})::date",
    "week": f"date_trunc('week', {_LOCAL})::date",
    "iso_week": f"""to_char({_LOCAL}, 'IYYY"-W"IW')""",
    "time_to_match": "extract(epoch from n.first_matched_at - n.opened_at)",
    "standing": """case
                when n.state = 'closed' then n.closed_reason
                when n.match_state in ('matched', 'escalated', 'waiting', 'held') then n.match_state
                else 'searching'
            end""",
}
#: When a session's transaction began is told to itself and to those who may see all.
_HOLDERS = """
    select pid, usename, xact_start at time zone 'UTC' as xact_start,
        string_agg(distinct relname, ', ' order by relname) as names
    from pg_locks join pg_stat_activity using (pid) join pg_class on pg_class.oid = relation
        join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = $1 and relkind = 'v' and granted and pid <> pg_backend_pid()
        and database = (select oid from pg_database where datname = current_database())
    group by 1, 2, 3 order by 3, 1 limit 5
"""
#: The names of the departments that each helper serves.
_SERVED = """(
            select s.helper_id, array_agg(coalesce(d.name, u.id) order by u.n) as names
            from {v}.helper s cross join lateral unnest(s.departments) with ordinality as u (id, n)
            left join {departments} d on d.id = u.id group by 1
        )"""


async def show_in_turn(connection: AsyncConnection, numbers: Mapping[str, int]) -> None:
    """As `show`, again and again while readers hold the views, who have their turn between.

    Within a transaction. Raises RebuildRefused as `show`, and ViewsInUse when a reader doesn't let
    go for half a minute.
    """
    driver = await driver_of(connection)
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        seconds = _LOCK_TIMEOUT.after(attempt)
        try:
            async with driver.transaction():
                await driver.execute(f"set local lock_timeout = {round(seconds * 1000)}")
                await show(connection, numbers)
                return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _MOST_ATTEMPTS:
                raise ViewsInUse(await _holders(driver)) from None
        await asyncio.sleep(1.2 * seconds)  # longer than readers were held up


async def _holders(driver: Driver) -> str:
    """Who holds views, and what to do: by pid and login, and since when where one may see it."""
    found = await driver.fetch(_HOLDERS, SCHEMA)
    named = [
        f"login {one['usename']} (pid {one['pid']})"
        + (f" since {one['xact_start']:%Y-%m-%d %H:%M:%S} UTC" if one["xact_start"] else "")
        + f" has {one['names']}"
        for one in found
    ]
    pid = found[0]["pid"] if found else "<pid>"
    return (
        f"readers hold views: {'; '.join(named) or 'they have let go meanwhile'}. What is shown is"
        " unharmed. Run the same again when they are done, or end a session as a superuser or as"
        f" its login: select pg_terminate_backend({pid})"
    )


async def show(connection: AsyncConnection, numbers: Mapping[str, int]) -> None:
    """Point every view at these versions of the tables, in the current transaction.

    New columns come after those a view has, so that views built on it survive. A view of which a
    column goes or changes its type is made anew, and one that this code has not is dropped; raises
    RebuildRefused when others are built on it, or when it needs another version of a table too.
    Raises the driver's LockNotAvailableError when readers hold one for longer than the
    transaction's lock_timeout.
    """
    driver = await driver_of(connection)
    # First this, which does nothing, has all views locked at once: to lock one after the other
    # while they are defined would often meet a reader who has a later one and waits for an earlier
    # one. The quickly read ones of events come last: who reads another with them is mostly at the
    # other, and goes on as long as none of them is locked. LOCK would lock the tables behind the
    # views too, and wait for a vacuum of those.
    statements = [
        f"alter view if exists {SCHEMA}.{name} reset (security_barrier)"
        for name in sorted(VIEWS, key=lambda name: name.startswith("event_"))
    ]
    try:
        for name, view in VIEWS.items():
            statements += await _definition(driver, name, view, numbers)
        await driver.execute(";".join([*statements, *_comments(), *await _drops(driver)]))
    except asyncpg.DependentObjectsStillExistError as error:
        raise RebuildRefused(
            "a view or a column of one goes, or its type changes, and others are built on it:"
            f" {error}, {error.detail}; drop those, run this again and build them anew"
        ) from error
    except (KeyError, asyncpg.UndefinedColumnError) as error:
        raise RebuildRefused(
            f"the views need another projection of this code as well: {error}; build all of those"
            " that 'brobyg reporting status' says other code wrote"
        ) from error


async def _drops(driver: Driver) -> list[str]:
    """The statement that drops the views of another release; analysts' have their own schema."""
    shown = await driver.fetch("select viewname from pg_views where schemaname = $1", SCHEMA)
    gone = sorted({row["viewname"] for row in shown} - VIEWS.keys())
    return ["drop view " + ", ".join(f'{SCHEMA}."{name}"' for name in gone)] if gone else []


async def _definition(
    driver: Driver, name: str, view: View, numbers: Mapping[str, int]
) -> list[str]:
    """The statements that give the view its new definition, the columns it has first."""
    asked = _on(view.sql.replace("{served}", _SERVED), numbers)
    shown, sql = f"{SCHEMA}.{name}", asked.format(**_EXPRESSIONS)
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


def _on(sql: str, numbers: Mapping[str, int]) -> str:
    """The view's SQL with its `{v}.<table>` in the schemas of these versions."""
    return re.sub(r"\{v\}\.(\w+)", lambda at: tables_of(numbers[at[1]])[at[1]].fullname, sql)


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
