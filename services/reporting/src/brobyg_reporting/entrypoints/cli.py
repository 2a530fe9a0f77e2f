"""`brobyg reporting rebuild | verify | status`."""

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
from brobyg_reporting.bootstrap import rebuild_ports
from brobyg_reporting.errors import ReportingError
from brobyg_reporting.settings import ReportingSettings
from brobyg_reporting.use_cases import rebuild as rebuilding
from brobyg_reporting.use_cases.rebuild import RebuildRequest, RebuildResult

app = typer.Typer(help="The read side's projections.", no_args_is_help=True)
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


@app.command()
def rebuild(processes: Processes = 2, fresh: Fresh = False, as_json: AsJson = False) -> None:
    """Build all projections anew from the topics, beside the live ones, and switch to them.

    Nothing is sent; readers see no gap. Stopped at any point, the same command goes on where it
    was.
    """
    result = _run(processes, fresh=fresh, verify=False, quiet=as_json)
    _report(result, as_json=as_json)


@app.command()
def verify(processes: Processes = 2, fresh: Fresh = False, as_json: AsJson = False) -> None:
    """Rebuild and compare with the live projections by hash.

    When they are equal it switches; when not it keeps the live ones, names the rows and exits 1.
    """
    result = _run(processes, fresh=fresh, verify=True, quiet=as_json)
    _report(result, as_json=as_json)
    if not result.equal:
        raise typer.Exit(1)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which version is live, how far behind the topics it is, its rows, the last rebuilds."""
    settings = ReportingSettings()
    try:
        found = asyncio.run(_status(settings))
    except _UNREACHABLE as error:
        _fail(f"the projections can't be read: {type(error).__name__}: {error}")
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=2))
        return
    console.print(
        f"version [bold]{found['active_version']}[/]"
        f" since {found['switched_at']:%Y-%m-%d %H:%M:%S},"
        f" [bold]{found['lag']:,}[/] records behind"
    )
    if not found["same_code"]:
        console.print(
            "[yellow]it was written by other code than is installed here; the service builds its"
            " own when it runs, or 'brobyg reporting rebuild' does[/]"
        )
    for kind, number in found["not_folded"].items():
        console.print(
            f"[yellow]{number:,} events of the type {kind} are logged but not folded: the type, or"
            " a word in them, is unknown to the code that wrote this version[/]"
        )
    table = Table("table", "rows")
    for name, rows in found["rows"].items():
        table.add_row(name, f"{rows:,}")
    console.print(table)
    table = Table("version", "state", "started", "events", "seconds")
    for row in found["rebuilds"]:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
        table.add_row(
            str(row["version"]),
            row["state"],
            f"{row['started_at']:%Y-%m-%d %H:%M:%S}",
            f"{row['events'] or 0:,}",
            seconds,
        )
    console.print(table)


async def _status(settings: ReportingSettings) -> dict[str, Any]:
    database = _database(settings)
    async with rebuild_ports(settings.kafka, database).topics() as topics:
        ends = await topics.ends()
    async with connect(database) as connection:
        return await projection_status(connection, ends)


def _database(settings: ReportingSettings) -> str:
    return database_url(settings.server_of("reporting"), "reporting")


def _run(processes: int, *, fresh: bool, verify: bool, quiet: bool) -> RebuildResult:
    settings = ReportingSettings()
    ports = rebuild_ports(settings.kafka, _database(settings))
    request = RebuildRequest(processes, fresh, verify)
    try:
        with _bar(quiet=quiet) as progress:
            return asyncio.run(rebuilding.rebuild(ports, request, progress))
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on where it was")
    except ReportingError as error:
        _fail(f"{error}")
    except _UNREACHABLE as error:
        _fail(
            "Kafka or the database stopped the rebuild, the live version is unharmed:"
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
        table = Table("table", "rows live", "rows rebuilt", "equal", "first keys that differ")
        for one in result.tables:
            mark = "[green]yes[/]" if one.equal else "[red]NO[/]"
            table.add_row(
                one.table,
                f"{one.live_rows:,}",
                f"{one.rebuilt_rows:,}",
                mark,
                "\n".join(one.differing_keys),
            )
        console.print(table)
    rate = result.events / result.seconds if result.seconds else 0.0
    console.print(
        f"{result.events:,} events in {result.seconds:.1f} s ({rate:,.0f}/s);"
        f" {result.skipped} records were not events"
    )
    if result.note:
        console.print(f"[yellow]{result.note}[/]")
    if result.switched:
        console.print(f"version {result.version} is live, in place of {result.previous or 'none'}")
    else:
        console.print(
            f"[red]version {result.previous} stays live; {result.version} is kept for"
            " inspection until the next rebuild[/]"
        )


def _fail(message: str) -> NoReturn:
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(1)
