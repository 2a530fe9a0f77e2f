"""For tests: services in the test's own process on real parts, new databases, tokens, waiting.

A new database is a copy of a template that has the migrations already. The template's name holds
a hash of the migrations' content, so it is made once a server and again when they change.
"""

import asyncio
import atexit
import hashlib
import hmac
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import asyncpg
import httpx2
from sqlalchemy import Connection, MetaData, Table, Text, cast, inspect, literal, or_, select

from brobyg_kit import connections, kafka, logins
from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.database import Database
from brobyg_kit.decoding import Record
from brobyg_kit.domain import domain
from brobyg_kit.free_ports import free_port
from brobyg_kit.logins import Login, make_login, signed_in
from brobyg_kit.migrate import MIGRATIONS, migrate
from brobyg_kit.runtime import Role, Runtime, Server
from brobyg_kit.service import Service
from brobyg_kit.tokens import generate_keys, issue_token


async def eventually(
    condition: Callable[[], Awaitable[object]], what: str, timeout: float = 20.0
) -> None:
    """Return when `condition` is true.

    AssertionError naming `what` when it isn't within `timeout` seconds.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        await asyncio.sleep(0.02)


@cache
def token_keys() -> tuple[Path, Path]:
    """Private and public key files for this process's tokens, removed when it ends.

    Not after kill -9, nor after SIGTERM where nothing turns that into an exception.
    """
    made = tempfile.mkdtemp(prefix="brobyg-keys-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    folder = Path(made)
    generate_keys(folder / "private.json", folder / "public.json")
    return folder / "private.json", folder / "public.json"


def bearer(
    *roles: str,
    subject: str = "tester",
    organisation: str | None = None,
    department: str | None = None,
    lifetime: timedelta = timedelta(hours=1),
) -> dict[str, str]:
    """Headers with a token of these roles."""
    text = issue_token(
        token_keys()[0],
        subject,
        list(roles),
        WallClock(),
        organisation=organisation,
        department=department,
        lifetime=lifetime,
    )
    return {"Authorization": f"Bearer {text}"}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database is made from: a service's tables and migrations, and its own login's rights.

    The delivery tables are always there.
    """

    metadata: MetaData
    versions: Path
    login: Login | None = None
    grants: Sequence[str] = ()

    @property
    def family(self) -> str:
        """What the names of all templates for these migrations begin with."""
        return template_family(self.versions)

    @property
    def template(self) -> str:
        """The template's name, which changes with what it is made from."""
        files = [
            file for folder in (MIGRATIONS, self.versions) for file in sorted(folder.rglob("*.py"))
        ]
        rights = repr((self.login, self.login and self.login.password, self.grants)).encode()
        made_from = [*(file.read_bytes() for file in (*files, Path(logins.__file__))), rights]
        digest = hashlib.sha256(b"\0".join(made_from)).hexdigest()
        return f"{self.family}_{digest[:12]}"


@asynccontextmanager
async def new_database(
    server: str, name: str, metadata: MetaData, versions: Path
) -> AsyncIterator[str]:
    """The owner's URL of a new database `name` with all migrations; it is dropped at the end.

    `versions` is the folder of a service's own migrations; the delivery tables are always there.
    """
    async with _new_database(server, name, Schema(metadata, versions)) as url:
        yield url


@asynccontextmanager
async def _new_database(server: str, name: str, schema: Schema) -> AsyncIterator[str]:
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await _create(connection, server, name, schema)
        yield f"{server}/{name}"
    finally:
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.close()


#: Held while templates are made, shared while they are copied: others may run tests on the server.
_TEMPLATE_LOCK = 0x62726F74


async def _create(connection: asyncpg.Connection, server: str, name: str, schema: Schema) -> None:
    template = schema.template
    while True:
        async with _locked(connection, "_shared"):
            if await _exists(connection, template):
                await connection.execute(f'create database "{name}" template "{template}"')
                await connection.execute(_SAME_RIGHTS.format(name=name, template=template))
                return
        async with _locked(connection, ""):
            if not await _exists(connection, template):
                await _make_template(connection, server, schema)


