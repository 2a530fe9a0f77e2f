"""`brobyg explain NEED`: who was considered, ruled out, asked and found for a need, and why."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from brobyg_kit.cli import fail, load_environment

if TYPE_CHECKING:
    from brobyg_reporting.domain.explanation import Explanation

app = typer.Typer(
    help="Tell why a need's helpers were asked, or nobody, from the event history alone.",
    invoke_without_command=True,
    context_settings={"allow_interspersed_args": True},
)


@app.callback()
def explain(
    need: Annotated[str, typer.Argument(help="The need's id.", show_default=False)],
    language: Annotated[str, typer.Option(help="In which language: en or another.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Tell who was considered, ruled out, asked and found for a need, and by which rules."""
    import msgspec
    from brobyg_kit.database_errors import DATABASE_ERRORS
    from brobyg_kit.domain import domain

    from brobyg_reporting.domain.words import LANGUAGES

    load_environment()
    if language not in LANGUAGES:
        fail(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    try:
        found = asyncio.run(_explanation(need))
    except DATABASE_ERRORS as error:
        fail(f"the history can't be read: {type(error).__name__}: {error}")
    if not found.story:
        fail("reporting knows of no such need; it learns of them from the event stream")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for line in found.story:
        when = line.time.astimezone(domain().LOCAL_ZONE)
        typer.echo(f"{when:%Y-%m-%d %H:%M}  {line.sentence[language]}")


async def _explanation(need: str) -> "Explanation":
    from brobyg_kit.clock import WallClock
    from brobyg_kit.database import Database, database_url
    from brobyg_kit.replica import Replica

    from brobyg_reporting.adapters.queries import Queries
    from brobyg_reporting.bootstrap import REFERENCE
    from brobyg_reporting.settings import ReportingSettings

    url = database_url(ReportingSettings().database.get_secret_value(), "reporting")
    database = Database(url, WallClock(), "reporting", size=1)
    await database.open()
    try:
        async with database.transaction() as tx:
            reference = await Replica(REFERENCE).get(tx)
        return await Queries(database).explanation(need, reference)
    finally:
        await database.close()
