"""What an analyst can't do to the service, and which names an analyst can't have."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

import asyncpg
import pytest
from brobyg_kit.cli import service_entry_points
from brobyg_kit.clock import WallClock
from brobyg_kit.database import OUTBOX_CHANNEL, TIMER_CHANNEL, Database
from brobyg_kit.logins import Login, ensure_login, quoted, signed_in
from brobyg_kit.migrate import migrate
from brobyg_kit.replica import REPLICA_CHANNEL
from brobyg_kit.testing import Running, eventually, owners_url
from brobyg_reporting.adapters import analysts
from brobyg_reporting.adapters.grants import GRANTS
from brobyg_reporting.adapters.tables import metadata
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.entrypoints import analyst as command
from brobyg_reporting.errors import AnalystRefused
from brobyg_reporting.testing import interleave, make_history
from typer.testing import CliRunner

from .conftest import Publisher, Rebuilder, first_version, scalar
from .test_analysts import login, signing_in

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]


async def test_an_analyst_takes_no_lock_by_number_and_makes_no_large_object(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        async with signing_in(database, who) as analyst:
            for call in (
                "pg_advisory_lock(1651665768)",
                "pg_advisory_lock_shared(1, 2)",
                "pg_advisory_xact_lock(1)",
                "pg_try_advisory_lock(1)",
                "pg_try_advisory_xact_lock_shared(1, 2)",
                "lo_create(0)",
                "lo_creat(-1)",
                "lo_from_bytea(0, 'x')",
                "pg_logical_emit_message(false, 'x', 'y')",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await analyst.execute(f"begin read write; select {call}; commit")
                await analyst.execute("rollback")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await analyst.execute("set temp_file_limit = -1")
            assert await analyst.fetchval("show temp_file_limit") == "2GB"
            assert await analyst.fetchval("show idle_session_timeout") == "1h"
        async with database.connect() as connection:  # and the service does
            assert await VersionTables(connection).claim_rebuild()


async def test_an_analyst_has_so_many_connections_and_no_more(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with login(postgres) as who, database_for(SERVICE) as database:
        await analysts.add(owners_url(database), who)
        url = signed_in(database.url, who)
        held = [await asyncpg.connect(url) for _ in range(analysts._MOST_CONNECTIONS)]
        try:
            with pytest.raises(asyncpg.TooManyConnectionsError):
                await asyncpg.connect(url)
        finally:
            for one in held:
                await one.close()


async def test_false_notifications_make_the_service_look_and_nothing_else(
    postgres: str, serve: Serve, publisher: Publisher
) -> None:
    events = interleave(Random(9), make_history(Random(9), 20))
    async with login(postgres) as who, serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None
        async with signing_in(database, who) as analyst:
            flooding = asyncio.create_task(flood(analyst))
            await publisher.send(events)

            async def arrived() -> bool:
                logged = "select count(*) from reporting.event_log"
                return await scalar(database, logged) == len(events)

            await eventually(arrived, "all events are logged", timeout=60)
            assert not flooding.done()
            flooding.cancel()
            await asyncio.wait([flooding])
        assert await scalar(database, "select count(*) from parked_event") == 0
        assert (await running.client.get("/readyz")).status_code == 200


async def flood(analyst: asyncpg.Connection) -> None:
    while True:
        for channel in (OUTBOX_CHANNEL, TIMER_CHANNEL, REPLICA_CHANNEL):
            await analyst.execute(
                "select pg_notify($1, repeat('x', 7000) || n) from generate_series(1, 50) n",
                channel,
            )


async def test_versions_and_views_of_a_former_login_are_the_new_one_s(
    database_for: DatabaseFor, postgres: str
) -> None:
    new = Login(f"newer_{uuid.uuid4().hex[:8]}", "a secret")
    async with as_superuser(postgres) as server, database_for(SERVICE) as database:
        await first_version(database)
        url = owners_url(database)
        await server.execute(f"create role {new.name} login password '{new.password}'")
        try:
            await migrate(url, metadata, SERVICE.versions, new.name, GRANTS)
            owner = await asyncpg.connect(url)
            owners = await owner.fetch(
                "select distinct pg_get_userbyid(relowner) as name from pg_class"
                " join pg_namespace n on n.oid = relnamespace"
                " where starts_with(nspname, 'projection_') or (nspname = 'reporting'"
                " and relkind = 'v')"
            )
            await owner.close()
            assert [row["name"] for row in owners] == [new.name]
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(database.url)
            service = await asyncpg.connect(signed_in(url, new))
            assert await service.fetchval("select count(*) from reporting.need") == 0
            await service.close()
        finally:
            await database.close()
            await server.execute(f"drop database {url.rpartition('/')[2]} with (force)")
            await server.execute(f"drop role {new.name}")


@asynccontextmanager
async def plain_owners_database(
    postgres: str, *rights: str
) -> AsyncIterator[tuple[asyncpg.Connection, str, Login]]:
    """A superuser; the database of an owner who is none, as they sign in; a name for its login."""
    owner = Login(f"owner_{uuid.uuid4().hex[:10]}", "the secret of the owner")
    own = Login(f"service_{uuid.uuid4().hex[:10]}", "the secret of the service")
    name = f"brobyg_{owner.name}"
    async with as_superuser(postgres) as server:
        await server.execute(
            f"create role {owner.name} login {' '.join(rights)} password '{owner.password}'"
        )
        await server.execute(f"create database {name} owner {owner.name}")
        await server.execute(f"grant connect on database postgres to {owner.name}")
        try:
            yield server, f"{signed_in(postgres, owner)}/{name}", own
        finally:
            await server.execute(f"drop database {name} with (force)")
            await server.execute(f"drop owned by {owner.name}")
            await server.execute(f"drop role if exists {own.name}")
            await server.execute(f"drop role {owner.name}")


async def test_an_owner_who_is_no_superuser_does_what_they_may_and_says_the_rest(
    postgres: str, topics: str
) -> None:
    said: list[str] = []
    async with (
        login(postgres) as who,
        plain_owners_database(postgres, "createrole") as (_, url, own),
    ):
        await migrate(url, metadata, SERVICE.versions)
        owned = Database(url, WallClock(), "reporting")
        await owned.open()
        await first_version(owned)  # as a release did in which the service signed in as the owner
        await owned.close()
        await ensure_login(url.rpartition("/")[0], own)
        for _ in range(2):
            await migrate(url, metadata, SERVICE.versions, own.name, GRANTS, said.append)
        assert [one for one in said if "analysts can take locks by number" in one] == said[:2]
        service = Database(signed_in(url, own), WallClock(), "reporting")
        await service.open()
        try:
            assert await scalar(service, "select count(*) from reporting.need") == 0
            assert await scalar(service, "select count(*) from projection_v1.need") == 0
            assert (await Rebuilder(topics, service.url).run("offer")).switched
        finally:
            await service.close()
        await analysts.add(url, who, say=said.append)
        assert "has no bound" in said[2]
        assert await analysts.readable(signed_in(url, who))
        await analysts.remove(url, who.name)


async def test_what_changes_owner_and_is_in_use_is_named_and_nothing_is_changed(
    postgres: str,
) -> None:
    async with plain_owners_database(postgres, "createrole") as (_, url, own):
        await migrate(url, metadata, SERVICE.versions)
        owned = Database(url, WallClock(), "reporting")
        await owned.open()
        await first_version(owned)
        await ensure_login(url.rpartition("/")[0], own)
        async with owned.transaction() as held:
            await held.driver.execute("select from projection_v1.need")
            with pytest.raises(Exception, match="stop reporting, rebuilds too, and migrate again"):
                await migrate(url, metadata, SERVICE.versions, own.name, GRANTS)
        assert await scalar(owned, "select count(*) from reporting.need") == 0
        await migrate(url, metadata, SERVICE.versions, own.name, GRANTS)
        await owned.close()


async def test_an_owner_who_may_not_hand_over_is_told_why(postgres: str) -> None:
    said: list[str] = []
    async with plain_owners_database(postgres) as (server, url, own):
        await server.execute(f"create role {own.name} login password '{own.password}'")
        await ensure_login(url.rpartition("/")[0], own, say=said.append)
        assert f'grant "{own.name}" to' in said[0]
        with pytest.raises(Exception, match=f'grant "?{own.name}"? to'):
            await migrate(url, metadata, SERVICE.versions, own.name, GRANTS)
        owner = url.partition("://")[2].partition(":")[0]
        await server.execute(f"grant {own.name} to {owner}")
        await migrate(url, metadata, SERVICE.versions, own.name, GRANTS)


@asynccontextmanager
async def as_superuser(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(f"{postgres}/postgres")
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Anna", "not a plain name"),
        ("anna hansen", "not a plain name"),
        ("ånna", "not a plain name"),
        ("1anna", "not a plain name"),
        ("a" * 42, "not a plain name"),
        ("brobyg_analyst", "the system's own"),
        ("brobyg_matching", "the system's own"),
        ("projection_v99", "the system's own"),
        ("pg_anna", "the system's own"),
        ("matching", "the system's own"),
        ("reporting", "the system's own"),
        ("information_schema", "something else"),
    ],
)
async def test_a_name_that_is_others_is_refused_and_nothing_is_made(
    postgres: str, database_for: DatabaseFor, name: str, why: str
) -> None:
    exists = "select count(*) from pg_roles where rolname = $1"
    async with database_for(SERVICE) as database, as_superuser(postgres) as server:
        before = await server.fetchval(exists, name)
        with pytest.raises(AnalystRefused, match=why):
            await analysts.add(owners_url(database), Login(name, "secret"), service_entry_points())
        assert await server.fetchval(exists, name) == before
        with pytest.raises(AnalystRefused, match="there is no analyst"):
            await analysts.remove(owners_url(database), name)
        group = "select rolcanlogin, rolpassword is null from pg_authid where rolname = $1"
        assert [tuple(row) for row in await server.fetch(group, "brobyg_analyst")] == [
            (False, True)
        ]


async def test_an_analyst_who_was_told_not_to_sign_in_stays_so(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with (
        login(postgres) as who,
        database_for(SERVICE) as database,
        as_superuser(postgres) as server,
    ):
        await analysts.add(owners_url(database), who)
        await server.execute(f"alter role {who.name} nologin")
        with pytest.raises(AnalystRefused, match="told not to sign in"):
            await analysts.add(owners_url(database), who)


async def test_an_analyst_who_leaves_is_gone_with_their_views_and_sessions(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with (
        login(postgres) as who,
        login(postgres) as other,
        database_for(SERVICE) as database,
        signing_in(database, who) as analyst,
        signing_in(database, other) as colleague,
    ):
        owner = owners_url(database)
        await first_version(database)
        await analyst.execute(
            "begin read write; create view mine as select need_id from need;"
            f" grant usage on schema {who.name} to brobyg_analyst;"
            " grant select on mine to brobyg_analyst; commit"
        )
        await colleague.execute(
            f"begin read write; create view ours as select * from {who.name}.mine; commit"
        )
        with pytest.raises(AnalystRefused, match="others have built on") as refused:
            await analysts.remove(owner, who.name)
        assert "ours" in str(refused.value)
        # That nobody signs in with it is committed before sessions are ended, so it stands.
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(signed_in(database.url, who))
        await colleague.execute("begin read write; drop view ours; commit")
        await analysts.remove(owner, who.name)
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(signed_in(database.url, who))
        assert await colleague.fetchval("select to_regnamespace($1)", quoted(who.name)) is None


@pytest.mark.parametrize(
    ("name", "right"), [("Anna; drop", "a letter a-z, then"), ("matching", "take another")]
)
def test_a_name_that_no_analyst_can_have_is_refused_before_anything_is_asked(
    name: str, right: str
) -> None:
    refused = CliRunner().invoke(command.app, ["add", name], env={"COLUMNS": "200"})
    assert (refused.exit_code, right in refused.output) == (2, True)


@pytest.mark.parametrize("arguments", [[], ["add"], ["connect"], ["remove"]])
def test_help_teaches(arguments: list[str]) -> None:
    said = CliRunner().invoke(command.app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert "analyst" in said.stdout
