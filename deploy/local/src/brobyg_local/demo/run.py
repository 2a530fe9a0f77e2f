"""`brobyg local demo`: a hospital's week through the running system in about two minutes."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from brobyg_kit.event import Event
from rich.console import Console

from brobyg_local.canaries import Places
from brobyg_local.state import ROOT, StateFolder
from brobyg_local.system import System
from brobyg_local.tools import Say
from brobyg_local.traces import collecting

from . import erasure, results
from .access import SystemAccess
from .coordinator import AttentiveCoordinator
from .history import read_events
from .hospital import Hospital
from .idle import IdleState, wait_until_idle
from .progress import show_progress
from .setup import WEEK_ENDS, DemoSetup
from .story import interesting, of_need
from .summary import Rebuild, Summary, summarise
from .tally import Tally
from .volunteers import AnsweringVolunteers
from .week import Week, load

EXAMPLE = ROOT / "examples" / "hospital-week"
#: How many times faster than life the week goes, where the machine is not busy.
FACTOR = 5040.0
#: Processes that want to run, a core, from which on the figures suffer; the week goes slower then,
#: at most so many times.
BUSY, SLOWEST = 1.5, 4.0
#: How long an offer stands (schemas/pathways/escort.toml).
OFFER_HOURS = 8
#: Referral and need where there is no story to tell.
_NO_STORY = ("<referral id>", "<need id>")


def run_demo(
    folder: StateFolder, wanted: float | None, *, as_json: bool, no_play: bool, reset: bool
) -> list[str]:
    """Play the week and show it; returns the promises that were broken. Blocks for minutes.

    `wanted` is how many times faster than life; None for as fast as this machine can follow.
    The system ends with this process when that ends early, however it does, and goes on afterwards.
    `no_play` starts and registers only. `reset` empties the folder first, whatever is in it.
    Raises `LocalError`.
    """
    console = Console(stderr=as_json)
    say = partial(results.print_line, console)
    began, started_at = time.monotonic(), datetime.now(UTC)
    week = load(EXAMPLE)
    path = folder.path / "demo" / "summary.json"
    path.unlink(missing_ok=True)  # what an earlier week left says nothing of this one
    load_now, cores = os.getloadavg()[0], os.cpu_count() or 1
    factor = wanted or fitting_factor(load_now, cores)
    _introduce(week, factor, load_now, cores, say)
    system = System(folder, say, owner=os.getpid())
    setup = DemoSetup(system, say, path.parent / "start.json")
    setup.empty(reset=reset)
    if no_play:
        access = setup.start(week, factor)
        system.supervisor.release()
        results.show_next(console, access, *_NO_STORY, str(path))
        return []
    tally = Tally()
    with collecting(folder.traces) as setup.collector:
        access = setup.start(week, factor)
        say("the week begins when everybody is ready")
        idle, rebuild, erased = asyncio.run(_live(system, access, week, tally, say))
        access = setup.slow_down(access)
    intake = asyncio.run(results.fetch_intake(access))
    events = asyncio.run(read_events(access.kafka))
    summary = summarise(
        events,
        week,
        tally,
        intake,
        idle,
        rebuild,
        erased=erased,
        started_at=started_at.isoformat(),
        wall_seconds=time.monotonic() - began,
    )
    document = _write(summary, path)
    system.supervisor.release()
    results.show_summary(console, summary, factor)
    results.show_next(console, access, *_show_story(console, access, events), str(path))
    if as_json:
        print(document)
    return summary.broken()


def fitting_factor(load_now: float, cores: int) -> float:
    """How many times faster than life the week goes, with so many processes that want to run."""
    return FACTOR / min(SLOWEST, max(1.0, load_now / (BUSY * cores)))


def _introduce(week: Week, factor: float, load_now: float, cores: int, say: Say) -> None:
    """Say what is played, and what a machine that is busy does to it."""
    say(
        f"A hospital's week in Randers and Grenaa (seed {week.seed}), {factor:g} times faster than"
        " life.\nThe seed gives the same messages and the same habits; who answers first may"
        " differ, and a few figures with it."
    )
    if load_now > BUSY * cores:
        slower = f", so the week goes {FACTOR / factor:.1f} times slower" * (factor < FACTOR)
        say(
            f"this machine is busy (load {load_now:.0f} on {cores} cores){slower}: an offer stands"
            f" for {OFFER_HOURS * 3600 / factor:.0f} s of its time, and some answers may come too"
            " late; --factor chooses another speed"
        )


async def play(
    access: SystemAccess, week: Week, tally: Tally, ends: datetime, places: Places
) -> IdleState:
    """Let everybody act until `ends` on the shared clock; wait until all is idle.

    `places` are searched for those who are to be erased, before they are.
    """
    over = asyncio.Event()
    volunteers = AnsweringVolunteers(access, week.volunteers, week.seed, tally)
    others = [
        asyncio.create_task(player.play(over))
        for player in (volunteers, AttentiveCoordinator(access, week))
    ]
    try:
        await Hospital(access, tally).play(week.messages)
        await erasure.ask(access, week, tally, places)
        await access.until(ends)
        return await wait_until_idle(access)
    finally:
        over.set()
        await asyncio.gather(*others)


async def _live(
    system: System, access: SystemAccess, week: Week, tally: Tally, say: Say
) -> tuple[IdleState, Rebuild, erasure.Erased]:
    """Play the week, then look back: rebuild while the erasures are completed, and search."""
    progress = asyncio.create_task(show_progress(access, tally, len(week.messages), say))
    idle = await play(access, week, tally, WEEK_ENDS, Places.of(system))
    progress.cancel()
    for sentence in idle.busy:
        say(f"not idle: {sentence}")
    say("the week is over; rebuilding all projections from the stream, searching for who is erased")
    rebuild, erased = await asyncio.gather(
        asyncio.to_thread(results.verify_rebuild, access),
        erasure.proven(access, tally.canaries),
    )
    found = await erasure.sought(Places.of(system), tally.canaries, tally.before, erased)
    if rebuild.note:
        say(f"brobyg reporting verify: {rebuild.note}")
    for place in found.places:
        say(f"erased citizens were found {place}")
    return idle, rebuild, found


def _write(summary: Summary, path: Path) -> str:
    """Write the figures to `path` as JSON; returns the text."""
    text = msgspec.json.format(msgspec.json.encode(summary.figures()), indent=2).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return text


def _show_story(console: Console, access: SystemAccess, events: Sequence[Event]) -> tuple[str, str]:
    """Show the story most worth telling; returns whose it is: referral and need."""
    found = interesting(events)
    if found is None:
        return _NO_STORY
    referral_id, need_id = found
    timeline = asyncio.run(results.fetch_timeline(access, referral_id))
    results.show_story(console, timeline, of_need(events, need_id))
    return found
