"""kill -9 between any two statements of matching: what is done in the end is the same.

The kit's own tests kill its consumer and relay; here it is what matching does in between.
"""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brobyg_kit.database import Database
from brobyg_kit.event import decode
from brobyg_kit.service import Service
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.ports import Contact
from matching_api import give_reference
from matching_samples import CONTACTS, query
from support.kill_worker import HELPERS

HERE = Path(__file__).parent
WORKER = HERE / "support" / "kill_worker.py"
PATHWAYS = HERE.parents[2] / "tests" / "pathways"
#: How many of the story's statements are tried; one by chance of each of so many parts.
KILLS = 6
NewDatabase = Callable[[Service], AbstractAsyncContextManager[Database]]


async def prepared(database: Database) -> None:
    await give_reference(database)
    async with database.transaction() as tx:
        for one in HELPERS:
            email = f"{one.helper_id}@example.org"
            contact = Contact(name="Ida Test", email=email, phone=None, language="da")
            await PostgresHelpers(database, CONTACTS).add(tx, one, contact)


@dataclass
class Player:
    """Plays the story, each time in a process of its own."""

    process: asyncio.subprocess.Process

    async def play(self, database: Database, kill: int = 0) -> tuple[int, int]:
        """How the story's process ended, and how many statements it was."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{database.url} {kill}\n".encode())
        said = await asyncio.wait_for(self.process.stdout.readline(), 60)
        code, statements = map(int, said.split())
        return code, statements


@pytest.fixture
async def player() -> AsyncIterator[Player]:
    """Its worker has loaded the program once for all stories."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER),
        env={"BROBYG_PATHWAYS": str(PATHWAYS), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    yield Player(process)
    await asyncio.wait_for(process.communicate(b""), 60)  # which closes its stdin: it ends


async def state(database: Database) -> dict[str, list[Any]]:
    """All that is kept, and all that was told, without ids that are made by chance."""
    found: dict[str, list[Any]] = {}
    for table in ("need", "seat", "booking", "caseload", "offer", "turn", "consent", "citizen"):
        found[table] = sorted(map(repr, await query(database, f"select * from {table}")))
    found["timer"] = await query(database, "select kind, subject, due_at from timer order by 1, 2")
    told = [decode(value) for (value,) in await query(database, "select value from outbox")]
    found["told"] = [
        (one.subject, one.sequence, one.type, msgspec.json.decode(one.data))
        for one in sorted(told, key=lambda one: (one.subject, one.sequence))
    ]
    return found


async def test_killed_before_any_statement_and_begun_again_it_ends_the_same(
    database_for: NewDatabase, player: Player
) -> None:
    async with database_for(SERVICE) as database:
        await prepared(database)
        code, number = await player.play(database)
        assert code == 0
        wanted = await state(database)
    types = {kind.removeprefix("dk.brobyg.") for _, _, kind, _ in wanted["told"]}
    assert types >= {
        "offer.made", "offer.accepted", "offer.expired", "volunteer.matched",
        "staff.matched", "match.released", "need.decided",
    }, "the story has all that can happen"  # fmt: skip
    seed = random.randrange(1_000_000)
    print(f"seed {seed}, {number} statements")
    chance, part = random.Random(seed), number // KILLS
    for first in range(1, number - part + 1, part):
        kill = first + chance.randrange(part)
        async with database_for(SERVICE) as database:
            await prepared(database)
            code, _ = await player.play(database, kill)
            assert code == -signal.SIGKILL
            code, _ = await player.play(database)
            assert code == 0
            found = await state(database)
        for what, rows in wanted.items():
            assert found[what] == rows, f"{what} after a kill before statement {kill}"
