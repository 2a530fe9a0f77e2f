"""What reporting's tests share: publishing a history, and rebuilding in the test's own database."""

from collections.abc import Iterable

import pytest
from brobyg_kit import kafka as clients
from brobyg_kit.event import Event, encode
from brobyg_reporting.rebuild import Outcome, Request, rebuild


class Publisher:
    """Puts events on the system's own topics, waiting until they are acknowledged."""

    def __init__(self, address: str) -> None:
        self.address = address

    def send(self, events: Iterable[tuple[str, Event]]) -> int:
        return self.send_raw((topic, event.subject, encode(event)) for topic, event in events)

    def send_raw(self, records: Iterable[tuple[str, str, bytes]]) -> int:
        producer, number = clients.producer(self.address, "reporting-tests"), 0
        for topic, key, value in records:
            producer.produce(topic, key=key, value=value)
            producer.poll(0)
            number += 1
        assert producer.flush(30) == 0
        return number


class Rebuilder:
    """Runs rebuilds of one database."""

    def __init__(self, kafka: str, database: str) -> None:
        self.kafka, self.database = kafka, database
        self.phases: list[str] = []

    async def run(
        self, *, verify: bool = False, fresh: bool = False, processes: int = 2
    ) -> Outcome:
        return await rebuild(
            Request(self.kafka, self.database, processes, fresh, verify), self._progress
        )

    def _progress(self, phase: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if phase not in self.phases:
            self.phases.append(phase)


@pytest.fixture
def publisher(topics: str) -> Publisher:
    """Publishes on the system's topics, which are empty at the test's start."""
    return Publisher(topics)
