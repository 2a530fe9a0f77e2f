"""A relay or a consumer as a process of its own, for tests that kill it.

`crash_worker.py <relay|consumer> <kafka> <database url> <topic>`
"""

import asyncio
import signal
import sys

import asyncpg
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from delivery_parts import Counted, Parts, record


async def main() -> None:
    """Run until SIGTERM."""
    what, kafka, url, topic = sys.argv[1:]
    database = Database(url, WallClock(), "test")
    await database.open()
    parts = Parts(kafka, topic, database, Counted, asyncpg.create_pool(url, min_size=0))
    loop = parts.relay() if what == "relay" else parts.consumer(record, lanes=1)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, loop.stop)
    print("started", flush=True)
    await loop.run()
    await database.close()


asyncio.run(main())
