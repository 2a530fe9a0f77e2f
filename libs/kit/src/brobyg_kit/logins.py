"""Who may do what in a service's database.

Its owner makes and migrates the tables. The service signs in with a login of its own, which reads
and writes the rows of its tables and can do nothing else: it owns no table, makes none and enters
no other database. The rights are granted after every migration, so a new table has them too.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.engine import make_url

from brobyg_kit import tables
from brobyg_kit.errors import LoginRefused

#: Takes what the owner could not do, or what an operator must know, a sentence at a time.
Say = Callable[[str], None]

_LOCK = 0x62726F72
_ROUNDS = 4096
#: Names that stand for themselves in every kind of SQL text.
_NAME = re.compile(r"[\w .@-]{1,63}")
#: What everybody may do in a database that was not closed.
_ALL = "connect, temporary"
_ROLE = """
    select rolsuper or rolname = current_user as strong, rolcanlogin
    from pg_roles where rolname = $1
"""
_IS_MEMBER = "select pg_has_role(current_user, $1::name, 'usage')"
_ENTERS = """
    select datname from pg_database cross join lateral aclexplode(datacl) a
    join pg_roles on pg_roles.oid = a.grantee
    where rolname = $1 and privilege_type = 'CONNECT' and datname = any($2) limit 1
"""
_IS_OPEN = "select has_database_privilege('public', $1::text, $2)"
#: Without the services' databases: one that is made right now is closed by its migration.
_OPEN = """
    select datname from pg_database
    where datallowconn and has_database_privilege('public', oid, 'connect')
        and not starts_with(datname, 'brobyg_')
    order by datname
"""
#: A service's login is let into the database by name and writes its outbox: who else signs in, may
#: do both and has it from the owner, has been its login. What a person was lent, a role that can't
#: sign in or a single right, stays.
_FORMER = text("""
    select distinct rolname from pg_class cross join lateral aclexplode(relacl) a
    join pg_roles on pg_roles.oid = a.grantee
    where pg_class.oid = to_regclass('public.outbox') and privilege_type = 'INSERT'
        and a.grantee <> relowner and a.grantor = relowner and rolcanlogin and exists (
            select from pg_database cross join lateral aclexplode(datacl) d
            where datname = current_database() and d.grantee = a.grantee
                and d.privilege_type = 'CONNECT'
        ) and rolname <> :login and rolname <> current_user
    order by rolname
""")
_SCHEMAS = text("""
    select nspname from pg_namespace
    where not starts_with(nspname, 'pg_') and nspname <> 'information_schema'
        and pg_has_role(current_user, nspowner, 'usage')
    order by nspname
""")


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password for the server."""

    name: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, server: str) -> "Login":
        """The login in the address `server`. Raises LoginRefused where it names none."""
        address = make_url(server)
        if not address.username:
            raise LoginRefused(f"the address of {address.host} names no login")
        return cls(address.username, str(address.password or ""))


def signed_in(server: str, login: Login) -> str:
    """The address `server` with this login in place of its own."""
    address = make_url(server).set(username=login.name, password=login.password or None)
    return address.render_as_string(hide_password=False)


def unsaid(_: str) -> None:
    """Say it to nobody."""


async def make_login(connection: asyncpg.Connection, login: Login, say: Say = unsaid) -> None:
    """Make the login unless it is there, and give it its password, if it has one.

    `connection` is the owner's, to any database of the server. Raises LoginRefused for the owner's
    own login, a superuser's and one that may not sign in, and where it is missing and the owner
    can't make it. What else the owner may not do is said, for an operator to do.
    """
    if not _NAME.fullmatch(login.name):
        raise LoginRefused(
            f"{login.name!r} has characters that the name of a login can't have here"
        )
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        owner = await connection.fetchval("select current_user::text")
        name, whose = quoted(login.name), quoted(owner)
        role = await connection.fetchrow(_ROLE, login.name)
        if role is None:
            if not await _allowed(connection, f"create role {name} login"):
                raise LoginRefused(
                    f"there is no login {login.name}, and {owner} can't make it; as a superuser:"
                    f" create role {name} login; grant {name} to {whose}"
                )
        elif role["strong"]:
            raise LoginRefused(
                f"{login.name} owns databases or is a superuser: give the service a login of its"
                " own"
            )
        elif not role["rolcanlogin"]:
            raise LoginRefused(
                f"{login.name} may not sign in; if it is to: alter role {name} login"
            )
        # Only its member can hand things over to it; a superuser is everybody's.
        if not await connection.fetchval(_IS_MEMBER, login.name) and not await _allowed(
            connection, f"grant {name} to current_user"
        ):
            say(
                f"{owner} is no member of {login.name} and can't hand tables over to it; as a"
                f" superuser: grant {name} to {whose}"
            )
        if login.password and not await _allowed(
            connection, f"alter role {name} password '{_verifier(login.password)}'"
        ):
            say(
                f"{owner} can't set the password of {login.name}: it keeps the one it has, which"
                " must be that of the settings"
            )


