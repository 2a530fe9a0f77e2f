"""`brobyg`: one tool, one help.

Services and commands are found by entry point, and only what is asked for is imported: groups
`brobyg.services` (a `Service`), `brobyg.settings` (its settings class), `brobyg.cli` (a service's
own commands) and `brobyg.commands` (commands of other parts, which import little by themselves).
Here too each command imports what it needs.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from brobyg_kit.domain import domain

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from brobyg_kit.runtime import Role
    from brobyg_kit.service import Service

app = typer.Typer(
    help="Runs the services of this system and shows what they do. Settings come from the"
    " environment; 'brobyg config' lists them.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
topics_app = typer.Typer(
    help="Kafka topics, as schemas/topics declares them.", no_args_is_help=True
)
app.add_typer(topics_app, name="topics")

_ROLES: "dict[Role, str]" = {
    "run": "Everything in one process: HTTP, consumer, timers and relay.",
    "api": "HTTP alone.",
    "consumer": "The consumer, timers and workers alone.",
    "relay": "The relay alone.",
}
ENVIRONMENT_FILE = Path("var/local/environment.json")
#: What is shown of each kind of record.
_RETENTION = ("kind", "services", "place", "keep", "days", "counted_from", "by", "why", "basis")
_DLQ_HELP = (
    "Events that could not be handled. 'retrying' is tried again by itself, 'dead' waits for you,"
    " 'waiting' waits for an earlier event of its subject."
)
_ACCESS_LOG_HELP = "Whether the log of who read who somebody is, is as it was written."
_EXPORT_HELP = "All that the system holds of somebody, from every service."
_ERASURE_HELP = "Whether somebody's erasure is complete, and erasures after a restored backup."


def load_environment(file: Path = ENVIRONMENT_FILE) -> None:
    """Set what the environment does not, as the system that runs on this machine has it."""
    if file.is_file():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


def service_entry_points() -> dict[str, EntryPoint]:
    """Every installed service by name, not yet imported."""
    return _entry_points("brobyg.services")


def load_service(name: str) -> "Service":
    """The service of this name. Raises typer.BadParameter when there is none."""
    from brobyg_kit.service import Service

    found = service_entry_points().get(name)
    if found is None:
        known = ", ".join(service_entry_points())
        raise typer.BadParameter(f"no service {name!r}; there are {known}")
    service = found.load()
    if not isinstance(service, Service):
        raise TypeError(f"{found.value} is not a Service")
    return service


def load_settings() -> "dict[str, type[BaseSettings]]":
    """The settings class of every installed service by name; no service is imported."""
    return {name: entry.load() for name, entry in _entry_points("brobyg.settings").items()}


def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {one.name: one for one in sorted(entry_points(group=group), key=lambda one: one.name)}


def _a_year(hours: float) -> float:
    if not 0.01 <= hours <= 24 * 366:  # nor is `nan`
        raise typer.BadParameter("expected a number of hours from 0.01 to 8784, which is a year")
    return hours


@app.command()
def token(
    role: Annotated[
        list[str],
        typer.Option(
            help=f"One of: {', '.join(sorted(domain().ROLES))}. May be given several times."
        ),
    ],
    subject: Annotated[str, typer.Option(help="The id of its bearer.")] = "developer",
    organisation: Annotated[
        str | None, typer.Option(help="The organisation they act for; any without it.")
    ] = None,
    department: Annotated[
        str | None, typer.Option(help="The department they act for; any without it.")
    ] = None,
    hours: Annotated[
        float,
        typer.Option(help="How long it is valid, from 0.01 to 8784 (a year).", callback=_a_year),
    ] = 8,
) -> None:
    """Print a development token, for `Authorization: Bearer ...`."""
    from datetime import timedelta

    from brobyg_kit.clock import WallClock
    from brobyg_kit.tokens import check_roles, issue_token

    try:
        check_roles(frozenset(role))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--role") from None
    # This one setting is read as it is: the settings class takes longer to load than the rest.
    key = Path(os.environ.get("BROBYG_TOKEN_SIGNING_KEY") or "/nonexistent")
    if not key.is_file():
        fail(
            "there is no signing key here; set BROBYG_TOKEN_SIGNING_KEY, or start the system with"
            " 'make up'"
        )
    typer.echo(
        issue_token(
            key,
            subject,
            role,
            WallClock(),
            organisation=organisation,
            department=department,
            lifetime=timedelta(hours=hours),
        )
    )


@app.command()
def config(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """List every setting and its value here, secrets aside; and how long what is kept, and why."""
    import textwrap
    from operator import attrgetter

    rows: dict[str, tuple[str, str]] = {}
    for settings in load_settings().values():
        rows.update(_rows(settings))
    kept = domain().retention()
    if as_json:
        document: dict[str, object] = {
            name: {"value": value, "description": text} for name, (value, text) in rows.items()
        }
        told = attrgetter(*_RETENTION)
        document["retention"] = [dict(zip(_RETENTION, told(one), strict=True)) for one in kept]
        typer.echo(json.dumps(document, indent=2))
        return
    for name, (value, text) in sorted(rows.items()):
        typer.echo(f"{typer.style(name, bold=True)}={value}")
        typer.echo(textwrap.indent(textwrap.fill(text, 76), "    "))
    typer.echo("\nHow long what is kept, and why (schemas/retention.yaml):")
    for one in kept:
        since = f" from: {one.counted_from}" if one.counted_from else ""
        text = f"{', '.join(one.services)}: {one.place}. {one.why} {one.basis}."
        typer.echo(f"{typer.style(one.kind, bold=True)}: {one.keep}{since} (by: {one.by})")
        typer.echo(textwrap.indent(textwrap.fill(text, 76), "    "))


def _rows(settings: "type[BaseSettings]") -> dict[str, tuple[str, str]]:
    """Each variable with its value here and its description; a wrong value says what is wrong."""
    from pydantic import SecretStr, ValidationError

    wrong: dict[str, str] = {}
    try:
        settings()
    except ValidationError as error:
        wrong = {str(one["loc"][0]): f"({one['msg']})" for one in error.errors(include_input=False)}
    rows = {}
    for field, info in settings.model_fields.items():
        variable = f"BROBYG_{field.upper()}"
        value = os.environ.get(
            variable, str(info.get_default(call_default_factory=True, validated_data={}))
        )
        if variable in os.environ and SecretStr.__name__ in repr(info.annotation):
            value = "**********"
        rows[variable] = (wrong.get(field, value), info.description or "")
    return rows


@app.command("flow")
def flow_command(
    mermaid: Annotated[
        bool, typer.Option(help="As a Mermaid picture, the one in README.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show which event is emitted where and consumed by whom, for the whole system."""
    from dataclasses import asdict

    from rich.console import Console

    from brobyg_kit import flow

    rows = flow.rows([load_service(name) for name in service_entry_points()])
    if mermaid:
        typer.echo(flow.mermaid(rows))
    elif as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        Console().print(flow.table(rows))


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing. Safe to run again."""
    import asyncio

    from aiokafka.errors import KafkaError

    from brobyg_kit.errors import KitError
    from brobyg_kit.settings import KitSettings
    from brobyg_kit.topics import apply_topics, load_topics

    settings = KitSettings()
    try:
        topics = load_topics(settings.topics)
        for name, what in asyncio.run(apply_topics(settings.kafka, topics)).items():
            typer.echo(f"{name}: {what}")
    except (KafkaError, KitError, ValueError, OSError) as error:
        fail(f"the topics could not be applied on {settings.kafka}: {error}")


_Create = Annotated[bool, typer.Option(help="Create a database first if it isn't there.")]


@app.command()
def migrate(create: _Create = True) -> None:
    """Bring the databases of all installed services up to date, one after the other.

    Ends at the first that can't be; safe to run again, and to interrupt.
    """
    from brobyg_kit.migrate_cli import migrate_service

    for name in service_entry_points():
        migrate_service(name, create=create)


def _service_app(name: str) -> typer.Typer:
    group = typer.Typer(help=f"The {name} service.", no_args_is_help=True)
    for role, text in _ROLES.items():
        group.command(role, help=text)(_runner(name, role))

    @group.command()
    def migrate(create: _Create = True) -> None:
        """Bring the service's database up to date. Safe to run again, and to interrupt."""
        from brobyg_kit.migrate_cli import migrate_service

        migrate_service(name, create=create)

    return group


