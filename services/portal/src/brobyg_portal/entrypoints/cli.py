"""`brobyg portal administrator ...` and `brobyg portal sessions ...`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.keys_cli import opened_with, run_or_fail

from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.domain.session import Lifetime
from brobyg_portal.settings import PortalSettings

app = typer.Typer()
administrators = typer.Typer(
    help="Who may see and end sessions, whatever the identity provider says.",
    no_args_is_help=True,
)
sessions = typer.Typer(help="Who is signed in.", no_args_is_help=True)
app.add_typer(administrators, name="administrator")
app.add_typer(sessions, name="sessions")

Subject = Annotated[
    UUID, typer.Argument(help="The id that the portal shows them: signed in, or refused.")
]
_DoneT = TypeVar("_DoneT")


@administrators.command()
def add(subject: Subject) -> None:
    """Make somebody an administrator, from their next page on."""
    added = _with(lambda database: Administrators(database, WallClock()).add(str(subject)))
    typer.echo(f"{subject} {'is now' if added else 'was already'} an administrator")


@administrators.command()
def remove(subject: Subject) -> None:
    """Make somebody an administrator no more, at once. Exit code 1 for one who is none."""
    if not _with(lambda database: Administrators(database, WallClock()).remove(str(subject))):
        typer.secho(f"brobyg: {subject} is no administrator", err=True, fg="red")
        raise typer.Exit(1)
    typer.echo(f"{subject} is an administrator no more")


@administrators.command("list")
def all_of_them() -> None:
    """Show the ids of all administrators."""
    for subject in _with(lambda database: Administrators(database, WallClock()).all()):
        typer.echo(subject)


@sessions.command()
def end(subject: Subject) -> None:
    """End all sessions of somebody at once, as when they leave.

    Staff can sign in again as long as the identity provider lets them. Of a helper or citizen the
    links and passkeys go too: they can ask for a new link as long as their owner knows them.
    """
    ended = _with(
        lambda database: Sessions(database, WallClock(), Lifetime()).end_all_of(str(subject))
    )
    typer.echo(f"{ended} {'session' if ended == 1 else 'sessions'} ended")


def _with(work: Callable[[Database], Awaitable[_DoneT]]) -> _DoneT:
    async def done() -> _DoneT:
        async with opened_with("portal", PortalSettings) as (database, _):
            return await work(database)

    return run_or_fail("portal", done())
