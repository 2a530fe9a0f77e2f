"""The ground the benchmarks stand on: topics and databases of their own, on real servers.

They are gone afterwards.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from brobyg_kit import kafka
from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.database import Database, Driver, driver_of
from brobyg_kit.migrate import migrate
from brobyg_kit.service import Service
from brobyg_kit.topics import Topic, apply_topics
from sqlalchemy import MetaData

#: A folder without revisions.
_NO_VERSIONS = Path(kafka.__file__).parents[2] / "tests" / "support" / "no_versions"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where broker and database answer, and how much work a run is: `scale` 1 is the full size."""

    kafka: str
    database: str
    seed: int
    rounds: int = 5
    scale: float = 1.0

    def sized(self, full: int) -> int:
        """How many of `full` things this run takes; at least 100."""
        return max(100, int(full * self.scale))


def unique(what: str) -> str:
    """A name that nobody else uses."""
    return f"bench_{what}_{uuid.uuid4().hex[:10]}"


@asynccontextmanager
async def topics(address: str, names: Sequence[str], partitions: int = 12) -> AsyncIterator[None]:
    """These topics, empty, while the block runs. Records keep the compression they came with."""
    declared = [Topic(name, partitions, -1, "delete", "producer") for name in names]
    await apply_topics(address, declared)
    try:
        yield
    finally:
        async with kafka.admin(address) as admin:
            await admin.delete_topics(list(names))


@asynccontextmanager
async def database(
    server: str,
    source: str,
    service: Service | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Database]:
    """A new, migrated, open database while the block runs, with `service`'s tables, if any."""
    name = unique(source)
    admin = await asyncpg.connect(f"{server.rstrip('/')}/postgres", timeout=10)
    await admin.execute(f'create database "{name}"')
    made = Database(f"{server.rstrip('/')}/{name}", clock or WallClock(), source)
    try:
        if service is not None and service.metadata is not None:
            await migrate(made.url, service.metadata, service.versions)
        else:
            await migrate(made.url, MetaData(), _NO_VERSIONS)
        await made.open()
        yield made
    finally:
        await made.close()
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close()


@asynccontextmanager
async def driver(database: Database) -> AsyncIterator[Driver]:
    """A connection of `database`, past SQLAlchemy, for what prepares and checks a run."""
    async with database.connect() as connection:
        yield await driver_of(connection)
