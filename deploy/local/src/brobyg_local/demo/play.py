"""The play itself: the hospital and the volunteers at the same time, until the week is over and everything has come to rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime

from .hospital import Hospital
from .outside import Outside
from .quiet import Rest, come_to_rest
from .tally import Tally
from .volunteers import Volunteers
from .week import Week

__all__ = ["play"]

Watch = Callable[[], Coroutine[None, None, None]]


async def play(
    outside: Outside, week: Week, tally: Tally, ends: datetime, watch: Watch | None = None
) -> Rest:
    """Play the week to `ends` on the shared clock and wait for rest. Blocks for as long. `watch` runs beside it until the end."""
    over = asyncio.Event()
    volunteers = asyncio.create_task(Volunteers(outside, week.helpers, week.seed, tally).play(over))
    watching = asyncio.create_task(watch()) if watch else None
    try:
        await Hospital(outside, tally).play(week.messages)
        await outside.until(ends)
        rest = await come_to_rest(outside)
    finally:
        over.set()
        await volunteers
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
    return rest
