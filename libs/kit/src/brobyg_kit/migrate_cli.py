"""Migrations as a command, of one service or of all."""

import asyncio

import typer
from alembic.util import CommandError

from brobyg_kit import cli, database, migrate
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.errors import DatabaseTooOld, LoginRefused, TableInUse
from brobyg_kit.logins import Login, ensure_login
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings, own_server


def migrate_service(name: str, *, create: bool) -> None:
    """Bring the service's database up to date and say what was applied, or fail with a message."""
    service = cli.load_service(name)
    if service.metadata is None:
        typer.echo(f"{name} keeps nothing in a database")
        return
    cli.refuse_shared_login(name)
    server = KitSettings().database.get_secret_value()
    try:
        applied = asyncio.run(_migrate(server, service, create=create))
    except CommandError as error:
        cli.fail(str(error))
    except (DatabaseTooOld, LoginRefused, TableInUse) as error:
        cli.fail(f"the database of {name} can't be migrated: {error}")
    except DATABASE_ERRORS as error:
        cli.fail(
            f"the database of {name} could not be brought up to date:"
            f" {type(error).__name__}: {error} (docs/logins.md tells what the owner must be"
            " allowed)"
        )
    typer.echo(f"{name}: {', '.join(applied) if applied else 'up to date'}")


async def _migrate(server: str, service: Service, *, create: bool) -> list[str]:
    assert service.metadata is not None  # the caller has checked it
    login = Login.of(own_server(service.name))
    others = [f"brobyg_{one}" for one in cli.service_entry_points() if one != service.name]
    await ensure_login(server, login, others, cli.warn)
    if create:
        await migrate.create_database(server, service.name)
    url = database.database_url(server, service.name)
    return await migrate.migrate(
        url, service.metadata, service.versions, login.name, service.grants, cli.warn
    )
