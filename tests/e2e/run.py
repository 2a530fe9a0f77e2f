"""Plays a week on a system of its own folder, with the same modules the demo uses, and gathers what it left."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from brobyg_kit.event import Event
from brobyg_local.cluster import Cluster
from brobyg_local.demo.afterwards import Rebuild, look_back, verify
from brobyg_local.demo.history import read_events
from brobyg_local.demo.outside import Outside
from brobyg_local.demo.play import play
from brobyg_local.demo.quiet import Rest
from brobyg_local.demo.stage import Stage
from brobyg_local.demo.summary import Summary, summarise
from brobyg_local.demo.tally import Tally
from brobyg_local.demo.week import Week
from brobyg_local.places import Places
from brobyg_local.ports import free_port
from brobyg_local.services import SERVICES
from brobyg_local.system import System

FACTOR = 3000.0
"""Slower than the demo, so that the story is the same on a machine that is busy with other tests."""
Trouble = Callable[[System, Outside], Awaitable[None]]


@dataclass(frozen=True)
class Played:
    """A week that is over: the system, still up, and what happened in it."""

    system: System
    outside: Outside
    week: Week
    tally: Tally
    rest: Rest
    rebuild: Rebuild
    events: list[Event] = field(repr=False)
    summary: Summary


def own_system(folder: Path, say: Callable[[str], None]) -> System:
    """A system whose parts stay off the default ports."""
    system = System(Places(folder.resolve()), say, given={})
    system.cluster = Cluster(folder.resolve(), say=say)
    return system


def own_ports() -> dict[str, str]:
    """Ports for the services that nobody uses just now, as settings."""
    settings = {}
    for service in SERVICES:
        port = free_port()
        settings[f"BROBYG_{service.upper()}_PORT"] = str(port)
        settings[f"BROBYG_{service.upper()}_URL"] = f"http://127.0.0.1:{port}"
    return settings


def play_week(
    system: System,
    week: Week,
    ends: datetime,
    say: Callable[[str], None],
    trouble: Trouble | None = None,
    factor: float = FACTOR,
) -> Played:
    """Start empty, play to `ends`, come to rest, verify. `trouble` runs beside the play. Blocks for a minute or two."""
    stage = Stage(system, say, system.places.folder / "demo" / "start.json", settings=own_ports())
    stage.clear(reset=True)
    outside = stage.set(week, factor)
    tally = Tally()
    rest = asyncio.run(_beside(system, outside, week, tally, ends, trouble))
    rebuild = verify(outside)
    aftermath = asyncio.run(look_back(outside, rest, rebuild))
    events = read_events(outside.kafka)
    summary = summarise(events, week, tally, aftermath, started_at="", wall_seconds=0)
    return Played(system, outside, week, tally, rest, rebuild, events, summary)


async def _beside(
    system: System,
    outside: Outside,
    week: Week,
    tally: Tally,
    ends: datetime,
    trouble: Trouble | None,
) -> Rest:
    if trouble is None:
        return await play(outside, week, tally, ends)
    rest, _ = await asyncio.gather(play(outside, week, tally, ends), trouble(system, outside))
    return rest
