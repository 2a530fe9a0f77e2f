"""`brobyg referral keys status | rotate` and `brobyg referral names rebuild`."""

import json

import typer
from brobyg_kit.keys_cli import REMAINING, AsJson, keys_app, opened_with, run_or_fail
from brobyg_kit.person_keys import PersonKeys
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.name_rebuild import NameRebuild
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.settings import ReferralSettings


def _keys_of(settings: ReferralSettings) -> PersonKeys:
    return PersonKeys(person_key, settings.vault())


app = typer.Typer()
app.add_typer(keys_app("referral", ReferralSettings, _keys_of), name="keys")
names_app = typer.Typer(
    help="The index in which citizens are found by name, phone or date of birth.",
    no_args_is_help=True,
)
app.add_typer(names_app, name="names")


@names_app.callback()
def _names() -> None:
    """A group, although it has one command."""


@names_app.command()
def rebuild(as_json: AsJson = False) -> None:
    """Make a citizen's part of the index anew, where it is of older rules than this version has.

    A service that runs does so by itself; this shows how far it has come. Stopped at any point, it
    goes on with the rest. Exit code 3 when citizens remain, whose keys can't be opened.
    """
    done, remaining = run_or_fail("referral", _rebuild(quiet=as_json))
    if as_json:
        typer.echo(json.dumps({"rebuilt": done, "remaining": remaining}))
    else:
        typer.echo(f"{done:,} citizens made anew, {remaining:,} remain")
    if remaining:
        raise typer.Exit(REMAINING)


async def _rebuild(*, quiet: bool) -> tuple[int, int]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console, done = Console(stderr=True, quiet=quiet), 0
    async with opened_with("referral", ReferralSettings) as (database, settings):
        hasher = Hasher(settings.cpr_key())
        rebuilding = NameRebuild(database, PostgresCitizens(_keys_of(settings), hasher), hasher)
        async with database.connect() as connection:
            total = await rebuilding.remaining(connection)
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task("citizens", total=total)
            async for batch in rebuilding.batches():
                progress.advance(task, batch.rebuilt)
                done += batch.rebuilt
        async with database.connect() as connection:
            return done, await rebuilding.remaining(connection)
