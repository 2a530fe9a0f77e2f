"""`brobyg dlq`: what could not be handled, and what to do about it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import Annotated, NoReturn, TypeVar

import msgspec
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from brobyg_kit.clock import WallClock
from brobyg_kit.database import DATABASE_ERRORS, Database, database_url
from brobyg_kit.errors import RecordGone
from brobyg_kit.kafka import fetch_record
from brobyg_kit.parking import Parked, Parking
from brobyg_kit.settings import KitSettings

console = Console()
app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")
ServiceName = Annotated[str, typer.Argument(help="The service that could not handle it.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Ids as `list` shows them.")]


def _with_database(service: str, work: Callable[[Database, Parking], Awaitable[T]]) -> T:
    known = sorted(entry.name for entry in entry_points(group="brobyg.services"))
    if service not in known:
        raise typer.BadParameter(f"no service {service!r}; there are {', '.join(known)}")

    async def run() -> T:
        url = database_url(KitSettings().database.get_secret_value(), service)
        database = Database(url, WallClock(), service, size=1)
        await database.open()
        try:
            return await work(database, Parking(service))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DATABASE_ERRORS as error:
        _fail(f"the database of {service} can't be used: {type(error).__name__}")


def _fail(message: str) -> NoReturn:
    typer.secho(f"brobyg: {message}", err=True, fg="red")
    raise typer.Exit(1)


def _as_dict(parked: Parked) -> dict[str, object]:
    return {
        **asdict(parked),
        "origin": msgspec.structs.asdict(parked.origin),
        "first_failed_at": parked.first_failed_at.isoformat(),
        "last_failed_at": parked.last_failed_at.isoformat(),
    }


@app.command("list")
def list_parked(
    service: ServiceName,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List what is parked, oldest first; says so on standard error when there is more than is shown."""

    async def work(database: Database, parking: Parking) -> tuple[list[Parked], int]:
        return await parking.listed(database.pool, limit), await parking.counted(database.pool)

    parked, total = _with_database(service, work)
    if total > len(parked):
        typer.secho(
            f"brobyg: the oldest {len(parked)} of {total}; --limit shows more",
            err=True,
            fg="yellow",
        )
    if as_json:
        typer.echo(json.dumps([_as_dict(one) for one in parked], indent=2))
        return
    table = Table("id", "state", "type", "subject", "origin", "reason", "attempts", "last failed")
    for one in parked:
        table.add_row(
            str(one.id),
            one.state,
            one.type,
            one.subject,
            str(one.origin),
            one.reason,
            str(one.attempts),
            f"{one.last_failed_at:%F %T}Z",
        )
    console.print(table if parked else f"nothing is parked in {service}")


@app.command()
def show(
    service: ServiceName, id: Annotated[int, typer.Argument(help="Id as `list` shows it.")]
) -> None:
    """Show one parked event; its record is read from Kafka where the topic holds no personal data. Exit code 1 when it can't be."""
    found = _with_database(service, lambda database, parking: parking.found(database.pool, id))
    if found is None:
        _fail(f"nothing parked in {service} has id {id}; see 'brobyg dlq list {service}'")
    typer.echo(json.dumps(_as_dict(found), indent=2))
    if not found.origin.topic.startswith("brobyg."):
        return
    address, origin = KitSettings().kafka, found.origin
    try:
        _, value = fetch_record(address, origin.topic, origin.partition, origin.offset)
    except RecordGone:
        _fail(f"its record {origin} is no longer in the topic, so it can only be discarded")
    except (TimeoutError, KafkaException) as error:
        _fail(f"its record {origin} can't be read from Kafka at {address}: {error}")
    typer.echo(value.decode(errors="replace"))


@app.command()
def replay(
    service: ServiceName,
    ids: Ids = None,
    all_dead: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
) -> None:
    """Have dead events tried again at once, by the running service; what waits behind them follows."""
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
) -> None:
    """Give up on dead events for good; what waits behind them goes on. The record stays in its topic."""

    async def work(database: Database, parking: Parking) -> int:
        async with database.transaction() as tx:
            return await parking.discard(tx, ids)

    typer.echo(f"{_with_database(service, work)} discarded")
