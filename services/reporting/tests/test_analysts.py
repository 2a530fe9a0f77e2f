"""Analysts on the real database: what they read, what they build, and that nothing else is open."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from random import Random

import asyncpg
import pytest
from brobyg_kit.cli import load_service
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.logins import Login, quoted, signed_in
from brobyg_kit.migrate import check, migrate
from brobyg_kit.testing import Running, login_of, new_database, owners_url
from brobyg_reporting.adapters import analysts, views
from brobyg_reporting.adapters.grants import GRANTS
from brobyg_reporting.adapters.tables import metadata
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.adapters.view_definitions import VIEWS
from brobyg_reporting.adapters.view_parts import View
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.entrypoints import analyst as command
from brobyg_reporting.errors import AnalystRefused
from brobyg_reporting.testing import interleave, make_history
from reference_data import give_reference
from typer.testing import CliRunner

from .conftest import Publisher, Rebuilder, first_version, scalar
from .stories import DEPARTMENT, keep, story

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]
_OPEN = """
    select nspname || '.' || relname from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname not in ('pg_catalog', 'information_schema')
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, $1)
"""
_BUILD = """
    begin read write;
    create view mine as select helper_id, status from helper;
    commit
"""


@asynccontextmanager
async def login(server: str) -> AsyncIterator[Login]:
    """A name that nothing has yet; gone after the block, as its database must be then."""
    made = Login(f"t{uuid.uuid4().hex[:10]}", "a 'password'")
    try:
        yield made
    finally:
        owner = await asyncpg.connect(f"{server}/postgres")
        await owner.execute(f"drop role if exists {quoted(made.name)}")
        await owner.close()


@asynccontextmanager
async def signing_in(database: Database, who: Login) -> AsyncIterator[asyncpg.Connection]:
    """The analyst's connection; the login is made."""
    await analysts.add(owners_url(database), who)
    connection = await asyncpg.connect(signed_in(database.url, who))
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_analyst_reads_the_views_by_their_names_and_nothing_else(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        async with signing_in(database, who) as analyst:
            assert await analyst.fetch("select * from need") == []
            found = {row[0] for row in await analyst.fetch(_OPEN, "select")}
            assert found == {f"reporting.{name}" for name in VIEWS}
            for right in ("insert", "update", "delete", "truncate", "references", "trigger"):
                assert await analyst.fetch(_OPEN, right) == [], right
            named = {one.name for one in await analysts.readable(signed_in(database.url, who))}
            assert named == set(VIEWS)
            for statement in (
                "select * from reporting.projection_version",
                "select * from projection_v1.need",
                "select * from public.replica",
                "select * from public.outbox",
                "select * from public.parked_event",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await analyst.execute(statement)
            for statement in (
                "delete from need",
                "drop view need",
                "create view reporting.another as select 1",
                "create table public.another ()",
                "create temporary table another ()",
                "create schema another",
            ):
                with pytest.raises(asyncpg.PostgresError) as refused:
                    await analyst.execute(f"begin read write; {statement}; commit")
                assert isinstance(
                    refused.value,
                    asyncpg.InsufficientPrivilegeError | asyncpg.ObjectNotInPrerequisiteStateError,
                )
                await analyst.execute("rollback")


async def test_an_analyst_s_session_ends_what_takes_too_long_and_writes_only_when_told(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        async with signing_in(database, who) as analyst:
            for setting, expected in (
                ("statement_timeout", "5min"),
                ("idle_in_transaction_session_timeout", "1min"),
                ("default_transaction_read_only", "on"),
            ):
                assert await analyst.fetchval(f"show {setting}") == expected
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await analyst.execute("create view mine as select 1")


async def test_an_analyst_enters_no_service_s_database(
    postgres: str, database_for: DatabaseFor
) -> None:
    async with (
        login(postgres) as who,
        database_for(SERVICE) as database,
        database_for(load_service("referral")) as other,
    ):
        async with signing_in(database, who):
            pass
        for closed in (
            signed_in(other.url, who),
            signed_in(other.url, login_of(postgres, "reporting")),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
                await asyncpg.connect(closed)


async def test_what_an_analyst_built_survives_a_rebuild_and_a_view_that_loses_a_column_stays_open(
    postgres: str,
    database_for: DatabaseFor,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = Random(7)
    await publisher.send(interleave(random, make_history(random, 20)))
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        async with signing_in(database, who) as analyst:
            await analyst.execute(_BUILD)
            assert await analyst.fetchval("select count(*) from mine") == 0
            assert (await Rebuilder(publisher.address, database.url).run()).switched
            assert await analyst.fetchval("select count(*) from mine") > 0
            monkeypatch.setattr(views, "_comments", lambda: ["select 1"])
            monkeypatch.setitem(VIEWS, "offer", View("select offer_id from {v}.offer", "Fewer."))
            async with database.connect() as connection:
                tables = VersionTables(connection)
                async with tables.transaction():
                    live = await tables.live()
                    await views.show(connection, {one: its.number for one, its in live.items()})
            offers = await analyst.fetch("select * from offer")
            assert {tuple(row.keys()) for row in offers} == {("offer_id",)}
            assert await analyst.fetchval("select count(*) from mine") > 0


async def test_places_departments_and_municipalities_have_names_and_times_have_weeks(
    postgres: str, serve: Serve
) -> None:
    async with login(postgres) as who, serve(SERVICE) as running:
        database = running.runtime.database
        assert database is not None
        await give_reference(database)
        await keep(running, story())
        async with signing_in(database, who) as analyst:
            [need] = await analyst.fetch("select * from need")
            assert (need["place_name"], need["municipality_name"], str(need["week"])) == (
                "Regionshospitalet Randers",
                "Randers",
                "2026-11-30",
            )
            assert need["iso_week"] == "2026-W49"
            assert need["department_name"] == "Randers og Norddjurs"
            for name in ("referral", "match", "offer", "need_summary_by_week"):
                [row] = await analyst.fetch(f"select * from {name}")
                assert row["department_name"] == "Randers og Norddjurs", name
            [helper] = await analyst.fetch("select * from helper_activity")
            assert helper["departments"] == [DEPARTMENT]
            assert helper["department_names"] == ["Randers og Norddjurs"]
            weeks = await analyst.fetch(
                "select week, sum(needs) as n from need_summary_by_week group by 1"
            )
            assert [(str(row["week"]), row["n"]) for row in weeks] == [("2026-11-30", 1)]
            unsaid = "select count(*) from dictionary where coalesce(meaning, '') = ''"
            assert await analyst.fetchval(unsaid) == 0
            assert await analyst.fetchval(
                "select count(distinct view_name) from dictionary"
            ) == len(VIEWS)


async def test_a_database_of_one_owner_gets_its_logins_while_a_reader_reads(
    postgres: str, publisher: Publisher
) -> None:
    random = Random(8)
    await publisher.send(interleave(random, make_history(random, 20)))
    name, own = f"brobyg_reporting_u{uuid.uuid4().hex[:8]}", login_of(postgres, "reporting")
    clock = WallClock()
    async with (
        login(postgres) as who,
        new_database(postgres, name, metadata, SERVICE.versions) as url,
    ):
        owned = Database(url, clock, "reporting")
        await owned.open()
        await first_version(owned)
        assert (await Rebuilder(publisher.address, url).run()).switched
        await owned.close()
        started = asyncio.Event()
        reader = asyncio.create_task(read_on(url, started))
        await started.wait()
        assert await migrate(url, metadata, SERVICE.versions, own.name, GRANTS) == []
        service = Database(signed_in(url, own), clock, "reporting")
        await service.open()
        try:
            await check(service.url, metadata, SERVICE.versions)
            before = await scalar(service, "select count(*) from reporting.event_log")
            assert (await Rebuilder(publisher.address, service.url).run()).switched
            assert await scalar(service, "select count(*) from reporting.event_log") == before != 0
            assert not reader.done()
            await analysts.add(url, who)
            assert len(await analysts.readable(signed_in(url, who))) == len(VIEWS)
            with pytest.raises(Exception, match="must be owner"):
                await scalar(service, "drop table reporting.projection_version cascade")
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
            await service.close()


async def read_on(url: str, started: asyncio.Event) -> None:
    """Read until cancelled; raises when a read fails."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            await connection.fetch("select need_id, standing from reporting.need")
            await connection.fetch("select * from reporting.helper_activity, reporting.attention")
            started.set()
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "name", ["Anna", "anna;", "reporting", "brobyg_test_reporting", "public", "none"]
)
async def test_a_name_that_is_no_plain_word_or_that_something_has_is_refused(
    database_for: DatabaseFor, name: str
) -> None:
    async with database_for(SERVICE) as database:
        with pytest.raises(AnalystRefused):
            await analysts.add(owners_url(database), Login(name, "secret"))


async def test_the_command_makes_a_login_and_tells_how_to_connect(
    postgres: str, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        monkeypatch.setattr("brobyg_kit.cli.load_environment", lambda: None)
        name = database.url.rpartition("/")[2]
        monkeypatch.setattr(
            "brobyg_kit.database.database_url", lambda server, _: f"{server}/{name}"
        )
        monkeypatch.setenv("BROBYG_DATABASE", postgres)

        async def run(*arguments: str) -> dict[str, object]:
            result = await asyncio.to_thread(CliRunner().invoke, command.app, list(arguments))
            assert result.exit_code == 0, result.output
            told: dict[str, object] = json.loads(result.stdout)
            return told

        made = await run("add", who.name, "--json")
        with_password = Login(who.name, str(made["password"]))
        monkeypatch.setenv("BROBYG_REPORTING_ANALYST", signed_in(postgres, with_password))
        assert await run("connect", "--json") == made
        assert (made["user"], made["database"]) == (who.name, name)
        assert f"user={who.name}" in str(made["service"]).splitlines()
        assert str(made["jdbc"]).startswith("jdbc:postgresql://")
        again = await run("add", "--json")
        assert again == made
        plain = await asyncio.to_thread(CliRunner().invoke, command.app, ["connect"])
        assert (plain.exit_code, "need_summary" in plain.stdout) == (0, True)


def test_without_an_analyst_s_login_the_command_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("brobyg_kit.cli.load_environment", lambda: None)
    monkeypatch.delenv("BROBYG_REPORTING_ANALYST", raising=False)
    result = CliRunner().invoke(command.app, ["connect"])
    assert (result.exit_code, "brobyg analyst add" in result.stderr) == (2, True)


async def test_every_query_of_the_analysts_guide_works(
    postgres: str, database_for: DatabaseFor
) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "analysts.md").read_text(encoding="utf-8")
    queries = re.findall(r"^```sql\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(queries) > 4
    async with login(postgres) as who, database_for(SERVICE) as database:
        await first_version(database)
        async with signing_in(database, who) as analyst:
            for query in queries:
                await analyst.execute(query)
            assert await analyst.fetch("select * from late") == []
            shown = {
                *re.findall(
                    r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", guide, re.MULTILINE))
                )
            }
            assert shown == set(VIEWS)
