"""Timers in a process that is killed in its third batch, after it was deleted, before the commit.

`retention_worker.py <database url> <batch> <now>`
"""

import asyncio
import os
import signal
import sys
from datetime import datetime

from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.retention import Carrier
from retained import OVER, retention, timers


async def main() -> None:
    """Fire until killed."""
    url, batch, now = sys.argv[1:]
    database = Database(url, ManualClock(datetime.fromisoformat(now)), "test")
    await database.open()
    batches = 0

    async def carry_out(tx: Transaction, before: datetime, most: int) -> int:
        nonlocal batches
        batches += 1
        ended = await OVER.carry_out(tx, before, most)
        if batches == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return ended

    part = retention(Carrier(carry_out, int(batch)))
    while await timers(database, part).fire():
        pass


asyncio.run(main())
