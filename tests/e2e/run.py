"""Plays a week on a system of its own, as the demo does, and collects what it left."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from brobyg_kit.event import Event
from brobyg_local.canaries import Places
from brobyg_local.demo.access import SystemAccess
from brobyg_local.demo.history import read_events
from brobyg_local.demo.idle import IdleState
from brobyg_local.demo.results import fetch_intake, verify_rebuild
from brobyg_local.demo.run import play
from brobyg_local.demo.setup import DemoSetup
from brobyg_local.demo.summary import Rebuild, Summary, summarise
from brobyg_local.demo.tally import Tally
from brobyg_local.demo.week import Week
from brobyg_local.state import StateFolder
from brobyg_local.system import System

#: Slower than the demo, so that the week is the same on a machine that is busy with other tests.
FACTOR = 3000.0
Trouble = Callable[[System, SystemAccess], Awaitable[None]]


@dataclass(frozen=True)
class Played:
    """A week that is over: the system, still up, and what happened in it."""

    system: System
    access: SystemAccess
    week: Week
    tally: Tally
    idle: IdleState
    rebuild: Rebuild
    events: list[Event] = field(repr=False)
    summary: Summary


def own_system(folder: Path, say: Callable[[str], None], *, durable: bool = False) -> System:
    """A system on ports that nobody uses, which ends with this process, however that ends."""
    state = StateFolder(folder.resolve())
    return System(state, say, given={}, ports={}, owner=os.getpid(), durable=durable)


def play_week(
    system: System,
    week: Week,
    ends: datetime,
    say: Callable[[str], None],
    trouble: Trouble | None = None,
    factor: float = FACTOR,
) -> Played:
    """Start empty, play to `ends`, wait until idle, verify. Blocks for a minute or two.

    `trouble` runs beside the play.
    """
    setup = DemoSetup(system, say, system.folder.path / "demo" / "start.json")
    setup.empty(reset=True)
    access = setup.start(week, factor)
    tally = Tally()
    idle = asyncio.run(_beside(system, access, week, tally, ends, trouble))
    rebuild = verify_rebuild(access)
    intake = asyncio.run(fetch_intake(access))
    events = asyncio.run(read_events(access.kafka))
    summary = summarise(events, week, tally, intake, idle, rebuild, started_at="", wall_seconds=0)
    return Played(system, access, week, tally, idle, rebuild, events, summary)


async def _beside(
    system: System,
    access: SystemAccess,
    week: Week,
    tally: Tally,
    ends: datetime,
    trouble: Trouble | None,
) -> IdleState:
    playing = play(access, week, tally, ends, Places.of(system))
    if trouble is None:
        return await playing
    idle, _ = await asyncio.gather(playing, trouble(system, access))
    return idle
