"""`brobyg reporting rebuild | switch | verify | status`."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, NoReturn

import typer
from aiokafka.errors import KafkaError
from brobyg_kit.database import database_url
from brobyg_kit.database_errors import DATABASE_ERRORS
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from brobyg_reporting.adapters.connections import connect
from brobyg_reporting.adapters.status import projection_status
from brobyg_reporting.errors import RebuildRefused, ReportingError
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.settings import ReportingSettings
from brobyg_reporting.use_cases import rebuild as rebuilding
from brobyg_reporting.use_cases.rebuild import RebuildRequest, RebuildResult

app = typer.Typer(
    help=(
        "The read side's projections: tables folded from the event stream, that the views show."
        " Each has its own version. Most often nothing of this is needed: a service that is"
        " upgraded builds and switches by itself."
    ),
    no_args_is_help=True,
)
console = Console()

_UNREACHABLE: tuple[type[BaseException], ...] = (*DATABASE_ERRORS, KafkaError, ReportingError)

Processes = Annotated[
    int,
    typer.Option(
        help="Worker processes; as many as there are cores is a good number.", min=1, max=64
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Begin anew rather than go on with a rebuild that was stopped."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


def _known(names: list[str] | None) -> list[str]:
    try:
        rebuilding.check_names(names or ())
    except RebuildRefused as error:
        raise typer.BadParameter(str(error)) from None
    return names or []


Names = Annotated[
    list[str] | None,
    typer.Argument(
        callback=_known,
        metavar="PROJECTION",
        help="As need or match, from the event log; without one all, and the log, from the topics.",
    ),
]


@app.command()
def rebuild(
    projections: Names = None,
    processes: Processes = 2,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Build projections anew beside the live ones, and compare.

    What is shown does not change: 'brobyg reporting switch' shows what was built. Nothing is sent.
    Stopped at any point, the same command goes on where it was. Exit code 0 when it is built,
    whether it is equal or not; 1 when it could not be.

    Examples: brobyg reporting rebuild need, then brobyg reporting switch.
    """
    request = RebuildRequest(projections or (), "build", processes=processes, fresh=fresh)
    _report(_run(request, quiet=as_json), as_json=as_json)


@app.command()
def switch(projections: Names = None, as_json: AsJson = False) -> None:
    """Show what 'brobyg reporting rebuild' has built, in place of what is live.

    It is brought to where the live ones are first; readers see no gap. Exit code 1 when nothing is
    built, or a view that others built on would lose a column.
    """
    request = RebuildRequest(projections or (), "switch")
    _report(_run(request, quiet=as_json), as_json=as_json)


@app.command()
def verify(projections: Names = None, processes: Processes = 2, as_json: AsJson = False) -> None:
    """Build projections anew, compare them with the live ones by hash, and drop them again.

    Changes nothing. Names the first rows that differ. Exit code 0 when all are equal; 1 when not,
    or when they could not be compared.
    """
    request = RebuildRequest(projections or (), "verify", processes=processes)
    result = _run(request, quiet=as_json)
    _report(result, as_json=as_json)
    if not result.equal:
        raise typer.Exit(1)


@app.command()
def status(
    projection: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which version of each projection is live, its rows, how far behind, and what was built.

    Exit code 1 when Kafka or the database can't be read, or there is no such projection.
    """
    settings = ReportingSettings()
    try:
        found = asyncio.run(_status(settings))
    except _UNREACHABLE as error:
        _fail(f"the projections can't be read: {type(error).__name__}: {error}")
    if projection is not None:
        for part in ("projections", "builds"):
            found[part] = [one for one in found[part] if one["projection"] == projection]
        if not found["projections"]:
            _fail(f"there is no projection {projection}; without a name all are shown")
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=2))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    console.print(f"[bold]{found['lag']:,}[/] records of the topics are still to be read")
    if not found["same_code"]:
        console.print(
            "[yellow]not all was written by the code that is installed here; the service builds its"
            " own when it runs, or 'brobyg reporting rebuild' does[/]"
        )
    for kind, number in found["not_folded"].items():
        console.print(
            f"[yellow]{number:,} events of the type {kind} are logged but not folded: the type, or"
            " a word in them, was unknown to the code that logged them[/]"
        )
    table = Table("projection", "version", "rows", "behind the log", "written by")
    for one in found["projections"]:
        code = "this code" if one["same_code"] else "[yellow]other code[/]"
        behind = f"{one['events_behind']:,}"
        table.add_row(one["projection"], str(one["version"]), f"{one['rows']:,}", behind, code)
    console.print(table)
    if found["builds"]:
        table = Table("version", "projection", "state", "started", "events", "seconds")
    for row in found["builds"]:
        started, events = f"{row['started_at']:%Y-%m-%d %H:%M:%S}", f"{row['events'] or 0:,}"
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
        number, state = str(row["number"]), row["outcome"]
        table.add_row(number, row["projection"], state, started, events, seconds)
    if found["builds"]:
        console.print(table)


async def _status(settings: ReportingSettings) -> dict[str, Any]:
    database = _database(settings)
    async with rebuild_ports(settings.kafka, database).topics() as topics:
        ends = await topics.ends()
    async with connect(database) as connection:
        return await projection_status(connection, ends)


def _database(settings: ReportingSettings) -> str:
    return database_url(settings.server_of("reporting"), "reporting")


def _run(request: RebuildRequest, *, quiet: bool) -> RebuildResult:
    settings = ReportingSettings()
    ports = rebuild_ports(settings.kafka, _database(settings))
    try:
        with _bar(quiet=quiet) as progress:
            return asyncio.run(rebuilding.rebuild(ports, request, progress))
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on where it was")
    except ReportingError as error:
        _fail(f"{error}")
    except _UNREACHABLE as error:
        _fail(
            "Kafka or the database stopped it, what is live is unharmed:"
            f" {type(error).__name__}: {error}"
        )


@contextmanager
def _bar(*, quiet: bool) -> Iterator[rebuilding.Progress]:
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        tasks = {
            phase: bar.add_task(phase, total=None, start=False)
            for phase in ("reading", "indexing", "comparing")
        }

        def progress(phase: str, done: int, total: int) -> None:
            bar.start_task(tasks[phase])
            bar.update(tasks[phase], completed=done if total else 1, total=total or 1)

        yield progress


def _report(result: RebuildResult, *, as_json: bool) -> None:
    if as_json:
        tables = [{**asdict(table), "equal": table.equal} for table in result.tables]
        typer.echo(json.dumps({**asdict(result), "tables": tables}, indent=2))
        return
    if result.tables:
        table = Table("table", "rows live", "rows rebuilt", "equal")
        for one in result.tables:
            mark = "[green]yes[/]" if one.equal else "[red]NO[/]"
            table.add_row(one.table, f"{one.live_rows:,}", f"{one.rebuilt_rows:,}", mark)
        console.print(table)
    for one in result.tables:
        if one.differing_keys:  # whole, on lines of their own, to be copied
            typer.echo(f"{one.table}, the first keys that differ:")
            typer.echo("\n".join(f"  {key}" for key in one.differing_keys))
    rate = result.events / result.seconds if result.seconds else 0.0
    console.print(
        f"{result.events:,} events in {result.seconds:.1f} s ({rate:,.0f}/s);"
        f" {result.skipped} records were not events"
    )
    if result.note:
        console.print(f"[yellow]{result.note}[/]")
    names = ", ".join(result.projections)
    if result.switched:
        console.print(f"version {result.version} is live of {names}")
    elif result.kept:
        console.print(f"version {result.version} is built of {names}; `switch` shows it")


def _fail(message: str) -> NoReturn:
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(1)
