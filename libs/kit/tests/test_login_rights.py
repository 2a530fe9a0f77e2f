"""What is closed to logins, whose login it was before, and owners who are no superusers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from brobyg_kit import cli
from brobyg_kit.errors import LoginRefused
from brobyg_kit.logins import Login, ensure_login, quoted, signed_in
from brobyg_kit.migrate import create_database, migrate
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from delivery_parts import NO_VERSIONS
from sqlalchemy import MetaData
from typer.testing import CliRunner


@asynccontextmanager
async def as_superuser(
    postgres: str, database: str = "postgres"
) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(f"{postgres}/{database}")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def database_and_logins(
    postgres: str, number: int = 1
) -> AsyncIterator[tuple[str, list[Login]]]:
    """The name of a service with a database, and names that no login has; all is gone after."""
    name = f"rights_{uuid.uuid4().hex[:10]}"
    logins = [Login(f"{name} {one}", f"secret {one}") for one in range(number)]
    async with as_superuser(postgres) as owner:
        await owner.execute(f"create database brobyg_{name}")
        try:
            yield name, logins
        finally:
            await owner.execute(f"drop database if exists brobyg_{name} with (force)")
            for login in reversed(logins):
                await owner.execute(f"drop role if exists {quoted(login.name)}")


async def migrated(owner: str, name: str, login: Login, said: list[str]) -> str:
    """As `brobyg NAME migrate`; the service's address of its database."""
    await ensure_login(owner, login, say=said.append)
    url = f"{owner}/brobyg_{name}"
    await migrate(url, MetaData(), NO_VERSIONS, login.name, say=said.append)
    return f"{signed_in(owner, login)}/brobyg_{name}"


@pytest.mark.parametrize("database", ["postgres", "template1"])
async def test_the_server_s_own_databases_are_closed(postgres: str, database: str) -> None:
    async with database_and_logins(postgres) as (_, [login]), as_superuser(postgres) as owner:
        await owner.execute(f"grant connect, temporary on database {database} to public")
        await ensure_login(postgres, login)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
            await (await asyncpg.connect(f"{signed_in(postgres, login)}/{database}")).close()


async def test_a_former_login_has_no_rights_any_more_and_the_new_one_has_all(postgres: str) -> None:
    async with database_and_logins(postgres, 2) as (name, [former, new]):
        said: list[str] = []
        before = await asyncpg.connect(await migrated(postgres, name, former, said))
        assert await before.fetchval("select count(*) from outbox") == 0
        service = await asyncpg.connect(await migrated(postgres, name, new, said))
        try:
            assert await service.fetchval("select count(*) from outbox") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await before.fetchval("select count(*) from public.outbox")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
                await asyncpg.connect(f"{signed_in(postgres, former)}/brobyg_{name}")
        finally:
            await before.close()
            await service.close()
        assert f"the former login {former.name} has no rights here any more" in "\n".join(said)
        async with as_superuser(postgres, f"brobyg_{name}") as owner:
            await owner.execute(f"drop role {quoted(former.name)}")  # nothing is left of it


async def test_a_login_that_another_service_has_is_refused(postgres: str) -> None:
    async with (
        database_and_logins(postgres) as (one, [login]),
        database_and_logins(postgres) as (other, _),
    ):
        await migrated(postgres, one, login, [])
        with pytest.raises(LoginRefused, match=f"the login of brobyg_{one} already"):
            await ensure_login(postgres, login, [f"brobyg_{one}"])
        await ensure_login(postgres, login, [f"brobyg_{other}"])


