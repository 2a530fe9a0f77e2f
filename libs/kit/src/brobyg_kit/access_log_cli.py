"""`brobyg access-log`: whether the log of who read who somebody is, is as it was written."""

import asyncio
import json
import re
from typing import Annotated

import msgspec
import typer
from sqlalchemy import text

from brobyg_kit import access_log
from brobyg_kit.access_log import Verified
from brobyg_kit.cli import fail, service_entry_points
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.domain import domain
from brobyg_kit.settings import own_server

#: Exit code: a database is away, so that not every log was looked through.
_NOT_ASKED = 3
_NOTED = re.compile(r"(\d{1,18}):([0-9a-f]{64})")

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main() -> None:
    """The log of who read who somebody is."""


def _kept_by() -> list[str]:
    kept = {
        name for one in domain().retention() if one.kind == access_log.KIND for name in one.services
    }
    return [name for name in service_entry_points() if name in kept]


@app.command("verify")
def verify_command(
    service: Annotated[
        str | None, typer.Argument(help="Whose log; without one every service that keeps one.")
    ] = None,
    noted: Annotated[
        str,
        typer.Option(
            metavar="NO:HASH",
            help="A seal that was noted elsewhere, as an earlier run told it: it must still be"
            " there. Needs a service.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Compute every seal of the access log anew, and say where it first does not fit.

    Note the last seal that it tells somewhere else: whoever can write the whole database could
    write the whole log anew, and is found out by it. Exit code 1 when something does not fit or
    waits for its seal for more than a quarter of an hour, 3 when a database is away.
    """
    known = _kept_by()
    if service is not None and service not in known:
        raise typer.BadParameter(f"expected {' or '.join(known)}")
    seal = _seal(noted, service)
    found = {name: _verified(name, seal) for name in ([service] if service else known)}
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        for name, one in found.items():
            typer.echo(_line(name, one))
    if any(one is not None and (one.broken or one.late) for one in found.values()):
        raise typer.Exit(1)
    if away := [name for name, one in found.items() if one is None]:
        fail(f"the database of {', '.join(away)} can't be used", _NOT_ASKED)


def _seal(noted: str, service: str | None) -> tuple[int, str] | None:
    if not noted:
        return None
    if service is None:
        raise typer.BadParameter("name the service whose seal it is")
    found = _NOTED.fullmatch(noted)
    if found is None:
        raise typer.BadParameter("expected a number, a colon and 64 characters 0-9 and a-f")
    return int(found[1]), found[2]


def _verified(service: str, noted: tuple[int, str] | None) -> Verified | None:
    """None when the database is away."""

    async def run() -> Verified:
        database = Database(
            database_url(own_server(service), service), WallClock(), service, size=1
        )
        await database.open()
        try:
            async with database.transaction() as tx:
                # What is sealed or ended meanwhile is not seen half.
                await tx.connection.execute(
                    text("set transaction isolation level repeatable read, read only")
                )
                return await access_log.verify(tx.connection, tx.now, noted)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DATABASE_ERRORS:
        return None


def _line(service: str, found: Verified | None) -> str:
    if found is None:
        return f"{service}: not looked through, its database is away"
    if found.broken:
        return f"{service}: BROKEN: {found.broken}"
    if found.late:
        return (
            f"{service}: LATE: {found.unsealed} entries are not sealed since"
            f" {found.unsealed_since:%Y-%m-%d %H:%M}Z; does the service run?"
        )
    waiting = ""
    if found.unsealed_since is not None:
        waiting = f", {found.unsealed} not sealed yet since {found.unsealed_since:%Y-%m-%d %H:%M}Z"
    return (
        f"{service}: whole: {found.entries} entries under {found.seals} seals ({found.ended} over"
        f" their time){waiting}; last seal {found.last}:{found.last_hash}"
    )
