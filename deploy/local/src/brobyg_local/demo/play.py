"""The play: the hospital and the volunteers at the same time, until the system is idle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime

from .access import SystemAccess
from .hospital import Hospital
from .idle import IdleState, wait_until_idle
from .tally import Tally
from .volunteers import Volunteers
from .week import Week

__all__ = ["play"]

Watch = Callable[[], Coroutine[None, None, None]]


async def play(
    access: SystemAccess, week: Week, tally: Tally, ends: datetime, watch: Watch | None = None
) -> IdleState:
    """Play the week to `ends` on the shared clock and wait until the system is idle.

    `watch` runs beside it until the end.
    """
    over = asyncio.Event()
    volunteers = asyncio.create_task(Volunteers(access, week.helpers, week.seed, tally).play(over))
    watching = asyncio.create_task(watch()) if watch else None
    try:
        await Hospital(access, tally).play(week.messages)
        await access.until(ends)
        return await wait_until_idle(access)
    finally:
        over.set()
        await volunteers
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
