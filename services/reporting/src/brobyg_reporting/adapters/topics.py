"""Reading our topics from one offset to another, outside any consumer group.

Nothing is committed and nothing is sent.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from brobyg_kit import kafka
from brobyg_kit.event import UndecodableEvent

from brobyg_reporting.domain.log import LoggedEvent, Offsets, read_logged
from brobyg_reporting.errors import UnknownTopic

Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"

#: Seconds without a record while records are due, before giving up.
_STALLED_AFTER = 60.0


@asynccontextmanager
async def reading(address: str, names: Sequence[str]) -> AsyncIterator["TopicReader"]:
    """A client that reads ranges of these topics, again and again.

    Raises aiokafka's KafkaConnectionError when no broker answers.
    """
    settings = {
        "client_id": "brobyg-reporting-rebuild",
        "fetch_max_wait_ms": 5,  # a fetch at the end of one range would hold up the next range
        "fetch_max_bytes": 64 << 20,
        "max_partition_fetch_bytes": 4 << 20,
        # The broker checked them when they were written, and PostgreSQL checks what is kept.
        "check_crcs": False,
    }
    async with kafka.reader(address, **settings) as client:
        yield TopicReader(address, names, client)


@dataclass(frozen=True, slots=True)
class TopicReader:
    """Reads ranges of some topics."""

    address: str
    names: Sequence[str]
    client: AIOKafkaConsumer

    async def ends(self) -> Offsets:
        """The end of every partition now. Raises UnknownTopic, KafkaError or TimeoutError."""
        async with kafka.admin(self.address) as admin:
            known = await kafka.partitions(admin, self.names)
        if missing := sorted(set(self.names) - set(known)):
            raise UnknownTopic(
                f"no topic {', '.join(missing)} on {self.address}; `brobyg topics apply` creates it"
            )
        partitions = [one for name in self.names for one in known[name]]
        marks = await kafka.watermarks(self.client, partitions)
        return {(one.topic, one.partition): end for one, (_, end) in marks.items()}

    def records(self, start: Offsets, end: Offsets) -> AsyncIterator[list[Record]]:
        """The records from `start` (0 where not given) up to `end`, each partition's in order.

        Raises TimeoutError when nothing comes for a minute, KafkaError when the broker refuses.
        """
        ranges = {
            TopicPartition(*place): (start.get(place, 0), offset) for place, offset in end.items()
        }
        return kafka.read_range(self.client, ranges, timeout=_STALLED_AFTER)

    async def read(self, start: Offsets, end: Offsets) -> AsyncIterator[list[LoggedEvent]]:
        """As `records`, without those that are not events."""
        async for part in self.records(start, end):
            yield [event for record in part for event in read(record)]


def read(record: Record) -> list[LoggedEvent]:
    """The events in the record; none when it is not an event, which live parks as a dead letter."""
    try:
        return read_logged(record.topic, record.partition, record.offset, record.value or b"")
    except UndecodableEvent:
        return []
