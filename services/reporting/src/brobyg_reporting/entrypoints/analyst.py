"""`brobyg analyst add | connect | remove`."""

import json
import shlex
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from brobyg_reporting.adapters.analysts import Readable
    from brobyg_reporting.settings import ReportingSettings

app = typer.Typer(
    help="Those who read the history as SQL: their logins, and how to connect. Who administers the"
    " system gives each person a login, 'brobyg analyst add anna', and hands on what it prints;"
    " 'brobyg analyst remove anna' when they leave. Both need BROBYG_DATABASE, the login of the"
    " databases' owner. docs/analysts.md tells what there is to read.",
    no_args_is_help=True,
)
ResultT = TypeVar("ResultT")
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
_HOW_TO_BUILD = (
    "Build views of your own so; they stay when the tables behind the views are replaced:\n"
    "  begin read write; create view handed_over as select * from need"
    " where standing = 'escalated'; commit;"
)


@dataclass(frozen=True, slots=True)
class Connection:
    """How an analyst connects."""

    host: str
    port: int
    database: str
    user: str
    password: str

    @classmethod
    def of(cls, url: str) -> "Connection":
        """What the address of the database says."""
        from sqlalchemy.engine import make_url

        at = make_url(url)
        return cls(
            at.host or "localhost",
            at.port or 5432,
            at.database or "",
            at.username or "",
            str(at.password or ""),
        )

    @property
    def psql(self) -> str:
        """A command line; the password is in the environment, where others don't see it."""
        secret = f"PGPASSWORD={shlex.quote(self.password)} " if self.password else ""
        where = f"--host={self.host} --port={self.port} --username={self.user} {self.database}"
        return f"{secret}psql {where}"

    @property
    def service(self) -> str:
        """An entry for ~/.pg_service.conf, which all that builds on libpq reads."""
        lines = [
            "[brobyg]",
            f"host={self.host}",
            f"port={self.port}",
            f"dbname={self.database}",
            f"user={self.user}",
            *([f"password={self.password}"] if self.password else []),
        ]
        return "\n".join(lines)

    @property
    def jdbc(self) -> str:
        """The address for Java's programs, such as DBeaver; user and password are given apart."""
        return f"jdbc:postgresql://{self.host}:{self.port}/{self.database}"


def _plain(name: str | None) -> str | None:
    from brobyg_kit.cli import service_entry_points

    from brobyg_reporting.adapters import analysts
    from brobyg_reporting.errors import AnalystRefused

    try:
        if name is not None:
            analysts.check_name(name, service_entry_points())
    except AnalystRefused as error:
        raise typer.BadParameter(str(error)) from None
    return name


@app.command()
def add(
    name: Annotated[
        str | None,
        typer.Argument(
            callback=_plain,
            help="The login, such as anna: a-z, 0-9 and _. Without it, the one of"
            " BROBYG_REPORTING_ANALYST with the password there.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a login for an analyst, and print how to connect with it.

    Its password is shown this once; for a name that is there already it is a new one, and the
    analyst's views stay.
    """
    import secrets

    from brobyg_kit.database import database_url
    from brobyg_kit.logins import Login, signed_in

    settings = _settings()
    owner = settings.database.get_secret_value()
    if name:
        server = signed_in(owner, Login(name, secrets.token_urlsafe(18)))
    else:
        server = settings.reporting_analyst.get_secret_value() or _fail(
            "no name was given, and BROBYG_REPORTING_ANALYST names none", 2
        )
    _tell(server, as_json=as_json, owner=database_url(owner, "reporting"))


@app.command()
def connect(as_json: AsJson = False) -> None:
    """Print how to connect as the analyst of BROBYG_REPORTING_ANALYST, and what can be read."""
    server = _settings().reporting_analyst.get_secret_value() or _fail(
        "BROBYG_REPORTING_ANALYST names no analyst here; 'brobyg analyst add NAME' makes one and"
        " prints how to connect",
        2,
    )
    _tell(server, as_json=as_json)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The login.")]) -> None:
    """End an analyst's sessions and remove the login, with the views they have built.

    Where others have built views on those, it says which and removes nothing.
    """
    from brobyg_kit.database import database_url

    from brobyg_reporting.adapters import analysts

    _run(analysts.remove(database_url(_settings().database.get_secret_value(), "reporting"), name))
    typer.echo(f"{name}: removed")


def _tell(server: str, *, as_json: bool, owner: str | None = None) -> None:
    """Sign in by this address, and print how; with `owner` the login is made first."""
    from brobyg_kit.cli import service_entry_points, warn
    from brobyg_kit.database import database_url
    from brobyg_kit.logins import Login

    from brobyg_reporting.adapters import analysts

    url = database_url(server, "reporting")

    async def work() -> "list[Readable]":
        if owner is not None:
            await analysts.add(owner, Login.of(server), service_entry_points(), warn)
        return await analysts.readable(url)

    _print(Connection.of(url), _run(work()), as_json=as_json)


def _run(work: Coroutine[None, None, ResultT]) -> ResultT:
    """Its result; what it raises ends the command with a message."""
    import asyncio

    from asyncpg import InsufficientPrivilegeError
    from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
    from brobyg_kit.errors import LoginRefused

    from brobyg_reporting.errors import AnalystRefused

    try:
        return asyncio.run(work)
    except (AnalystRefused, LoginRefused) as error:
        _fail(str(error), 1)
    except InsufficientPrivilegeError as error:
        _fail(f"that is not allowed here: {error} (docs/logins.md tells what must be)", 3)
    except DATABASE_ERRORS as error:
        _fail(f"reporting's database can't be used: {trouble_of(error)}", 3)


def _print(how: Connection, views: "list[Readable]", *, as_json: bool) -> None:
    ways = {"psql": how.psql, "service": how.service, "jdbc": how.jdbc}
    if as_json:
        listed = [asdict(view) for view in views]
        typer.echo(json.dumps({**asdict(how), **ways, "views": listed}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"With psql:\n  {how.psql}")
    typer.echo("With anything on libpq, by this in ~/.pg_service.conf, as service=brobyg:")
    typer.echo("\n".join(f"  {line}" for line in how.service.splitlines()))
    typer.echo(f"With JDBC:\n  {how.jdbc}\n  user {how.user}, password {how.password}")
    typer.echo(_HOW_TO_BUILD)
    typer.echo("What can be read; \\d+ NAME in psql, or the view dictionary, tells the columns:")
    table = Table("view", "what it holds")
    for view in views:
        table.add_row(view.name, view.comment)
    Console().print(table)


def _settings() -> "ReportingSettings":
    from brobyg_kit.cli import load_environment

    from brobyg_reporting.settings import ReportingSettings

    load_environment()
    return ReportingSettings()


def _fail(message: str, code: int) -> NoReturn:
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(code)
