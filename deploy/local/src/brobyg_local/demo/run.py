"""One run of the demo, from an empty folder to the last line on the screen."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from brobyg_kit.event import Event
from rich.console import Console
from rich.markup import escape

from brobyg_local.errors import LocalError
from brobyg_local.places import ROOT, Places
from brobyg_local.system import System

from . import afterwards
from .history import Incomplete, read_events
from .outside import Outside, Unreachable
from .play import play
from .quiet import Rest
from .registration import Refused
from .screen import Screen
from .stage import WEEK_BEGINS, WEEK_ENDS, Stage
from .story import interesting, of_appointment
from .summary import Summary, summarise, write
from .tally import Tally
from .week import Week, load

__all__ = ["EXAMPLE", "Run"]

EXAMPLE = ROOT / "examples" / "hospital-week"
BUSY = 1.5
"""Processes that want to run, a core, from which on the figures suffer."""
OFFER_HOURS = 8
"""How long an offer stands (schemas/pathways/escort.toml)."""


@dataclass
class Run:
    """One run from an empty folder to the last line on the screen."""

    console: Console
    places: Places
    factor: float

    def to_the_end(self, *, reset: bool, silent: bool) -> Summary | None:
        """As `_run`, with every failure as a `LocalError` that says what to do. Blocks for minutes."""
        try:
            return self._run(reset=reset, silent=silent)
        except (Refused, Unreachable, Incomplete) as error:
            raise LocalError(
                str(error),
                advice="brobyg status tells which part does not answer; then run this again",
            ) from error

    def _run(self, *, reset: bool, silent: bool) -> Summary | None:
        """The summary; None where the hospital was to be silent. Blocks for minutes."""
        began, started_at = time.monotonic(), datetime.now(UTC)
        week = load(EXAMPLE)
        (self.notes / "summary.json").unlink(
            missing_ok=True
        )  # what an earlier week left says nothing of this one
        self._say(
            f"A hospital's week in Randers and Grenaa (seed {week.seed}), {self.factor:g} times faster than life"
        )
        self._say(
            "The seed gives the same messages and the same habits; who answers first may differ, and a few figures with it"
        )
        self._warn_when_busy()
        stage = Stage(System(self.places, self._say), self._say, self.notes / "start.json")
        stage.clear(reset=reset)
        outside = stage.set(week, self.factor)
        if silent:
            afterwards.show_next(
                self.console, outside, "<referral id>", str(self.notes / "summary.json")
            )
            return None
        tally = Tally()
        self._say("the week begins when everybody is ready")
        rest = asyncio.run(self._play(outside, week, tally))
        for sentence in rest.restless:
            self._say(f"not at rest: {sentence}")
        self._say("the week is over; rebuilding all projections from the stream")
        rebuild = afterwards.verify(outside)
        if rebuild.note:
            self._say(f"brobyg reporting verify: {rebuild.note}")
        outside = stage.pace(outside)
        aftermath = asyncio.run(afterwards.look_back(outside, rest, rebuild))
        events = read_events(outside.kafka)
        took = time.monotonic() - began
        summary = summarise(
            events, week, tally, aftermath, started_at=started_at.isoformat(), wall_seconds=took
        )
        write(summary, self.notes / "summary.json")
        self._show(outside, summary, events)
        return summary

    def _warn_when_busy(self) -> None:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
        if load > BUSY * cores:
            self._say(
                f"this machine is busy (load {load:.0f} on {cores} cores): an offer stands for "
                f"{OFFER_HOURS * 3600 / self.factor:.0f} s of its time, and some answers will come too late; "
                f"--factor {self.factor / 2:g} gives everybody twice the time"
            )

    @property
    def notes(self) -> Path:
        """Where the summary goes."""
        return self.places.folder / "demo"

    async def _play(self, outside: Outside, week: Week, tally: Tally) -> Rest:
        screen = Screen(outside, tally, self.console, WEEK_BEGINS, WEEK_ENDS, len(week.messages))
        return await play(outside, week, tally, WEEK_ENDS, screen.watch)

    def _show(self, outside: Outside, summary: Summary, events: list[Event]) -> None:
        afterwards.show_summary(self.console, summary)
        referral_id, appointment_id = interesting(events) or ("<referral id>", "")
        if appointment_id:
            timeline = asyncio.run(afterwards.fetch_timeline(outside, referral_id))
            afterwards.show_story(self.console, timeline, of_appointment(events, appointment_id))
        same = (
            "gives the same state as the live one"
            if summary.rebuild_equals_live
            else "does NOT give the live state"
        )
        self.console.print(
            f"\nA rebuild from the stream took {summary.rebuild_seconds:.1f} s and {same}.",
            highlight=False,
        )
        afterwards.show_next(self.console, outside, referral_id, str(self.notes / "summary.json"))

    def _say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)