#: A copy of a database has not the rights to the database itself.
_SAME_RIGHTS = """
    do $$ declare one record; begin
        if (select datacl is not null from pg_database where datname = '{template}') then
            revoke all on database "{name}" from public;
        end if;
        for one in
            select grantee::regrole as role, privilege_type as what
            from pg_database, aclexplode(datacl) where datname = '{template}' and grantee <> 0
        loop
            execute format('grant %s on database "{name}" to %s', one.what, one.role);
        end loop;
    end $$
"""


def template_family(versions: Path) -> str:
    """What the names of all templates for these migrations, whatever their content, begin with."""
    return f"brobyg_template_{hashlib.sha256(str(versions).encode()).hexdigest()[:8]}"


async def _make_template(connection: asyncpg.Connection, server: str, schema: Schema) -> None:
    """Migrate a database and give it its name when it is whole; drop those of other migrations."""
    family, login = schema.family, schema.login
    if login is not None:
        await make_login(connection, login)
    older = await connection.fetch(
        "select datname from pg_database where starts_with(datname, $1)", family
    )
    for row in older:
        await connection.execute(f'drop database "{row["datname"]}" with (force)')
    await connection.execute(f'create database "{family}_unfinished"')
    await migrate(
        f"{server}/{family}_unfinished",
        schema.metadata,
        schema.versions,
        login.name if login else "",
        schema.grants,
    )
    await connection.execute(f'alter database "{family}_unfinished" rename to "{schema.template}"')


@asynccontextmanager
async def _locked(connection: asyncpg.Connection, mode: str) -> AsyncIterator[None]:
    await connection.execute(f"select pg_advisory_lock{mode}({_TEMPLATE_LOCK})")
    try:
        yield
    finally:
        await connection.execute(f"select pg_advisory_unlock{mode}({_TEMPLATE_LOCK})")


async def _exists(connection: asyncpg.Connection, name: str) -> bool:
    query = "select exists (select from pg_database where datname = $1)"
    return bool(await connection.fetchval(query, name))


@asynccontextmanager
async def fresh_database(server: str, service: Service, clock: Clock) -> AsyncIterator[Database]:
    """The service's own database as the service has it, new and migrated, open; dropped at the end.

    What only its owner may do is done by `as_owner`.
    """
    async with _own_database(server, service, f"_t{uuid.uuid4().hex[:10]}") as url:
        database = Database(url, clock, service.name)
        try:
            await database.open()
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def _own_database(server: str, service: Service, suffix: str) -> AsyncIterator[str]:
    assert service.metadata is not None  # only a service with tables has a database
    name, login = f"brobyg_{service.name}{suffix}", login_of(server, service.name)
    schema = Schema(service.metadata, service.versions, login, service.grants)
    async with _new_database(server, name, schema) as url:
        own = signed_in(url, login)
        _OWNERS[own] = url
        yield own


#: The owner's address of each database that was made here for a service.
_OWNERS: dict[str, str] = {}


def login_of(server: str, service: str) -> Login:
    """The login of this service in tests on the server; apart from that of a running system."""
    name = f"brobyg_test_{service}"
    return Login(name, hmac.digest(server.encode(), name.encode(), "sha256").hex()[:32])


def owners_url(database: Database) -> str:
    """The owner's address of a service's database that was made here."""
    return _OWNERS[database.url]


async def as_owner(database: Database, *statements: str) -> None:
    """Carry these out as the owner of a service's database that was made here.

    For what the service itself may not do, such as to truncate a table.
    """
    connection = await asyncpg.connect(owners_url(database), timeout=10)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def emptied(database: Database, tables: Iterable[str]) -> None:
    """Empty these tables of a service's database that was made here, as its owner.

    Only what has rows is truncated: each table costs new files for itself and its indexes. What
    refers to such a table is empty or among these too, so `cascade` reaches nothing else.
    """
    connection = await asyncpg.connect(owners_url(database), timeout=10)
    try:
        filled = await connection.fetch(
            " union all ".join(
                f"select '{name}' as name where exists (select from {name})"  # noqa: S608
                for name in tables
            )
        )
        if filled:
            names = ", ".join(row["name"] for row in filled)
            await connection.execute(f"truncate {names} cascade")
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs in the test's process."""

    url: str
    runtime: Runtime
    client: httpx2.AsyncClient


