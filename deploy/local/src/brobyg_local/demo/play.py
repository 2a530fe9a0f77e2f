"""The play: the hospital and the volunteers at the same time, until the system is idle."""

import asyncio
from datetime import datetime

from .access import SystemAccess
from .hospital import Hospital
from .idle import IdleState, wait_until_idle
from .tally import Tally
from .volunteers import AnsweringVolunteers
from .week import Week


async def play(access: SystemAccess, week: Week, tally: Tally, ends: datetime) -> IdleState:
    """Play the week to `ends` on the shared clock and wait until the system is idle."""
    over = asyncio.Event()
    volunteers = AnsweringVolunteers(access, week.volunteers, week.seed, tally)
    answering = asyncio.create_task(volunteers.play(over))
    try:
        await Hospital(access, tally).play(week.messages)
        await access.until(ends)
        return await wait_until_idle(access)
    finally:
        over.set()
        await answering
