"""`brobyg local demo`: a hospital's week through the running system in about two minutes."""

import asyncio
import os
import time
from datetime import UTC, datetime

import msgspec
from rich.console import Console

from brobyg_local.state import ROOT, StateFolder
from brobyg_local.system import System

from . import results
from .history import read_events
from .idle import IdleState
from .play import play
from .progress import show_progress
from .setup import WEEK_ENDS, DemoSetup
from .story import interesting, of_appointment
from .summary import summarise
from .tally import Tally
from .week import load

EXAMPLE = ROOT / "examples" / "hospital-week"
#: Processes that want to run, a core, from which on the figures suffer.
BUSY = 1.5
#: How long an offer stands (schemas/pathways/escort.toml).
OFFER_HOURS = 8


def run_demo(
    folder: StateFolder, factor: float, *, as_json: bool, silent: bool, reset: bool
) -> list[str]:
    """Play the week and show it; returns the promises that were broken. Blocks for minutes.

    `silent` starts and registers only. `reset` empties the folder first, whatever is in it.
    Raises `LocalError`.
    """
    console = Console(stderr=as_json)

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    began, started_at = time.monotonic(), datetime.now(UTC)
    week = load(EXAMPLE)
    path = folder.path / "demo" / "summary.json"
    path.unlink(missing_ok=True)  # what an earlier week left says nothing of this one
    say(
        f"A hospital's week in Randers and Grenaa (seed {week.seed}), {factor:g} times faster than"
        " life.\nThe seed gives the same messages and the same habits; who answers first may"
        " differ, and a few figures with it."
    )
    load_now, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load_now > BUSY * cores:
        say(
            f"this machine is busy (load {load_now:.0f} on {cores} cores): an offer stands for"
            f" {OFFER_HOURS * 3600 / factor:.0f} s of its time, and some answers will come too"
            f" late; --factor {factor / 2:g} gives everybody twice the time"
        )
    setup = DemoSetup(System(folder, say), say, path.parent / "start.json")
    setup.empty(reset=reset)
    access = setup.start(week, factor)
    if silent:
        results.show_next(console, access, "<referral id>", str(path))
        return []
    say("the week begins when everybody is ready")
    tally = Tally()

    async def play_and_tell() -> IdleState:
        telling = asyncio.create_task(show_progress(access, tally, len(week.messages), say))
        idle = await play(access, week, tally, WEEK_ENDS)
        telling.cancel()
        return idle

    idle = asyncio.run(play_and_tell())
    for sentence in idle.busy:
        say(f"not idle: {sentence}")
    say("the week is over; rebuilding all projections from the stream")
    rebuild = results.verify_rebuild(access)
    if rebuild.note:
        say(f"brobyg reporting verify: {rebuild.note}")
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
        started_at=started_at.isoformat(),
        wall_seconds=time.monotonic() - began,
    )
    document = msgspec.json.format(msgspec.json.encode(summary.figures()), indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document + b"\n")
    results.show_summary(console, summary)
    referral_id, appointment_id = interesting(events) or ("<referral id>", "")
    if appointment_id:
        timeline = asyncio.run(results.fetch_timeline(access, referral_id))
        results.show_story(console, timeline, of_appointment(events, appointment_id))
    results.show_next(console, access, referral_id, str(path))
    if as_json:
        print(document.decode())
    return summary.broken()
