"""`brobyg explain NEED`: who was considered, ruled out, asked and found for a need, and why."""

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from brobyg_kit.cli import fail, load_environment

if TYPE_CHECKING:
    from brobyg_reporting.domain.explanation import Explanation

_NO_DATABASE = 3

app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="",  # there are none, and the help would name them
    context_settings={"allow_interspersed_args": True},
)


@app.callback()
def explain(
    need: Annotated[UUID, typer.Argument(help="The need's id.", show_default=False)],
    language: Annotated[
        str | None,
        typer.Option(
            help="Of the sentences; a wrong one lists those there are. Without it the one of"
            " BROBYG_DEFAULT_LANGUAGE.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Tell why a need's helpers were asked, or nobody, from the event history alone.

    A need has the id of what it is about, such as an appointment. Helpers and coordinators are ids.

    Exit codes: 0 told, 1 no such need is known, 2 wrong usage, 3 the database can't be used.
    """
    import msgspec
    from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
    from brobyg_kit.domain import domain

    from brobyg_reporting.domain.words import LANGUAGES
    from brobyg_reporting.settings import ReportingSettings

    load_environment()
    if language is None:
        wanted = ReportingSettings().default_language
        language = wanted if wanted in LANGUAGES else LANGUAGES[0]
    if language not in LANGUAGES:
        raise typer.BadParameter(f"there are {', '.join(LANGUAGES)}", param_hint="--language")
    try:
        found = asyncio.run(_explanation(str(need)))
    except DATABASE_ERRORS as error:
        typer.secho(
            f"brobyg: the history can't be read: {trouble_of(error)}; start the system with"
            " 'make up'",
            err=True,
            fg="red",
        )
        raise typer.Exit(_NO_DATABASE) from None
    if not found.story:
        fail("reporting knows of no such need; it learns of them from the event stream")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    typer.echo(_heading(found))
    for line in found.story:
        when = line.time.astimezone(domain().LOCAL_ZONE)
        typer.echo(f"{when:%Y-%m-%d %H:%M}  {line.sentence[language]}")
    if found.cut_after is not None:
        typer.secho(
            f"brobyg: told from the first {found.cut_after} events; there are more, which are left"
            " out",
            err=True,
            fg="yellow",
        )


def _heading(found: "Explanation") -> str:
    """What the need is and how it stands, as far as the history tells."""
    versions = ", ".join(map(str, found.policy_versions))
    parts = [
        f"Need {found.need_id}",
        found.department_name,
        found.pathway,
        f"decided by version {versions}" if versions else None,
        f"{found.state} ({found.closed_reason})" if found.closed_reason else found.state,
    ]
    return " · ".join(part for part in parts if part)


async def _explanation(need: str) -> "Explanation":
    from brobyg_kit.clock import WallClock
    from brobyg_kit.database import Database, database_url
    from brobyg_kit.replica import Replica

    from brobyg_reporting.adapters.queries import Queries
    from brobyg_reporting.bootstrap import REFERENCE
    from brobyg_reporting.settings import ReportingSettings

    url = database_url(ReportingSettings().server_of("reporting"), "reporting")
    database = Database(url, WallClock(), "reporting", size=1)
    await database.open()
    try:
        async with database.transaction() as tx:
            reference = await Replica(REFERENCE).get(tx)
        return await Queries(database).explanation(need, reference)
    finally:
        await database.close()
