"""`brobyg local demo`: a hospital's week through the running system in about two minutes.

Exit codes: 0 all promises kept, 1 the system did not come up or a promise was broken (said which), 2 the command was used wrongly.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from brobyg_local.errors import LocalError
from brobyg_local.places import ROOT, Places, default_places
from brobyg_local.system import System

from . import afterwards
from .history import Incomplete, read_events
from .outside import Outside, Unreachable
from .play import play
from .quiet import Rest
from .registration import Refused
from .screen import Screen
from .stage import FACTOR, WEEK_BEGINS, WEEK_ENDS, Stage
from .story import interesting
from .summary import Summary, summarise, write
from .tally import Tally
from .week import Week, load

__all__ = ["EXAMPLE", "demo"]

EXAMPLE = ROOT / "examples" / "hospital-week"
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Where the system's state is kept; the clone's var/ by default.")
]
Factor = Annotated[
    float, typer.Option(min=60.0, max=20_000.0, help="How many times faster than the wall the week passes.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")]
NoPlay = Annotated[
    bool, typer.Option("--no-play", help="Bring everything up and register, but let the hospital be silent.")
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
    console = Console(stderr=as_json)
    places = Places(folder.resolve()) if folder else default_places()
    try:
        summary = _Demo(console, places, factor).run(reset=reset, silent=no_play)
    except LocalError as error:
        console.print(f"[bold red]Failed.[/] {escape(error.explain())}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except (Refused, Unreachable, Incomplete) as error:
        console.print(
            f"[bold red]Failed.[/] {escape(str(error))}\nWhat to do: brobyg status", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    if summary is None:
        return
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    if broken := summary.broken():
        for sentence in broken:
            console.print(f"[bold red]Broken:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


@dataclass
class _Demo:
    """One run from an empty folder to the last line on the screen."""

    console: Console
    places: Places
    factor: float

    def run(self, *, reset: bool, silent: bool) -> Summary | None:
        """The summary; None where the hospital was to be silent. Blocks for minutes."""
        began, started_at = time.monotonic(), datetime.now(UTC)
        week = load(EXAMPLE)
        self._say(f"A hospital's week in Randers and Grenaa (seed {week.seed}), {self.factor:g} times faster than life")
        stage = Stage(System(self.places, self._say), self._say, self.notes / "start.json")
        stage.clear(reset=reset)
        outside = stage.set(week, self.factor)
        if silent:
            afterwards.show_next(self.console, outside, "<referral id>", str(self.notes / "summary.json"))
            return None
        tally = Tally()
        self._say("the week begins when everybody is ready")
        rest = asyncio.run(self._play(outside, week, tally))
        self._say("the week is over; rebuilding all projections from the stream")
        rebuild = afterwards.verify(outside)
        outside = stage.pace(outside)
        aftermath = asyncio.run(afterwards.look_back(outside, rest, rebuild))
        events = read_events(outside.kafka)
        took = time.monotonic() - began
        summary = summarise(
            events, tally, aftermath, seed=week.seed, started_at=started_at.isoformat(), wall_seconds=took
        )
        write(summary, self.notes / "summary.json")
        self._show(outside, summary, interesting(events))
        return summary

    @property
    def notes(self) -> Path:
        """Where the summary goes."""
        return self.places.folder / "demo"

    async def _play(self, outside: Outside, week: Week, tally: Tally) -> Rest:
        screen = Screen(outside, tally, self.console, WEEK_BEGINS, WEEK_ENDS, len(week.messages))
        return await play(outside, week, tally, WEEK_ENDS, screen.watch)

    def _show(self, outside: Outside, summary: Summary, found: tuple[str, str] | None) -> None:
        afterwards.show_summary(self.console, summary)
        referral_id, appointment_id = found or ("<referral id>", "")
        if found:
            timeline = asyncio.run(afterwards.fetch_timeline(outside, referral_id))
            afterwards.show_story(self.console, timeline, appointment_id)
        same = "gives the same state as the live one" if summary.rebuild_equals_live else "does NOT give the live state"
        self.console.print(
            f"\nA rebuild from the stream took {summary.rebuild_seconds:.1f} s and {same}.", highlight=False
        )
        afterwards.show_next(self.console, outside, referral_id, str(self.notes / "summary.json"))

    def _say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)
