"""`brobyg erasure`: how far an erasure has come, and making erasures again after a restore."""

import asyncio
import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from aiokafka.errors import KafkaError

from brobyg_kit.cli import fail, load_service, service_entry_points
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.erasure import ErasureStatus, status
from brobyg_kit.runtime import Runtime
from brobyg_kit.service import Service
from brobyg_kit.settings import own_server

#: Exit code: a database or the broker is away, so that not all could be asked.
_NOT_ASKED = 3

app = typer.Typer(no_args_is_help=True)


def _services() -> list[Service]:
    found = map(load_service, service_entry_points())
    return [one for one in found if one.erasures is not None]


@app.command("status")
def status_command(
    person_id: Annotated[str, typer.Argument(metavar="ID", help="The id of who was erased.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show how far the erasure of somebody has come, and who has not acknowledged, since when.

    Exit code 1 when nobody of this id was erased; 3 when a database is away, which may know.
    """
    try:
        person_id = str(UUID(person_id))
    except ValueError:
        raise typer.BadParameter("an id is a UUID") from None
    found = asyncio.run(_found(person_id))
    if found is None:
        fail("nobody of this id was erased here")
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    for line in _lines(found):
        typer.echo(line)


async def _found(person_id: str) -> ErasureStatus | None:
    """From whichever service has erased them, of those that own people."""
    away = []
    for service in _services():
        if not (service.erasures and service.erasures.expected):
            continue
        url = database_url(own_server(service.name), service.name)
        database = Database(url, WallClock(), service.name, size=1)
        try:
            await database.open()
            async with database.connect() as connection:
                found = await status(connection, person_id)
        except DATABASE_ERRORS as error:
            away.append(f"the database of {service.name} can't be used: {type(error).__name__}")
            found = None
        finally:
            await database.close()
        if found is not None:
            return found
    if away:
        fail("; ".join(away), _NOT_ASKED)
    return None


def _lines(found: ErasureStatus) -> list[str]:
    rows: list[tuple[str, datetime | None]] = [
        ("requested", found.requested_at),
        ("key destroyed", found.key_destroyed_at),
    ]
    if found.topic is not None:
        rows += [
            (f"deleted on {found.topic}", found.tombstoned_at),
            ("no record left there", found.compacted_at),
        ]
    rows += [(f"{service} has acknowledged", at) for service, at in found.acknowledged.items()]
    how_far = "erased" if found.completed_at else "being erased"
    return [
        f"{found.person_id}: {how_far} ({found.reason}, asked by {found.actor})",
        *(f"  {what:40} {f'{at:%F %T}Z' if at else 'not yet'}" for what, at in rows),
        *(f"  {one.service} is missing since {one.since:%F %T}Z" for one in found.missing),
        *([f"  {'complete':40} {found.completed_at:%F %T}Z"] if found.completed_at else []),
    ]


@app.command()
def replay(
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="From the beginning of the history, and not from where the database ends."
        ),
    ] = False,
) -> None:
    """Erase again whom the history says is erased and a restored database still has.

    Services do so by themselves before they serve; by hand it may run at any time. Exit code 3
    when a database or the broker is away; 1 when an erasure can't be made yet, and why.
    """
    troubles, code = [], 1
    for service in _services():
        try:
            done, trouble = asyncio.run(_replay(service, everything=everything))
        except (*DATABASE_ERRORS, KafkaError, TimeoutError) as error:
            troubles.append(f"{service.name}: can't be made again: {type(error).__name__}")
            code = _NOT_ASKED
            continue
        typer.echo(f"{service.name}: {done} erased again")
        if trouble:
            troubles.append(f"{service.name}: {trouble}")
    if troubles:
        fail("; ".join(troubles), code)


async def _replay(service: Service, *, everything: bool) -> tuple[int, str]:
    """How many were erased again, and why others are left."""
    runtime = Runtime(service, service.settings())
    assert runtime.database is not None
    assert runtime.replay is not None
    await runtime.database.open()
    try:
        done = await runtime.replay.once(from_the_beginning=everything)
        return done, runtime.replay.trouble
    finally:
        for close in runtime.parts.closers:
            await close()
        await runtime.database.close()
