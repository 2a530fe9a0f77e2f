"""`brobyg local demo`: a hospital's week through the running system in about two minutes.

Exit codes: 0 all promises kept, 1 the system did not come up or a promise was broken (said which), 2 the command was used wrongly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from brobyg_local.errors import LocalError
from brobyg_local.places import Places, default_places

__all__ = ["demo"]

FACTOR = 5040.0
"""A week in two minutes."""
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where the system's state is kept; the clone's var/ by default."),
]
Factor = Annotated[
    float,
    typer.Option(
        min=60.0, max=20_000.0, help="How many times faster than the wall the week passes."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON; the rest goes to standard error.")
]
NoPlay = Annotated[
    bool,
    typer.Option(
        "--no-play", help="Bring everything up and register, but let the hospital be silent."
    ),
]
Reset = Annotated[bool, typer.Option("--reset", help="Empty the folder first, whatever is in it.")]


def demo(
    factor: Factor = FACTOR,
    folder: Folder = None,
    as_json: AsJson = False,
    no_play: NoPlay = False,
    reset: Reset = False,
) -> None:
    """Play a hospital's week through the whole system, show what happened, and leave everything up for a look."""
    import msgspec

    from .run import Run

    console = Console(stderr=as_json)
    places = Places(folder.resolve()) if folder else default_places()
    try:
        summary = Run(console, places, factor).to_the_end(reset=reset, silent=no_play)
    except LocalError as error:
        console.print(
            f"[bold red]Failed.[/] {escape(error.explain())}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print(
            "Stopped. What has started runs on, as fast: make up slows it to life's pace, make demo begins anew, make down ends it.",
            highlight=False,
        )
        raise typer.Exit(130) from None
    if summary is None:
        return
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    if broken := summary.broken():
        for sentence in broken:
            console.print(
                f"[bold red]Broken:[/] {escape(sentence)}", highlight=False, soft_wrap=True
            )
        raise typer.Exit(1)
