"""Analysts' logins: made by the database's owner, each with a schema of its own."""

import re
from dataclasses import dataclass

import asyncpg
from brobyg_kit.logins import Login, make_login, quoted

from brobyg_reporting.adapters.grants import ANALYSTS
from brobyg_reporting.adapters.tables import SCHEMA
from brobyg_reporting.errors import AnalystRefused

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
#: A query that runs for long holds up the switch to a new version, and a forgotten transaction the
#: clearing up of old rows. Nothing is written unless a transaction says that it writes.
_SESSION = {
    "statement_timeout": "'5min'",
    "idle_in_transaction_session_timeout": "'1min'",
    "default_transaction_read_only": "on",
}
_MOST_CONNECTIONS = 10
_IS_ANOTHERS = """
    select not pg_has_role(rolname, $2, 'member') from pg_roles where rolname = $1
    union all select true from pg_namespace
    where nspname = $1 and nspowner is distinct from to_regrole($1)
"""
_READABLE = """
    select relname as name, obj_description(oid, 'pg_class') as comment from pg_class
    where relkind = 'v' and relnamespace = $1::regnamespace and has_table_privilege(oid, 'select')
    order by relname
"""


@dataclass(frozen=True, slots=True)
class Readable:
    """A view that an analyst can read."""

    name: str
    comment: str


async def add(owner: str, login: Login) -> None:
    """Make the analyst's login and schema; one that is there gets the password, its views stay.

    `owner` is the address of reporting's database as its owner signs in. Raises AnalystRefused for
    a name that is no plain word or that something else has, and one of kit's DATABASE_ERRORS.
    """
    if not _NAME.fullmatch(login.name):
        raise AnalystRefused(f"{login.name!r} is not a plain name: a-z, 0-9 and _, at most 41")
    name = quoted(login.name)
    connection = await asyncpg.connect(owner, timeout=10)
    try:
        async with connection.transaction():
            if any(row[0] for row in await connection.fetch(_IS_ANOTHERS, login.name, ANALYSTS)):
                raise AnalystRefused(f"{login.name} is the name of something else: take another")
            await make_login(connection, login)
            database = quoted(await connection.fetchval("select current_database()"))
            settings = {"search_path": f"{name}, {SCHEMA}", **_SESSION}
            for statement in (
                f"grant {ANALYSTS} to {name}",
                f"create schema if not exists {name} authorization {name}",
                f"alter role {name} connection limit {_MOST_CONNECTIONS}",
                *(
                    f"alter role {name} in database {database} set {setting} = {value}"
                    for setting, value in settings.items()
                ),
            ):
                await connection.execute(statement)
    finally:
        await connection.close()


async def readable(url: str) -> list[Readable]:
    """What the analyst who signs in by this address can read. Raises one of DATABASE_ERRORS."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        rows = await connection.fetch(_READABLE, SCHEMA)
        return [Readable(row["name"], row["comment"] or "") for row in rows]
    finally:
        await connection.close()
