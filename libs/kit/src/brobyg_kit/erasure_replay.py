"""Erasures are made again in a database that was restored from a backup of before them.

The history says who was erased since. How far it was looked through stands in the database itself,
and so is as old as the backup: from there on it is read again, and whom this database does not have
as erased is erased. A service does so before it serves (`Runtime.run`), and goes on doing it, so
that a start finds little to read. Where the database is restored under a running service, the
process ends and is started again, as it starts after any other restore.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import BigInteger, Integer, Text, func, select, text
from sqlalchemy.dialects.postgresql import insert

from brobyg_kit import kafka
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS, is_waited_out
from brobyg_kit.decoding import Record
from brobyg_kit.erasure import Erasures, erased
from brobyg_kit.event import Event, LaterVersion, UndecodableEvent, topic_of
from brobyg_kit.health import Check, Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.statements import unnest
from brobyg_kit.tables import erasures_replayed
from brobyg_kit.upcasting import events_in

log = get_logger(__name__)

#: Erases the person whom the event is about, again, in the transaction.
Erase = Callable[[Transaction, Event], Awaitable[None]]
#: How often the history is looked through while the service runs.
EVERY = timedelta(hours=1)
#: How often a running service looks whether its database was restored.
LOOK = timedelta(seconds=10)
#: One process of a service at a time looks through the history.
_LOCK = 0x657261736564
_LOCKED_SECONDS = 0.5
_FIRST = "looks first for erasures that a backup does not know of"
#: A dump that is restored makes the tables anew, whether or not it makes the database anew; a
#: server that is set back to a point in time goes on on another timeline, and one that is set back
#: to a copy of its files has a shorter log.
_IDENTITY = text("""
    select system_identifier, timeline_id, to_regclass('erasures_replayed')::oid::bigint,
        pg_current_wal_lsn() - '0/0'
    from pg_control_system(), pg_control_checkpoint()
