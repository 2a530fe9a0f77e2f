"""Plays one story on matching's database, as consumer, timers and HTTP would.

For each line `URL KILL` on stdin it is played in a process of its own, forked from this one, which
has loaded the program: before its statement of the number KILL it ends itself with SIGKILL; 0 for
never. What was done before is found in the database, and is not done again: events are in the
inbox, timers are gone, and answers that were given have no effect. Prints a line: how it ended, 0
or less the signal's number, and how many statements it was.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import asyncpg
from brobyg_kit.batches import Batches
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Received
from brobyg_kit.subscription import Subscription
from brobyg_matching.errors import NotAllowed
from matching_samples import (
    LATE,
    a_helper,
    citizen_recorded,
    consent_given,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
    query,
)
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_cursor
from support.needs_worker import CASE, SESSION, Matching

HELPERS = [
    *(a_helper(f"student {n}") for n in range(4)),
    *(a_helper(f"guide {n}", pools=("toy_guide",)) for n in range(2)),
    a_helper("host", pools=("toy_host",), competences=frozenset({"first_aid"}), papers={}),
    a_helper("navigator", pools=("navigator",), papers={}, caseload_limit=1),
]
_session = {**SESSION, "pathway": "toy_session", "location_id": "toy-house"}


def events() -> list[Any]:
    """In their order on one partition."""
    return [
        event(citizen_recorded()),
        event(consent_given()),
        event(need_opened()),
        event(need_opened(facts("way", starts_at=LATE + timedelta(minutes=45)))),
        event(need_opened(facts("session", **_session))),
        event(need_opened(facts("case", **CASE))),
        event(need_opened(facts("next case", **CASE))),
    ]


def later_events() -> list[Any]:
    """What comes behind them, when helpers have answered."""
    return [
        event(need_changed(facts(starts_at=LATE + timedelta(minutes=15)))),
        event(need_closed("case", "completed")),
        event(need_closed("session", "withdrawn")),
    ]


_statements, _kill = 0, 0


def count_and_die(kill: int) -> None:
    """Count the statements of the driver, COMMIT among them, and end before that number."""
    global _kill
    _kill = kill
    for name in ("_execute", "execute", "copy_records_to_table"):
        _counted(asyncpg.Connection, name)
    _counted(AsyncAdapt_asyncpg_cursor, "_prepare_and_execute")


def _counted(owner: type, name: str) -> None:
    before = getattr(owner, name)

    async def counted(*arguments: Any, **options: Any) -> Any:
        global _statements
        _statements += 1
        if _statements == _kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return await before(*arguments, **options)

    setattr(owner, name, counted)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Matching]:
    """The service's parts, connected."""
    matching = Matching(url)
    await matching.database.open()
    try:
        yield matching
    finally:
        await matching.database.close()


async def play(matching: Matching) -> None:
    """The story; each part of it may have been done before."""
    database = matching.database
    batches = Batches(
        database, Subscription("matching", (), matching.handle), Metrics()
    )  # fmt: skip

    async def receive(told: list[Any], offset: int) -> None:
        received = [
            Received(one, Origin("brobyg.referral.v1", 0, offset + n)) for n, one in enumerate(told)
        ]
        for number in range(0, len(received), 2):
            await batches.process(received[number : number + 2])

    async def all_due() -> None:
        while await matching.timers.fire():
            pass

    first = events()
    await receive(first, 0)
    await all_due()
    matching.clock.advance(timedelta(hours=9))
    await all_due()
    for helper in HELPERS:  # in the order of their names, so that each run is the same
        offers = await query(
            database,
            "select offer_id::text from offer where helper_id = cast(:helper as uuid)"
            " and state in ('open', 'accepted') order by 1",
            helper=helper.helper_id,
        )
        for (offer_id,) in offers:
            with suppress(NotAllowed):
                await matching.answers.answer(offer_id, "accept")
    await all_due()
    await receive(later_events(), len(first))
    await all_due()


async def main(url: str, kill: int) -> None:
    """Play."""
    async with opened(url) as matching:
        count_and_die(kill)
        await play(matching)


def play_apart(url: str, kill: int) -> tuple[int, int]:
    """Play in a forked process: how it ended, and how many statements it was."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        asyncio.run(main(url, kill))
        os.write(write, str(_statements).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        statements = int(said.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), statements


if __name__ == "__main__":
    for line in sys.stdin:
        address, number = line.split()
        print(*play_apart(address, int(number)), flush=True)
