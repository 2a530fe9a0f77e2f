"""What reporting's tests share: publishing a history, and rebuilding in the test's own database."""

from collections.abc import Iterable, Sequence

import pytest
from brobyg_kit import kafka
from brobyg_kit.database import Database
from brobyg_kit.event import Event, encode
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.ports import Built, OnProgress, Purpose
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.use_cases.rebuild import RebuildRequest, RebuildResult, rebuild
from sqlalchemy import text


class Publisher:
    """Puts events on the system's own topics, waiting until they are acknowledged."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def send(self, events: Iterable[tuple[str, Event]]) -> int:
        return await self.send_raw((topic, event.subject, encode(event)) for topic, event in events)

    async def send_raw(self, records: Iterable[tuple[str, str, bytes]]) -> int:
        producer = kafka.batch_producer(self.address, "reporting-tests")
        await producer.start()
        try:
            sent = [
                await producer.send(topic, value, key.encode()) for topic, key, value in records
            ]
            await producer.flush()
            for acknowledged in sent:
                await acknowledged
        finally:
            await producer.stop()
        return len(sent)


class Rebuilder:
    """Runs rebuilds of one database; as `ports.Builder`, in the test's process."""

    def __init__(self, kafka: str, database: str, in_process_limit: int = 20_000) -> None:
        self.ports, self.in_process_limit = rebuild_ports(kafka, database), in_process_limit
        self.phases: list[str] = []

    async def run(
        self, *names: str, purpose: Purpose = "build and switch", fresh: bool = False
    ) -> RebuildResult:
        request = RebuildRequest(names, purpose, fresh, in_process_limit=self.in_process_limit)
        return await rebuild(self.ports, request, self._progress)

    async def build(self, projections: Sequence[str], on_progress: OnProgress) -> Built:
        outcome = await self.run(*projections)
        return Built(outcome.version, outcome.events)

    def _progress(self, phase: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if phase not in self.phases:
            self.phases.append(phase)


async def scalar(database: Database, sql: str, **values: object) -> object:
    """The one value that the SQL gives."""
    async with database.connect() as connection:
        return await connection.scalar(text(sql), values)


async def first_version(database: Database) -> int:
    """The live version, an empty one, as a service makes it that starts for the first time."""
    async with database.connect() as connection:
        versions = VersionTables(connection)
        assert await versions.create_first()
        live = await versions.live()
    assert {one.number for one in live.values()} == {1}
    return 1


@pytest.fixture
def publisher(topics: str) -> Publisher:
    """Publishes on the system's topics, which are empty at the test's start."""
    return Publisher(topics)
