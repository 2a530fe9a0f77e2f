"""`brobyg <service> keys status | rotate`: which master key wraps what, and wrapping anew."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Shown

from brobyg_kit.cli import fail
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.person_keys import BATCH, PersonKeys
from brobyg_kit.settings import KitSettings
from brobyg_kit.vault import counted

_SettingsT = TypeVar("_SettingsT", bound=KitSettings)
_ResultT = TypeVar("_ResultT")

#: Exit code: keys remain that another master key than the first wraps.
REMAINING = 3

AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Batch = Annotated[
    int, typer.Option(help="Keys that are wrapped anew in one transaction.", min=1, max=10_000)
]


@dataclass(frozen=True, slots=True)
class _Service(Generic[_SettingsT]):
    name: str
    settings: Callable[[], _SettingsT]
    keys_of: Callable[[_SettingsT], PersonKeys]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Database, PersonKeys]]:
        """Its database and its keys. As `opened_with`."""
        async with opened_with(self.name, self.settings) as (database, settings):
            yield database, self.keys_of(settings)


def keys_app(
    service: str,
    settings: Callable[[], _SettingsT],
    keys_of: Callable[[_SettingsT], PersonKeys],
) -> typer.Typer:
    """The commands for a service's keys; `keys_of` makes them from its settings."""
    this = _Service(service, settings, keys_of)
    app = typer.Typer(help="The keys that persons' data is sealed under.", no_args_is_help=True)

    @app.command()
    def status(as_json: AsJson = False) -> None:
        """How many keys each master key still wraps. One that wraps none may be removed.

        Exit code 3 while another master key than the first wraps any.
        """
        _tell(run_or_fail(service, _counts(this)), as_json=as_json)

    @app.command()
    def rotate(batch: Batch = BATCH, as_json: AsJson = False) -> None:
        """Wrap every person's key with the first master key of the setting. What they seal stays.

        For a service that runs, in short transactions. Stopped at any point, the same command goes
        on with the rest. Exit code 3 when keys remain: run it again once all processes have the
        new setting, and give the master key that is missing.
        """
        unreadable = run_or_fail(service, _rotate(this, batch, quiet=as_json))
        _tell(run_or_fail(service, _counts(this)), as_json=as_json, unreadable=unreadable)

    return app


@asynccontextmanager
async def opened_with(
    service: str, settings_of: Callable[[], _SettingsT]
) -> AsyncIterator[tuple[Database, _SettingsT]]:
    """The service's database, open, and its settings.

    Raises one of DATABASE_ERRORS; ends for wrong settings.
    """
    try:
        settings = settings_of()
    except ValidationError as error:  # its own text would show the values
        wrong = error.errors(include_input=False)
        fail("".join(f"\n  BROBYG_{str(one['loc'][0]).upper()}: {one['msg']}" for one in wrong))
    url = database_url(settings.server_of(service), service)
    database = Database(url, WallClock(), f"{service}-keys", size=2)
    await database.open()
    try:
        yield database, settings
    finally:
        await database.close()


def run_or_fail(service: str, work: Coroutine[None, None, _ResultT]) -> _ResultT:
    """What `work` gives; one line and exit code 1 where it is stopped, or the database stops it."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        fail("stopped; the same command goes on where it was")
    except DATABASE_ERRORS as error:
        fail(f"the database of {service} stopped it: {type(error).__name__}; run it again")


async def _counts(service: _Service[_SettingsT]) -> list[tuple[str, int, str]]:
    async with service.opened() as (database, keys), database.connect() as connection:
        return counted(await keys.counts(connection), keys.vault)


async def _rotate(service: _Service[_SettingsT], batch: int, *, quiet: bool) -> int:
    """Wrap anew what can be; how many keys are unreadable."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console, unreadable = Console(stderr=True, quiet=quiet), 0
    async with service.opened() as (database, keys):
        async with database.connect() as connection:
            counts = await keys.counts(connection)
        total = sum(number for one, number in counts.items() if one != keys.vault.key_id)
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task("keys", total=total)
            async for done in keys.rewrap(database, batch):
                progress.advance(task, done.rewrapped)
                unreadable += done.unreadable
    return unreadable


def _tell(
    rows: list[tuple[str, int, str]], *, as_json: bool, unreadable: int | None = None
) -> None:
    remaining = sum(number for _, number, role in rows if role != "wraps")
    if as_json:
        keys = [{"master_key_id": one, "keys": number, "role": role} for one, number, role in rows]
        told = {"master_keys": keys, "remaining": remaining}
        typer.echo(json.dumps(told | ({} if unreadable is None else {"unreadable": unreadable})))
    else:
        table = Shown("master key", "keys", "")
        for one, number, role in rows:
            table.add_row(one, f"{number:,}", _WORDS[role] if number or role == "wraps" else _FREE)
        Console().print(table)
        if unreadable:
            typer.echo(f"{unreadable:,} keys were altered and open nothing any more")
    if remaining:
        raise typer.Exit(REMAINING)


_FREE = "wraps nothing: may go once it is the older one"
_WORDS = {
    "wraps": "wraps what is new",
    "unwraps": "still needed; 'rotate' wraps anew",
    "missing": "missing: give it, or these persons' data can't be read",
}