async def test_migrate_refuses_a_login_that_another_service_has(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_and_logins(postgres) as (one, [login]):
        await migrated(postgres, one, login, [])
        another = Service(
            "another", "brobyg_kit", KitSettings, lambda _: Parts(), metadata=MetaData()
        )
        monkeypatch.setattr(cli, "load_service", lambda _: another)
        monkeypatch.setattr(cli, "service_entry_points", lambda: {one: None, "another": None})
        monkeypatch.setenv("BROBYG_DATABASE", postgres)
        monkeypatch.setenv("BROBYG_ANOTHER_DATABASE", signed_in(postgres, login))
        command = cli._service_app("another")
        result = await asyncio.to_thread(CliRunner().invoke, command, ["migrate"])
        assert result.exit_code == 1
        assert f"is the login of brobyg_{one} already" in result.stderr


@pytest.mark.parametrize("act", ["run", "api", "migrate"])
def test_services_whose_settings_name_one_login_are_not_started(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REFERRAL", "REPORTING"):
        monkeypatch.setenv(f"BROBYG_{name}_DATABASE", "postgresql://one:secret@db.example.org")
    result = CliRunner().invoke(cli._service_app("reporting"), [act])
    assert result.exit_code == 1
    assert "reporting and referral have the same login, one" in result.stderr
    assert "BROBYG_REFERRAL_DATABASE" in result.stderr
    assert "secret" not in result.stderr


@asynccontextmanager
async def plain_owner(postgres: str, *rights: str) -> AsyncIterator[str]:
    """The server's address as somebody signs in who is no superuser, with their rights."""
    made = Login(f"owner_{uuid.uuid4().hex[:10]}", "the secret of the owner")
    async with as_superuser(postgres) as server:
        await server.execute(
            f"create role {made.name} login {' '.join(rights)} password '{made.password}'"
        )
        await server.execute(f"grant connect on database postgres to {made.name}")
        try:
            yield signed_in(postgres, made)
        finally:
            await server.execute(f"drop owned by {made.name}")
            await server.execute(f"drop role {made.name}")


@asynccontextmanager
async def its_database(postgres: str, owner: str) -> AsyncIterator[tuple[str, Login]]:
    """A database of the owner's, and a name for a login of it."""
    name = f"plain_{uuid.uuid4().hex[:10]}"
    login = Login(name, "the secret of the service")
    await create_database(owner, name)
    try:
        yield name, login
    finally:
        async with as_superuser(postgres) as server:
            await server.execute(f"drop database brobyg_{name} with (force)")
            await server.execute(f"drop role if exists {name}")


async def works(url: str) -> None:
    service = await asyncpg.connect(url)
    try:
        await service.execute("delete from outbox")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("truncate outbox")
    finally:
        await service.close()


async def test_an_owner_who_is_no_superuser_makes_the_login_and_says_what_stays_open(
    postgres: str,
) -> None:
    async with (
        plain_owner(postgres, "createdb", "createrole") as owner,
        its_database(postgres, owner) as (name, login),
        as_superuser(postgres) as server,
    ):
        said: list[str] = []
        await server.execute(f"create database {name}_open")
        try:
            await works(await migrated(owner, name, login, said))
        finally:
            await server.execute(f"drop database {name}_open")
        [told] = [one for one in said if "every login can enter" in one]
        assert f"{name}_open" in told


async def test_a_login_made_beforehand_is_used_with_the_password_that_it_has(postgres: str) -> None:
    async with (
        plain_owner(postgres, "createdb") as owner,
        its_database(postgres, owner) as (name, login),
        as_superuser(postgres) as server,
    ):
        with pytest.raises(LoginRefused, match=f'create role "{name}" login; grant "{name}" to'):
            await ensure_login(owner, login)
        await server.execute(f"create role {name} login password '{login.password}'")
        said: list[str] = []
        await works(await migrated(owner, name, login, said))
        assert "is no member of" in said[0]
        assert "can't set the password" in said[1]


async def test_a_login_that_may_not_sign_in_is_left_so_and_named(postgres: str) -> None:
    async with database_and_logins(postgres) as (_, [login]), as_superuser(postgres) as owner:
        await owner.execute(f"create role {quoted(login.name)} nologin")
        with pytest.raises(LoginRefused, match="may not sign in; if it is to: alter role"):
            await ensure_login(postgres, login)


async def test_a_name_with_characters_of_sql_is_refused(postgres: str) -> None:
    for name in ('a"b', "a'b", "a$$b", "{role}", "", "a;b"):
        with pytest.raises(LoginRefused, match="characters"):
            await ensure_login(postgres, Login(name, "secret"))


@pytest.mark.parametrize("kind", ["login", "nologin"])
async def test_who_was_lent_a_single_right_is_no_former_login(postgres: str, kind: str) -> None:
    """Only who is also let into the database by name, and signs in, has been the service's."""
    async with database_and_logins(postgres, 2) as (name, [lent, own]):
        said: list[str] = []
        await migrated(postgres, name, own, said)
        async with as_superuser(postgres, f"brobyg_{name}") as owner:
            await owner.execute(f"create role {quoted(lent.name)} {kind}")
            await owner.execute(f"grant insert on outbox to {quoted(lent.name)}")
            if kind == "nologin":
                connect = f"grant connect on database brobyg_{name} to {quoted(lent.name)}"
                await owner.execute(connect)
            await migrated(postgres, name, own, said)
            assert "former login" not in "\n".join(said)
            kept = "select has_table_privilege($1::text, 'public.outbox', 'insert')"
            assert await owner.fetchval(kept, lent.name)
