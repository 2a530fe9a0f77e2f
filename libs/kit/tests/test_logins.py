"""A service's own login: what it may do in its database, and that it can do nothing else."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from brobyg_kit import cli
from brobyg_kit.errors import LoginRefused
from brobyg_kit.logins import Login, ensure_login, quoted, signed_in
from brobyg_kit.migrate import migrate
from brobyg_kit.runtime import Runtime
from brobyg_kit.service import Parts as ServiceParts
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.tables import metadata as delivery
from delivery_parts import NO_VERSIONS
from sqlalchemy import Column, Integer, MetaData, Table
from typer.testing import CliRunner

METADATA = MetaData()
Table("thing", METADATA, Column("number", Integer, primary_key=True))
REVISION = """
from alembic import op
revision = "things"; down_revision = None; branch_labels = depends_on = None
def upgrade(): op.execute("create table thing (number int primary key)")
"""


@asynccontextmanager
async def things(postgres: str) -> AsyncIterator[tuple[str, Login]]:
    """The name of a service and a login for it; neither has anything yet, all is gone after."""
    name = f"things_{uuid.uuid4().hex[:10]}"
    login = Login(f"test {name}", "it's a 'secret' / with % and @")
    try:
        yield name, login
    finally:
        owner = await asyncpg.connect(f"{postgres}/postgres")
        await owner.execute(f"drop database if exists brobyg_{name} with (force)")
        await owner.execute(f"drop role if exists {quoted(login.name)}")
        await owner.close()


def migrated(name: str, versions: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> str:
    """What `brobyg NAME migrate` says; it must succeed."""

    class OwnVersions(Service):
        @property
        def versions(self) -> Path:
            return versions

    service = OwnVersions(
        name, "brobyg_kit", KitSettings, lambda _: ServiceParts(), metadata=METADATA
    )
    monkeypatch.setattr(cli, "load_service", lambda _: service)
    for variable, value in more.items():
        monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(cli._service_app(name), ["migrate"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("before", [False, True], ids=["a new one", "one of a single owner"])
async def test_after_a_migration_the_service_reads_and_writes_its_rows_and_nothing_else(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    (tmp_path / "things.py").write_text(REVISION)
    async with things(postgres) as (name, login):
        own = signed_in(postgres, login)
        if before:  # a database as it was before services had logins of their own
            owner = await asyncpg.connect(f"{postgres}/postgres")
            await owner.execute(f"create database brobyg_{name}")
            await owner.close()
            await migrate(f"{postgres}/brobyg_{name}", METADATA, tmp_path)
            owner = await asyncpg.connect(f"{postgres}/brobyg_{name}")
            await owner.execute("insert into thing values (41)")
            await owner.close()
        settings = {"BROBYG_DATABASE": postgres, f"BROBYG_{name.upper()}_DATABASE": own}
        for _ in range(2):  # it is safe to run again
            await asyncio.to_thread(lambda: migrated(name, tmp_path, monkeypatch, **settings))
        service = await asyncpg.connect(f"{own}/brobyg_{name}")
        try:
            assert await service.fetchval("select current_user") == login.name
            await service.execute("insert into thing values (42)")
            await service.execute("update thing set number = 43 where number = 42")
            assert await service.fetchval("select count(*) from thing") == 1 + before
            await service.execute("delete from thing")
            await service.execute(
                "insert into outbox (topic, key, value, content_type) values ('t', 'k', '', 'c')"
            )
            assert await service.fetchval("select count(*) from alembic_version") == 2
            for statement in (
                "drop table thing",
                "truncate thing",
                "alter table thing add column more int",
                "create table another ()",
                "create temporary table another ()",
                "create schema another",
                "create index on thing (number)",
                "delete from alembic_version",
                "create role another",
                f"drop database brobyg_{name}",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await service.execute(statement)
        finally:
            await service.close()


async def test_readiness_tells_of_a_database_whose_rights_are_not_those_granted(
    postgres: str,
) -> None:
    async with things(postgres) as (name, login):
        own, owner_url = signed_in(postgres, login), f"{postgres}/brobyg_{name}"
        await ensure_login(postgres, login)
        owner = await asyncpg.connect(f"{postgres}/postgres")
        await owner.execute(f"create database brobyg_{name}")
        await migrate(owner_url, MetaData(), NO_VERSIONS, login.name)

        class Own(KitSettings):
            def server_of(self, service: str) -> str:
                return own

        service = Service(name, "brobyg_kit", Own, lambda _: ServiceParts(), metadata=MetaData())
        runtime = Runtime(service, Own())
        assert runtime.database is not None
        await runtime._open(runtime.database)

        async def readiness() -> tuple[bool, str]:
            check = await runtime._check_database()
            return check.ok, check.detail

        assert await readiness() == (True, "")
        advice = f"run 'brobyg {name} migrate'"
        for undo, told in (
            (f"grant connect on database brobyg_{name} to public", "every login of the server"),
            (f"revoke insert on outbox from {quoted(login.name)}", "a right to public.outbox"),
        ):
            there = await asyncpg.connect(owner_url)
            await there.execute(undo)
            await there.close()
            ready, detail = await readiness()
            assert (ready, told in detail, detail.endswith(advice)) == (False, True, True)
            await migrate(owner_url, MetaData(), NO_VERSIONS, login.name)
            assert await readiness() == (True, "")
        await runtime.database.close()
        await owner.close()


async def test_a_service_enters_no_other_service_s_database(postgres: str) -> None:
    async with things(postgres) as (one, login), things(postgres) as (other, another):
        for name, whose in ((one, login), (other, another)):
            owner = await asyncpg.connect(f"{postgres}/postgres")
            await owner.execute(f"create database brobyg_{name}")
            await owner.close()
            await ensure_login(postgres, whose)
            url = f"{postgres}/brobyg_{name}"
            await migrate(url, MetaData(), NO_VERSIONS, whose.name)
        for name, whose, enters in (
            (one, login, True),
            (other, login, False),
            (one, another, False),
            (other, another, True),
        ):
            url = f"{signed_in(postgres, whose)}/brobyg_{name}"
            if enters:
                await (await asyncpg.connect(url)).close()
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
                    await asyncpg.connect(url)


async def test_every_delivery_table_can_be_used_by_the_service(postgres: str) -> None:
    async with things(postgres) as (name, login):
        await ensure_login(postgres, login)
        owner = await asyncpg.connect(f"{postgres}/postgres")
        await owner.execute(f"create database brobyg_{name}")
        await owner.close()
        await migrate(f"{postgres}/brobyg_{name}", MetaData(), NO_VERSIONS, login.name)
        service = await asyncpg.connect(f"{signed_in(postgres, login)}/brobyg_{name}")
        try:
            for table in delivery.sorted_tables:
                may = "select has_table_privilege($1, $2)"
                for right in ("select", "insert", "update", "delete"):
                    assert await service.fetchval(may, table.name, right), (table.name, right)
                for right in ("truncate", "references", "trigger"):
                    assert not await service.fetchval(may, table.name, right), (table.name, right)
        finally:
            await service.close()


async def test_a_password_that_was_changed_is_the_one_that_counts(postgres: str) -> None:
    async with things(postgres) as (name, login):
        newer = Login(login.name, "another")
        owner = await asyncpg.connect(f"{postgres}/postgres")
        await owner.execute(f"create database brobyg_{name}")
        await owner.close()
        for one in (login, newer):
            await ensure_login(postgres, one)
            await (await asyncpg.connect(f"{signed_in(postgres, one)}/brobyg_{name}")).close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"{signed_in(postgres, login)}/brobyg_{name}")


async def test_the_owner_s_own_login_is_refused_for_a_service(postgres: str) -> None:
    with pytest.raises(LoginRefused, match="a login of its own"):
        await ensure_login(postgres, Login.of(postgres))
    with pytest.raises(LoginRefused, match="names no login"):
        Login.of("postgresql://127.0.0.1:5432")
