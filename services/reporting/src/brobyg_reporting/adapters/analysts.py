"""Analysts' logins: made by the database's owner, each with a schema of its own."""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from brobyg_kit.database import Driver
from brobyg_kit.logins import Login, Say, make_login, quoted, say_what_is_open, unsaid

from brobyg_reporting.adapters.grants import ANALYSTS
from brobyg_reporting.adapters.tables import SCHEMA
from brobyg_reporting.errors import AnalystRefused

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
#: Names, or beginnings of names, that are kept for others, though nobody may have them yet.
_KEPT = re.compile(r"(pg_|brobyg|projection_).*|none|public")
#: A query that runs for long holds up the switch to a new version, and a forgotten transaction the
#: clearing up of old rows. Nothing is written unless a transaction says that it writes. They hold
#: in every database, and an analyst can set others for a session.
_SESSION = {
    "statement_timeout": "'5min'",
    "idle_in_transaction_session_timeout": "'1min'",
    "idle_session_timeout": "'1h'",
    "default_transaction_read_only": "on",
}
#: The most that a session's sorts and joins may put on the server's disk: the superuser's to set,
#: and nothing that an analyst can change.
_ON_DISK = ("temp_file_limit", "'2GB'")
_MOST_CONNECTIONS = 10
_IS_ANALYST = """
    select rolcanlogin, not rolsuper and rolname <> $2 and exists (
        select from pg_auth_members m
        where m.member = pg_roles.oid and m.roleid = to_regrole($2)
    ) as is_one
    from pg_roles where rolname = $1
"""
_IS_SCHEMA = """
    select nspowner is distinct from to_regrole($1) from pg_namespace where nspname = $1
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


async def add(owner: str, login: Login, kept: Collection[str] = (), say: Say = unsaid) -> None:
    """Make the analyst's login and schema; one that is there gets the password, its views stay.

    `owner` is the address of reporting's database as its owner signs in; `kept` are names that are
    others', and `say` is told what the owner may not do. Raises AnalystRefused for a name that is
    no plain word or that something else has, LoginRefused for what the owner can't make, and one
    of kit's DATABASE_ERRORS.
    """
    check_name(login.name, kept)
    name = quoted(login.name)
    async with _transaction(owner) as connection:
        if not await connection.fetchval("select to_regrole($1) is not null", ANALYSTS):
            raise AnalystRefused(
                "reporting's database has no group of analysts: 'brobyg reporting migrate' first"
            )
        found = await connection.fetchrow(_IS_ANALYST, login.name, ANALYSTS)
        if (found and not found["is_one"]) or await connection.fetchval(_IS_SCHEMA, login.name):
            raise AnalystRefused(f"{login.name} is the name of something else: take another")
        if found and not found["rolcanlogin"]:
            raise AnalystRefused(
                f"{login.name} was told not to sign in; if they may again:"
                f" alter role {login.name} login"
            )
        await make_login(connection, login, say)
        settings = {"search_path": f"{name}, {SCHEMA}", **_SESSION}
        if await connection.fetchval("select has_parameter_privilege($1, 'set')", _ON_DISK[0]):
            settings.update([_ON_DISK])
        else:
            say(
                f"what {login.name} may put on the server's disk has no bound; as a superuser:"
                f" alter role {name} set {_ON_DISK[0]} = {_ON_DISK[1]}"
            )
        for statement in (
            f"grant {ANALYSTS} to {name}",
            f"create schema if not exists {name} authorization {name}",
            f"alter role {name} connection limit {_MOST_CONNECTIONS}",
            *(f"alter role {name} set {one} = {value}" for one, value in settings.items()),
        ):
            await connection.execute(statement)
        await say_what_is_open(connection, say)


async def remove(owner: str, name: str) -> None:
    """End the analyst's sessions, and remove their login, schema and views.

    That the login may not sign in is committed first, so that no session begins meanwhile, and
    stays so where the rest is refused. Raises AnalystRefused for a name that is no analyst's, and
    where another's view is built on one of theirs; else as `add`.
    """
    async with _transaction(owner) as connection:
        found = await connection.fetchrow(_IS_ANALYST, name, ANALYSTS)
        if not (found and found["is_one"]):
            raise AnalystRefused(f"there is no analyst {name!r}")
        await connection.execute(f"alter role {quoted(name)} nologin")
    async with _transaction(owner) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1", name
        )
        try:
            await connection.execute(f"drop owned by {quoted(name)}")
        except asyncpg.DependentObjectsStillExistError as error:
            raise AnalystRefused(
                f"others have built on what {name} has: {error.detail}; nothing was removed,"
                f" but {name} can no longer sign in"
            ) from error
        await connection.execute(f"drop role {quoted(name)}")


def check_name(name: str, kept: Collection[str]) -> None:
    """Raise AnalystRefused for a name that is no plain word, or is the system's own."""
    if not _NAME.fullmatch(name):
        raise AnalystRefused(
            f"{name!r} is not a plain name: a letter a-z, then a-z, 0-9 and _, at most 41 in all"
        )
    if _KEPT.fullmatch(name) or name in kept:
        raise AnalystRefused(f"{name} is a name of the system's own: take another")


@asynccontextmanager
async def _transaction(owner: str) -> AsyncIterator[Driver]:
    connection = await asyncpg.connect(owner, timeout=10, command_timeout=60)
    try:
        async with connection.transaction():
            yield connection
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
