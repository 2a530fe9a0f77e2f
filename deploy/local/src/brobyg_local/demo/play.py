"""The play: the hospital and the volunteers at the same time, until the system is idle."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime

from .access import SystemAccess
from .hospital import Hospital
from .idle import IdleState, wait_until_idle
from .tally import Tally
from .volunteers import Volunteers
from .week import Week


async def play(
    access: SystemAccess,
    week: Week,
    tally: Tally,
    ends: datetime,
    beside: Coroutine[None, None, None] | None = None,
) -> IdleState:
    """Play the week to `ends` on the shared clock and wait until the system is idle.

    What is `beside` it runs until the end.
    """
    over = asyncio.Event()
    volunteers = asyncio.create_task(Volunteers(access, week.helpers, week.seed, tally).play(over))
    others = [asyncio.create_task(beside)] if beside else []
    try:
        await Hospital(access, tally).play(week.messages)
        await access.until(ends)
        return await wait_until_idle(access)
    finally:
        over.set()
        await volunteers
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
