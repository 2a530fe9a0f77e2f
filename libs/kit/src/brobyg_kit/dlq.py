"""`brobyg dlq`: what could not be handled, and what to do about it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
import typer
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from brobyg_kit.cli import fail, service_entry_points
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.errors import RecordGone
from brobyg_kit.kafka import read_record, reader
from brobyg_kit.parking import DISCARD_REASONS, DiscardReason, Origin, Parked, Parking
from brobyg_kit.settings import KitSettings, own_server

console = Console()
app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")
ServiceName = Annotated[str, typer.Argument(help="The service that could not handle it.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Ids as `list` shows them.")]

#: Who has done it, where it was done on the service's own host.
COMMAND_LINE = "command line"
_REASONS = "Why: " + "; ".join(f"{code}: {words}" for code, words in DISCARD_REASONS.items()) + "."


def _with_database(service: str, work: Callable[[Database, Parking], Awaitable[T]]) -> T:
    if service not in (known := service_entry_points()):
        raise typer.BadParameter(f"no service {service!r}; there are {', '.join(known)}")

    async def run() -> T:
        url = database_url(own_server(service), service)
        database = Database(url, WallClock(), service, size=1)
        await database.open()
        try:
            return await work(database, Parking(service))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DATABASE_ERRORS as error:
        fail(f"the database of {service} can't be used: {type(error).__name__}")


@app.command("list")
def list_parked(
    service: ServiceName,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List what is parked, oldest first, and why.

    Says so on standard error when there is more than is shown.
    """

    async def work(database: Database, parking: Parking) -> tuple[list[Parked], int]:
        return await parking.listed(database, limit), await parking.counted(database)

    parked, total = _with_database(service, work)
    if total > len(parked):
        typer.secho(
            f"brobyg: the oldest {len(parked)} of {total}; --limit shows more",
            err=True,
            fg="yellow",
        )
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(parked), indent=2))
        return
    if not parked:
        typer.echo(f"nothing is parked in {service}")
        return
    table = Table("id", "state", Column("why, what and where", overflow="fold"), show_lines=True)
    for one in parked:
        tried = f"tried {one.attempts} times, last {one.last_failed_at:%F %T}Z"
        if one.state == "waiting":
            tried = f"since {one.first_failed_at:%F %T}Z"
        lines = (f"[bold]{escape(one.reason)}[/]", one.type, one.subject, str(one.origin), tried)
        table.add_row(str(one.id), one.state, "\n".join([lines[0], *map(escape, lines[1:])]))
    console.print(table)


@app.command()
def show(
    service: ServiceName, id: Annotated[int, typer.Argument(help="Id as `list` shows it.")]
) -> None:
    """Show one parked event, and its record where the topic holds no personal data.

    Exit code 1 when the record can't be read.
    """
    found = _with_database(service, lambda database, parking: parking.found(database, id))
    if found is None:
        fail(f"nothing parked in {service} has id {id}; see 'brobyg dlq list {service}'")
    typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    if not found.origin.topic.startswith("brobyg."):
        return
    address, origin = KitSettings().kafka, found.origin
    try:
        value = asyncio.run(_value(address, origin))
    except RecordGone:
        fail(f"its record {origin} is no longer in the topic, so it can only be discarded")
    except (TimeoutError, KafkaError) as error:
        fail(f"its record {origin} can't be read from Kafka at {address}: {error}")
    typer.echo(value.decode(errors="replace"))


async def _value(address: str, origin: Origin) -> bytes:
    place = TopicPartition(origin.topic, origin.partition)
    async with reader(address) as client:
        return (await read_record(client, place, origin.offset))[1] or b""


@app.command()
def replay(
    service: ServiceName,
    ids: Ids = None,
    all_dead: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
) -> None:
    """Have the running service try dead events again at once; what waits behind them follows."""
    if not ids and not all_dead:
        raise typer.BadParameter("name ids, or --all")

    async def work(database: Database, parking: Parking) -> int:
        async with database.transaction() as tx:
            return await parking.replay(tx, None if all_dead else ids)

    typer.echo(f"{_with_database(service, work)} to be tried again")


@app.command()
def discard(
    service: ServiceName,
    ids: Annotated[list[int], typer.Argument(help="Ids as `list` shows them.")],
    reason: Annotated[DiscardReason, typer.Option(help=_REASONS)],
) -> None:
    """Give up on dead events for good; what waits behind them goes on.

    The records stay in their topics. It is kept for a year what was given up on, and why.
    """

    async def work(database: Database, parking: Parking) -> int:
        async with database.transaction() as tx:
            return await parking.discard(tx, ids, reason, COMMAND_LINE)

    typer.echo(f"{_with_database(service, work)} discarded")