""")
_r = erasures_replayed.c


class Replay:
    """Makes the erasures of one service's history again."""

    def __init__(self, database: Database, address: str, erasures: Erasures, erase: Erase) -> None:
        """`database` is open before anything is asked."""
        self._database, self._address, self._erase = database, address, erase
        self._kinds = {kind.EVENT_TYPE.encode(): kind for kind in erasures.kinds}
        self._topics = {topic_of(kind, erasures.service) for kind in erasures.kinds}
        #: Which database it was when last looked at, and how far its log reached.
        self._seen: tuple[tuple[object, ...], int] | None = None
        #: Why erasures are left to be made again; empty when none is.
        self.trouble = ""

    async def check(self) -> Check:
        """Whether all were made, for readiness."""
        return Check(not self.trouble, self.trouble)

    async def until_done(self, heartbeat: Heartbeat) -> int:
        """As `once`, again until broker and database let it be done."""
        backoff = Backoff()
        while True:
            try:
                await self._is_another()
                return await self.once(said=lambda: heartbeat.struggle(_FIRST))
            except (*DATABASE_ERRORS, KafkaError, TimeoutError) as error:
                pause = backoff.next()
                heartbeat.struggle(f"{_FIRST} ({type(error).__name__})")
                log.warning("erasures.replay_interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def keep(self) -> None:
        """As `once`, every hour; trouble is left for the next time.

        Returns when the database turns out to have been restored since `until_done` began.
        """
        replayed_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK.total_seconds())
            try:
                if await self._is_another():
                    return
                if time.monotonic() - replayed_at >= EVERY.total_seconds():
                    replayed_at = time.monotonic()
                    await self.once()
            except (*DATABASE_ERRORS, KafkaError, TimeoutError) as error:
                log.warning("erasures.replay_interrupted", error=error)

    async def _is_another(self) -> bool:
        """Whether the database is not the one that was looked at last, or went back since."""
        async with self._database.connect() as connection:
            row = (await connection.execute(_IDENTITY)).one()
        before, self._seen = self._seen, (tuple(row[:-1]), int(row[-1]))
        return before is not None and (before[0] != self._seen[0] or before[1] > self._seen[1])

    async def once(
        self, *, from_the_beginning: bool = False, said: Callable[[], None] | None = None
    ) -> int:
        """Look through what came since the last time, up to now; how many were erased again.

        How far it has come is kept as it goes on, and `said` called. A partition is kept only up to
        the first erasure that can't be made now: from there it is looked through again the next
        time. Raises one of DATABASE_ERRORS, KafkaError, or TimeoutError when the broker does not
        answer.
        """
        async with self._alone(said):
            return await self._once(from_the_beginning=from_the_beginning, said=said)

    @asynccontextmanager
    async def _alone(self, said: Callable[[], None] | None) -> AsyncIterator[None]:
        """While the block runs the service's other processes wait here, and then find it done."""
        async with self._database.connect() as connection:
            while not await connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
                if said is not None:
                    said()
                await asyncio.sleep(_LOCKED_SECONDS)
            try:
                yield
            finally:
                with suppress(*DATABASE_ERRORS):
                    await connection.execute(select(func.pg_advisory_unlock(_LOCK)))

    async def _once(self, *, from_the_beginning: bool, said: Callable[[], None] | None) -> int:
        done, left = 0, _Left()
        async with kafka.admin(self._address) as admin:
            found = await kafka.partitions(admin, self._topics)
        places = [one for partitions in found.values() for one in partitions]
        if not places:
            return 0  # no topic is there yet, so nobody was erased
        known = {} if from_the_beginning else await self._known()
        async with kafka.reader(self._address) as reader:
            marks = await kafka.watermarks(reader, places)
            ranges = {one: (_begin(known.get(one), *marks[one]), marks[one][1]) for one in places}
            async for batch in kafka.read_range(reader, ranges):
                done += await self._replay(batch, left)
                if said is not None:
                    said()
        ends = {one: end for one, (first, end) in ranges.items() if first < end}
        await self._keep(left.cut(ends))
        self.trouble = left.told()
        if done:
            log.warning("erasures.replayed", people=done)
        return done

    async def _replay(self, batch: list[Record], left: "_Left") -> int:
        done = 0
        for record in batch:
            try:
                for event in self._read(record):
                    done += await self._again(event)
            except Exception as error:
                if is_waited_out(error):
                    raise
                left.add(record)
                log.error("erasures.left", error=error, topic=record.topic, offset=record.offset)
        last = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in batch}
        await self._keep(left.cut(last))
        return done

    async def _again(self, event: Event) -> int:
        async with self._database.transaction() as tx:
            if await erased(tx, [event.subject]):
                return 0
            await self._erase(tx, event)
            return 1

    def _read(self, record: Record) -> list[Event]:
        """The events that tell of an erasure; most records are not even decoded.

        Raises LaterVersion.
        """
        value = record.value or b""
        if not any(kind in value for kind in self._kinds):
            return []
        try:
            found = [one for one in events_in(value) if one.type.encode() in self._kinds]
            for one in found:
                one.decode(self._kinds[one.type.encode()])
        except LaterVersion:
            raise
        except UndecodableEvent as error:  # parked where it is consumed
            log.warning("erasures.unreadable", error=error, topic=record.topic)
            return []
        return found

    async def _known(self) -> dict[TopicPartition, int]:
        async with self._database.connect() as connection:
            rows = await connection.execute(select(_r.topic, _r.partition, _r.next_offset))
            return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}

    async def _keep(self, positions: Mapping[TopicPartition, int]) -> None:
        if not positions:
            return
        kinds = {"topic": Text(), "partition": Integer(), "next_offset": BigInteger()}
        rows = [(one.topic, one.partition, offset) for one, offset in sorted(positions.items())]
        statement = insert(erasures_replayed).from_select(
            [_r[name] for name in kinds], select(*unnest(kinds, rows).c)
        )
        async with self._database.connect() as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_r.topic, _r.partition],
                    set_={"next_offset": statement.excluded.next_offset},
                )
            )


class _Left:
    """What can't be made now."""

    def __init__(self) -> None:
        self._first: dict[TopicPartition, int] = {}
        self._count = 0

    def add(self, record: Record) -> None:
        self._first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        self._count += 1

    def cut(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The positions, none beyond what is left."""
        return {one: min(at, self._first.get(one, at)) for one, at in positions.items()}

    def told(self) -> str:
        if not self._first:
            return ""
        places = ", ".join(f"{p.topic}/{p.partition} from {at}" for p, at in self._first.items())
        return f"{self._count} erasures can't be made again yet (see the log): {places}"


def _begin(known: int | None, first: int, end: int) -> int:
    """Where to begin; from the first for a topic that was made anew."""
    return known if known is not None and first <= known <= end else first