async def ensure_login(
    server: str, login: Login, others: Collection[str] = (), say: Say = unsaid
) -> None:
    """`make_login` over a connection of its own, and the server's own databases closed to it.

    `server` is the owner's address, `others` are databases that the login must not enter. Raises
    LoginRefused when it has been given one of them: it is then the login of another service.
    """
    connection = await asyncpg.connect(f"{server.rstrip('/')}/postgres", timeout=10)
    try:
        entered = await connection.fetchval(_ENTERS, login.name, list(others))
        if entered:
            raise LoginRefused(
                f"{login.name} is the login of {entered} already: each service has one of its own"
            )
        await make_login(connection, login, say)
        await _close_server(connection)
        await say_what_is_open(connection, say)
    finally:
        await connection.close()


async def _close_server(connection: asyncpg.Connection) -> None:
    """Close the databases that every server has to those who were not let in by name."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        for name in ("postgres", "template1"):
            if await connection.fetchval(
                "select has_database_privilege('public', $1, $2)", name, _ALL
            ):
                await _allowed(connection, f"revoke {_ALL} on database {name} from public")


async def say_what_is_open(connection: asyncpg.Connection, say: Say) -> None:
    """Say which databases every login can enter, if there are any."""
    open_ = [row["datname"] for row in await connection.fetch(_OPEN)]
    if open_:
        say(
            f"every login can enter {', '.join(open_)}; as their owner or a superuser: revoke"
            f" {_ALL} on database {quoted(open_[0])} from public"
        )


async def _allowed(connection: asyncpg.Connection, statement: str) -> bool:
    """Carry it out; False when that is not allowed."""
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


def grant(
    connection: Connection,
    login: str,
    metadata: MetaData,
    more: Sequence[str],
    say: Say = unsaid,
) -> None:
    """Give the login its rights in this database, in the current transaction of its owner.

    `more` are statements of the service's own, with {role} and {database} in place of the names.
    A login that the service had before loses its rights.
    """
    database = quoted(str(connection.exec_driver_sql("select current_database()").scalar_one()))
    own = [*tables.metadata.sorted_tables, *metadata.sorted_tables]
    for statement in [*_rights(own), *more]:
        connection.exec_driver_sql(statement.format(role=quoted(login), database=database))
    for former in connection.execute(_FORMER, {"login": login}).scalars().all():
        schemas = connection.execute(_SCHEMAS).scalars().all()
        for statement in _revoked(schemas):
            connection.exec_driver_sql(statement.format(role=quoted(former), database=database))
        say(
            f"the former login {former} has no rights here any more; once nothing signs in with"
            f" it: drop owned by {quoted(former)} (in {database}), drop role {quoted(former)}"
        )


def _rights(own: Sequence[Table]) -> Iterator[str]:
    yield "revoke all on database {database} from public"
    yield "grant connect on database {database} to {role}"
    yield "revoke all on schema public from public"
    for schema in sorted({table.schema or "public" for table in own}):
        yield f"grant usage on schema {schema} to {{role}}"
        yield f"grant usage on all sequences in schema {schema} to {{role}}"
    for table in own:
        name = f"{table.schema or 'public'}.{quoted(table.name)}"
        yield f"grant select, insert, update, delete on {name} to {{role}}"
    yield "grant select on public.alembic_version to {role}"


def _revoked(schemas: Sequence[str]) -> Iterator[str]:
    yield "revoke all on database {database} from {role}"
    for schema in map(quoted, schemas):
        yield f"revoke all on schema {schema} from {{role}}"
        for kind in ("tables", "sequences", "functions"):
            yield f"revoke all on all {kind} in schema {schema} from {{role}}"


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _verifier(password: str) -> str:
    """What the server keeps of a password (SCRAM, RFC 5803), so that no log of it has the other."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    client, server = (hmac.digest(salted, key, "sha256") for key in (b"Client Key", b"Server Key"))
    stored = hashlib.sha256(client).digest()
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ROUNDS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
