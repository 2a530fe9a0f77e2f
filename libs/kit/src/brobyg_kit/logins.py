"""Who may do what in a service's database.

Its owner makes and migrates the tables. The service signs in with a login of its own, which reads
and writes the rows of its tables and can do nothing else: it owns no table, makes none and enters
no other database. The rights are granted after every migration, so a new table has them too.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.engine import make_url

from brobyg_kit import tables
from brobyg_kit.errors import LoginRefused

_LOCK = 0x62726F72
_ROUNDS = 4096


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


async def make_login(connection: asyncpg.Connection, login: Login) -> None:
    """Make the login unless it is there, and give it its password, if it has one.

    `connection` is the owner's, to any database of the server. Raises LoginRefused for the owner's
    own login and for a superuser's.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        strong = await connection.fetchval(
            "select rolsuper or rolname = current_user from pg_roles where rolname = $1", login.name
        )
        if strong:
            raise LoginRefused(
                f"{login.name} owns databases or is a superuser: give the service a login of its"
                " own"
            )
        name = quoted(login.name)
        if strong is None:
            await connection.execute(f"create role {name} login")
            if not await connection.fetchval(
                "select rolsuper from pg_roles where rolname = current_user"
            ):
                # Only its member can hand things over to it.
                await connection.execute(f"grant {name} to current_user")
        if login.password:
            await connection.execute(f"alter role {name} password '{_verifier(login.password)}'")


async def ensure_login(server: str, login: Login) -> None:
    """`make_login` over a connection of its own; `server` is the owner's address."""
    connection = await asyncpg.connect(f"{server.rstrip('/')}/postgres", timeout=10)
    try:
        await make_login(connection, login)
    finally:
        await connection.close()


def grant(connection: Connection, login: str, metadata: MetaData, more: Sequence[str]) -> None:
    """Give the login its rights in this database, in the current transaction of its owner.

    `more` are statements of the service's own, with {role} and {database} in place of the names.
    """
    database = quoted(str(connection.exec_driver_sql("select current_database()").scalar_one()))
    own = [*tables.metadata.sorted_tables, *metadata.sorted_tables]
    for statement in [*_rights(own), *more]:
        connection.exec_driver_sql(statement.format(role=quoted(login), database=database))


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