@asynccontextmanager
async def served(
    service: Service,
    server: str,
    kafka: str,
    *,
    clock: Clock | None = None,
    role: Role = "api",
    beside: Running | None = None,
    **settings: object,
) -> AsyncIterator[Running]:
    """The service on a free port with a fresh database, in this process.

    `role="run"` also relays and consumes. `clock` replaces its clock. `beside` is another process
    of the service: this one has its database. A port is chosen unless `<service>_port` says which.
    Its token for the others has the role of its name
    where the domain has one, else `service`.
    """
    told = settings.get(f"{service.name}_port")
    port = told if isinstance(told, int) else free_port()
    suffix = _suffix_of(beside) if beside else f"_t{uuid.uuid4().hex[:10]}"
    own_role = service.name if service.name in domain().ROLES else "service"
    values = {
        "kafka": kafka,
        "token_keys": token_keys()[1],
        f"{service.name}_port": port,
        "service_token": bearer(own_role)["Authorization"].split()[1],
        **settings,
    }
    if service.metadata is not None:
        values[f"{service.name}_database"] = signed_in(server, login_of(server, service.name))
    chosen = service.settings.model_validate(values)
    runtime = Runtime(service, chosen, role, clock=clock, database_suffix=suffix)
    async with AsyncExitStack() as stack:
        if service.metadata is not None and beside is None:
            await stack.enter_async_context(_own_database(server, service, suffix))
        yield await stack.enter_async_context(_answering(runtime, port))


def _suffix_of(running: Running) -> str:
    assert running.runtime.database is not None
    name = running.runtime.database.url.rpartition("/")[2]
    return name.removeprefix(f"brobyg_{running.runtime.service.name}")


@asynccontextmanager
async def _answering(runtime: Runtime, port: int) -> AsyncIterator[Running]:
    web = Server(connections.config(runtime.app(), "127.0.0.1", port))
    serving = asyncio.create_task(runtime.serve(web))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

        async def ready() -> bool:
            if serving.done():
                serving.result()
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            await eventually(ready, f"{runtime.service.name} is ready", timeout=30)
            yield Running(f"http://127.0.0.1:{port}", runtime, client)
        finally:
            runtime.stop()
            await asyncio.wait([serving], timeout=30)


async def publish(address: str, topic: str, *values: bytes, key: str) -> None:
    """Put these on the topic without an outbox, as a producer outside the system does."""
    async with kafka.broker(address, "outside") as broker:
        for value in values:
            await broker.publish(value, topic, key=key.encode())


async def records(address: str, topic: str, at_least: int, timeout: float = 60.0) -> list[Record]:
    """All records of the topic, by partition and offset, once there are `at_least` so many."""
    found: dict[tuple[int, int], Record] = {}
    async with kafka.admin(address) as admin, kafka.reader(address) as reader:
        partitions = (await kafka.partitions(admin, [topic]))[topic]

        async def there() -> bool:
            marks = await kafka.watermarks(reader, partitions)
            found.clear()
            async for batch in kafka.read_range(reader, marks):
                found.update({(one.partition, one.offset): one for one in batch})
            return len(found) >= at_least

        await eventually(there, f"{at_least} records on {topic}", timeout)
        await there()  # and what may have come twice
    return [found[place] for place in sorted(found)]


async def tables_naming(database: Database, person_id: str) -> set[str]:
    """The tables of the database, whatever schema they are in, that have this id in a row."""
    found = set()
    async with database.connect() as connection:

        def reflected(synchronous: Connection) -> list[Table]:
            inspector, there = inspect(synchronous), MetaData()
            for schema in inspector.get_schema_names():
                if schema != "information_schema":
                    there.reflect(synchronous, schema=schema)
            return list(there.tables.values())

        for table in await connection.run_sync(reflected):
            naming = select(literal(1)).where(
                or_(*(cast(one, Text).contains(person_id) for one in table.c))
            )
            if (await connection.execute(naming.limit(1))).first():
                found.add(str(table.name))
    return found