def _runner(name: str, role: "Role") -> Callable[[], None]:
    def run() -> None:
        from pydantic import ValidationError

        from brobyg_kit import process, runtime
        from brobyg_kit.errors import InvalidIssuers

        service = load_service(name)
        try:
            settings = service.settings()
        except ValidationError as error:  # its own text would show the values
            wrong = error.errors(include_input=False)
            fail("".join(f"\n  BROBYG_{str(one['loc'][0]).upper()}: {one['msg']}" for one in wrong))
        if service.metadata is not None:
            refuse_shared_login(name)
        try:
            process.run(runtime.run(service, settings, role))
        except InvalidIssuers as error:
            fail(f"nobody could sign in: {error}")

    return run


def refuse_shared_login(name: str) -> None:
    """End with a message where the settings have another service sign in by the same login.

    Each would have the other's rights, and the next migration of one takes them from the other.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from brobyg_kit.settings import own_server

    def login(service: str) -> tuple[str | None, int, str | None]:
        at = make_url(own_server(service))
        return at.host, at.port or 5432, at.username

    for other in service_entry_points():
        with suppress(ArgumentError):  # an address that is none is found where it is used
            if other != name and login(other) == login(name):
                fail(
                    f"{name} and {other} have the same login, {login(name)[2]}: name one of its own"
                    f" for each in BROBYG_{name.upper()}_DATABASE and"
                    f" BROBYG_{other.upper()}_DATABASE"
                )


def warn(message: str) -> None:
    """Print `message` on standard error, and go on."""
    typer.secho(f"brobyg: note: {message}", err=True, fg="yellow")


def fail(message: str, code: int = 1) -> NoReturn:
    """Print `message` on standard error and end with this exit code."""
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(code)


def _add_commands(asked: str) -> None:
    """Add what is installed; of that only the command `asked` for is imported.

    Where `asked` is no command, the help is shown: then the commands of other parts are imported.
    """
    services, commands = service_entry_points(), _entry_points("brobyg.commands")
    own = {
        *("token", "config", "flow", "migrate", "topics"),
        *("dlq", "erasure", "access-log", "export"),
        *services,
    }
    if asked in own:  # commands of other parts find the running system themselves
        load_environment()
    if asked in own - {"token", "config"}:
        from brobyg_kit import logs

        # A service that is run configures its own.
        logs.configure("brobyg", "console", "warning", stream=sys.stderr)
    for name in services:
        group = _service_app(name)
        if name == asked and (extra := _entry_points("brobyg.cli").get(name)):
            own_commands = extra.load()
            group.registered_commands += own_commands.registered_commands
            group.registered_groups += own_commands.registered_groups
        app.add_typer(group, name=name)
    dead_letters = typer.Typer()
    if asked == "dlq":
        from brobyg_kit.dlq import app as dead_letters
    app.add_typer(dead_letters, name="dlq", help=_DLQ_HELP)
    erasures = typer.Typer()
    if asked == "erasure":
        from brobyg_kit.erasure_cli import app as erasures
    app.add_typer(erasures, name="erasure", help=_ERASURE_HELP)
    accesses = typer.Typer()
    if asked == "access-log":
        from brobyg_kit.access_log_cli import app as accesses
    app.add_typer(accesses, name="access-log", help=_ACCESS_LOG_HELP)
    exports = typer.Typer()
    if asked == "export":
        from brobyg_kit.export_cli import app as exports
    app.add_typer(exports, name="export", help=_EXPORT_HELP)
    for name, entry in commands.items():
        if name == asked or asked not in {*own, *commands}:
            app.add_typer(entry.load(), name=name)


def main() -> None:
    """The entry point: builds the commands that are installed and runs one."""
    _add_commands(sys.argv[1] if len(sys.argv) > 1 else "")
    app()
