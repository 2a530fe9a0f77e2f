"""`brobyg`: one tool, one help. It finds each service's commands by entry point, so it imports none."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from aiokafka.errors import KafkaError
from alembic.util import CommandError
from rich.console import Console
from rich.table import Table

from brobyg_kit import database, flow, logs, migrate, process
from brobyg_kit.auth import issue_token
from brobyg_kit.clock import WallClock
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.dlq import app as dlq_app
from brobyg_kit.domain import domain
from brobyg_kit.errors import KitError
from brobyg_kit.runtime import Role, Runtime
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.topics import apply_topics, load_topics

console = Console()
app = typer.Typer(
    help="Brobyg: from a hospital's appointment to somebody who comes along. Settings come from the environment; 'brobyg config' lists them.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
topics_app = typer.Typer(
    help="Kafka topics, as schemas/topics declares them.", no_args_is_help=True
)
app.add_typer(topics_app, name="topics")
app.add_typer(dlq_app, name="dlq")

ENVIRONMENT_FILE = Path("var/local/environment.json")


def load_environment(file: Path = ENVIRONMENT_FILE) -> None:
    """Take the settings of the locally running system for those the environment does not set."""
    if file.is_file():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


def service_entry_points() -> dict[str, EntryPoint]:
    """Every installed service by name, not yet imported."""
    return {
        entry.name: entry
        for entry in sorted(entry_points(group="brobyg.services"), key=lambda e: e.name)
    }


def load_service(name: str) -> Service:
    """The service of this name. Raises typer.BadParameter when there is none."""
    found = service_entry_points().get(name)
    if found is None:
        raise typer.BadParameter(
            f"no service {name!r}; there are {', '.join(service_entry_points())}"
        )
    service = found.load()
    if not isinstance(service, Service):
        raise TypeError(f"{found.value} is no Service")
    return service


@app.command()
def token(
    role: Annotated[
        list[str],
        typer.Option(help=f"One of: {', '.join(sorted(domain().ROLES))}; may be repeated."),
    ],
    subject: Annotated[
        str, typer.Option(help="Whose token; for a volunteer the volunteer_id.")
    ] = "developer",
    organisation: Annotated[
        str | None, typer.Option(help="Such as hospital-randers or municipality-0730.")
    ] = None,
    department: Annotated[str | None, typer.Option(help="Such as randers or norddjurs.")] = None,
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.01, max=24 * 366)] = 8,
) -> None:
    """Print a development token, for `Authorization: Bearer ...`."""
    key = KitSettings().token_signing_key
    if key is None or not key.is_file():
        _fail(
            "there is no signing key here; set BROBYG_TOKEN_SIGNING_KEY, or start the system with 'make up'"
        )
    try:
        text = issue_token(
            key,
            subject,
            role,
            WallClock(),
            organisation=organisation,
            department=department,
            lifetime=timedelta(hours=hours),
        )
    except ValueError as error:
        _fail(str(error))
    typer.echo(text)


@app.command()
def config(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """List every setting: its variable, its value here and what it is for. Secrets are not shown."""
    rows: dict[str, tuple[str, str]] = {}
    for name in service_entry_points():
        service = load_service(name)
        values = service.settings()
        for field, info in service.settings.model_fields.items():
            rows[f"BROBYG_{field.upper()}"] = (str(getattr(values, field)), info.description or "")
    if as_json:
        typer.echo(
            json.dumps(
                {
                    name: {"value": value, "description": text}
                    for name, (value, text) in rows.items()
                },
                indent=2,
            )
        )
        return
    table = Table("variable", "value", "what it is for")
    for name, (value, text) in sorted(rows.items()):
        table.add_row(name, value, text)
    console.print(table)


@app.command("flow")
def flow_command(
    mermaid: Annotated[
        bool, typer.Option(help="As a Mermaid picture, the one in README.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show which event is emitted where and consumed by whom, for the whole system."""
    rows = flow.rows([load_service(name) for name in service_entry_points()])
    if mermaid:
        typer.echo(flow.mermaid(rows))
    elif as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=2))
    else:
        console.print(flow.table(rows))


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing. Safe to run again."""
    settings = KitSettings()
    try:
        topics = load_topics(settings.topics)
        for name, what in asyncio.run(apply_topics(settings.kafka, topics)).items():
            typer.echo(f"{name}: {what}")
    except (KafkaError, KitError, ValueError, OSError) as error:
        _fail(f"the topics could not be applied on {settings.kafka}: {error}")


def _service_app(name: str) -> typer.Typer:
    group = typer.Typer(help=f"The {name} service.", no_args_is_help=True)

    def add(role: Role, text: str) -> None:
        @group.command(role, help=text)
        def _run() -> None:
            process.run(_run_service(name, role))

    add("run", "Everything in one process: doors, consumer, timers and relay.")
    add("api", "The HTTP doors alone.")
    add("consumer", "The consumer, timers and workers alone.")
    add("relay", "The relay alone.")

    @group.command("migrate")
    def migrate_command(
        create: Annotated[
            bool, typer.Option(help="Create the database first if it isn't there.")
        ] = True,
    ) -> None:
        """Bring the service's database up to date. Safe to run again, and to interrupt."""
        service = load_service(name)
        if service.metadata is None:
            typer.echo(f"{name} keeps nothing in a database")
            return
        server = service.settings().database.get_secret_value()
        try:
            applied = asyncio.run(_migrate(server, service, create=create))
        except CommandError as error:
            _fail(str(error))
        except DATABASE_ERRORS as error:
            _fail(
                f"the database of {name} could not be brought up to date: {type(error).__name__}: {error}"
            )
        typer.echo(f"{name}: {', '.join(applied) if applied else 'up to date'}")

    return group


async def _run_service(name: str, role: Role) -> None:
    service = load_service(name)
    await Runtime(service, service.settings(), role).run()


async def _migrate(server: str, service: Service, *, create: bool) -> list[str]:
    assert service.metadata is not None  # `migrate` has seen to it
    if create:
        await migrate.create_database(server, service.name)
    url = database.database_url(server, service.name)
    return await migrate.migrate(url, service.metadata, service.versions)


def _fail(message: str) -> NoReturn:
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(1)


def main() -> None:
    """The entry point: builds the commands that are installed and runs one."""
    load_environment()
    logs.configure(
        "brobyg", "console", "warning", stream=sys.stderr
    )  # a service that is run sets its own
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    extras = {entry.name: entry for entry in entry_points(group="brobyg.cli")}
    for name in service_entry_points():
        group = _service_app(name)
        if name == asked and name in extras:
            group.registered_commands += extras[name].load().registered_commands
        app.add_typer(group, name=name)
    for entry in entry_points(group="brobyg.commands"):
        loaded = entry.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=entry.name)
        else:
            app.command(entry.name)(loaded)
    app()
