"""What the delivery tests share: an event, a topic and a database of each test's own, and loops.

The loops run while a block does.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from brobyg_kit import kafka as clients
from brobyg_kit.clock import WallClock
from brobyg_kit.consumer import BatchHandler, Consumer, Subscription
from brobyg_kit.database import Database, Transaction
from brobyg_kit.decoding import Record
from brobyg_kit.event import Event
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.relay import Relay
from brobyg_kit.testing import eventually, new_database, publish, records
from brobyg_kit.topics import Topic, apply_topics
from sqlalchemy import MetaData

#: No tables beside the delivery tables, so no revisions of its own.
NO_VERSIONS = Path(__file__).parent / "no_versions"


class Counted(msgspec.Struct, frozen=True):
    """A thing was counted."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.counted"
    TOPIC: ClassVar[str] = "replaced by each test"
    DATASCHEMA: ClassVar[str] = "about:blank"
    number: int


@dataclass
class Parts:
    """A topic and a database of the test's own."""

    kafka: str
    topic: str
    database: Database
    kind: type[Counted]
    #: The test's own connections to the database.
    pool: "asyncpg.Pool[asyncpg.Record]"

    def consumer(
        self,
        handle: BatchHandler,
        service: str = "test",
        max_batch: int = 2_000,
        instance: str = "",
        lanes: int = 2,
        gather: float = 0.0,
    ) -> Consumer:
        subscription = Subscription(
            service + self.topic,
            [self.topic],
            handle,
            max_batch=max_batch,
            gather=gather,
            instance=instance,
        )
        beat = Heartbeat("consumer")
        return Consumer(self.kafka, self.database, subscription, Metrics(), beat, lanes)

    def relay(self) -> Relay:
        return Relay(self.database.url, self.kafka, "test", Metrics(), Heartbeat("relay"))

    async def emit(self, numbers: Sequence[int], subjects: int = 1) -> None:
        async with self.database.transaction() as tx:
            for number in numbers:
                tx.emit(self.kind(number=number), subject=f"subject-{number % subjects}")

    async def sent_all(self) -> None:
        """Return when the outbox is empty."""

        async def empty() -> bool:
            return await self.pool.fetchval("select count(*) from outbox") == 0

        await eventually(empty, "all is sent")

    async def rewind(self, offset: int = 0) -> None:
        """Set the group's offsets back, as a crash between commit and offset commit would.

        Nobody may be in the group.
        """
        partitions = [TopicPartition(self.topic, number) for number in range(3)]
        client = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=self.group, enable_auto_commit=False
        )
        await client.start()
        client.assign(partitions)
        await client.commit(dict.fromkeys(partitions, offset))
        await client.stop()

    @property
    def group(self) -> str:
        return f"brobyg-test{self.topic}"

    async def publish(self, *values: bytes, key: str, topic: str = "") -> None:
        """Put these on the topic past the outbox, as somebody else may."""
        await publish(self.kafka, topic or self.topic, *values, key=key)

    async def read(self, at_least: int, topic: str = "") -> list[Record]:
        """All records of the topic, by partition and offset, once there are so many."""
        return await records(self.kafka, topic or self.topic, at_least)

    async def recorded(self) -> list[tuple[str, int]]:
        rows = await self.pool.fetch("select subject, number from effect order by id")
        return [(row["subject"], row["number"]) for row in rows]


@asynccontextmanager
async def fresh_parts(kafka: str, postgres: str) -> AsyncIterator[Parts]:
    """A new topic and a new database, gone after the block."""
    name = f"kit_{uuid.uuid4().hex[:10]}"
    await apply_topics(
        kafka,
        [
            Topic(name, 3, -1, "delete", "zstd"),
            Topic(f"brobyg.test{name}.dead-letter.v1", 1, -1, "delete", "zstd"),
        ],
    )
    async with clients.admin(kafka) as client:

        async def led() -> bool:
            known = [one for one in await client.describe_topics() if one["topic"] == name]
            return any(known) and all(one["leader"] >= 0 for one in known[0]["partitions"])

        await eventually(led, "every partition has a leader")
    async with new_database(postgres, name, MetaData(), NO_VERSIONS) as url:
        database = Database(url, WallClock(), "test")
        await database.open()
        async with asyncpg.create_pool(url, min_size=0) as pool:
            await pool.execute(
                "create table effect"
                " (id bigserial primary key, subject text not null, number int not null)"
            )
            kind = type("Counted", (Counted,), {"TOPIC": name}, frozen=True)
            yield Parts(kafka, name, database, kind, pool)
        await database.close()


async def record(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep what came."""
    rows = [(event.subject, event.decode(Counted).number) for event in events]
    await tx.driver.executemany("insert into effect (subject, number) values ($1, $2)", rows)


class Way:
    """The way to a real database, which can be closed and opened again, as in an outage."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or "", parts.port or 5432)
        self._port = free_port()
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = parts._replace(netloc=f"{user}127.0.0.1:{self._port}").geturl()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    def close(self) -> None:
        """Nobody gets through, and who is under way is cut off."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._there)
        self._writers |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # cut off, which is what the way is for
    finally:
        writer.close()


@asynccontextmanager
async def by_way(
    parts: Parts, make: Callable[..., Database] = Database
) -> AsyncIterator[tuple[Parts, Way]]:
    """The same parts, with the database reached by a way that the test can close."""
    way = Way(parts.database.url)
    await way.open()
    database = make(way.url, WallClock(), "test")
    await database.open()
    try:
        yield replace(parts, database=database), way
    finally:
        await database.close()
        way.close()


@asynccontextmanager
async def going(*loops: Relay | Consumer) -> AsyncIterator[None]:
    """The loops run while the block does, and end in order after it."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        await asyncio.gather(*tasks)


async def has_effects(parts: Parts, number: int, timeout: float = 20.0) -> None:
    async def there() -> bool:
        return len(await parts.recorded()) >= number

    await eventually(there, f"{number} effects", timeout)


async def committed(parts: Parts) -> int:
    """How many records the group has committed, of all partitions."""
    client = AIOKafkaConsumer(bootstrap_servers=parts.kafka, group_id=parts.group)
    await client.start()
    offsets = [await client.committed(TopicPartition(parts.topic, one)) for one in range(3)]
    await client.stop()
    return sum(offset or 0 for offset in offsets)
