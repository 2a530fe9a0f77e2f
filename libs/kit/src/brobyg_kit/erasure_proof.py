"""That nothing of an erased person is left on a compacted topic, shown from the topic itself.

Kafka compacts only segments that are closed, and closes one by a record that comes once it is old
enough (`segment.ms`). So the deletion is sent again then, and as long afterwards the person's
partition is read from its beginning: when no record of the key has a value, that is kept as the
proof. The topics' settings make it less than a day: six hours until the segment is closed, at most
six until it is compacted (`brobyg_kit.topics`), and some minutes until it is looked at. A topic
whose segments are closed earlier is proven earlier: its own setting is what is gone by.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import ARRAY, ColumnElement, bindparam, func, select, update

from brobyg_kit import kafka
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.erasure import complete, lock
from brobyg_kit.logs import get_logger
from brobyg_kit.tables import Id, erasure
from brobyg_kit.topics import segment_of

log = get_logger(__name__)

#: How many erasures are looked at together.
AT_ONCE = 500
#: How much later than the segment may be closed its partition is read, of wall time.
AGAIN = timedelta(minutes=10)
#: How often it is looked whether there is anything to do, seconds of wall time.
_EVERY = 5.0
#: How soon a deletion is looked for again that was not on the topic yet.
_SOON = timedelta(seconds=30)
_e = erasure.c
_NOW = func.clock_timestamp()


@dataclass(slots=True)
class KeyOnTopic:
    """What a topic has of one key."""

    #: Records with a value, which say something.
    values: int = 0
    #: Whether the last record deletes the key.
    is_deleted: bool = False


async def keys_on(
    address: str, topic: str, keys: Collection[str], at_most: int = 10_000
) -> dict[str, KeyOnTopic]:
    """What the topic has of these keys, each partition read from its beginning to its present end.

    Raises KafkaError, or TimeoutError when the broker does not answer. Holds `at_most` records.
    """
    found = {key.encode(): KeyOnTopic() for key in keys}
    async with kafka.admin(address) as admin:
        partitions = (await kafka.partitions(admin, [topic])).get(topic, [])
    if not partitions:
        return {key.decode(): one for key, one in found.items()}
    wanted = {kafka.partition_of(key, len(partitions)) for key in found}
    async with kafka.reader(address) as reader:
        marks = await kafka.watermarks(reader, [TopicPartition(topic, one) for one in wanted])
        async for batch in kafka.read_range(reader, marks, at_most=at_most):
            for record in batch:
                one = found.get(record.key or b"")
                if one is None:
                    continue
                one.values += record.value is not None
                one.is_deleted = record.value is None
    return {key.decode(): one for key, one in found.items()}


class _Due(NamedTuple):
    person_id: str
    topic: str
    tombstoned_at: datetime | None


class ErasureProof:
    """Completes the proofs of one owner. In several processes it does no harm."""

    def __init__(
        self,
        database: Database,
        address: str,
        *,
        segment: timedelta | None = None,
        again: timedelta = AGAIN,
    ) -> None:
        """`segment` in place of the topic's own `segment.ms`; `database` is open before `run`.

        A partition is read again after `again`, or once a segment is closed where that is sooner.
        """
        self._database, self._address = database, address
        self._segment, self._again = segment, again

    async def run(self) -> None:
        """Look until cancelled. Trouble with broker or database is waited out."""
        backoff = Backoff()
        while True:
            pause = _EVERY
            try:
                await self.look()
                backoff.reset()
            except (*DATABASE_ERRORS, KafkaError, TimeoutError) as error:
                pause = max(pause, backoff.next())
                log.warning("erasure.proof_interrupted", error=error, retry_seconds=pause)
            await asyncio.sleep(pause)

    async def look(self) -> int:
        """Look at the topic for those that are due; how many were proven.

        Each round begins anew from what is stored, so that it may be interrupted at any time.
        """
        due = await self._due()
        proven = 0
        for topic in sorted({row.topic for row in due}):
            of_topic = [row for row in due if row.topic == topic]
            seen = await keys_on(self._address, topic, [row.person_id for row in of_topic])
            segment = self._segment or await segment_of(self._address, topic)
            proven += await self._keep(topic, segment, of_topic, seen)
        return proven

    async def _due(self) -> list[_Due]:
        """Those that this process looks at now; others find them again after a pause."""
        due = (
            select(_e.person_id)
            .where(_e.topic.is_not(None), _e.compacted_at.is_(None), _e.look_at <= _NOW)
            .order_by(_e.look_at)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, key_share=True)
            .scalar_subquery()
        )
        claim = (
            update(erasure)
            .where(_e.person_id.in_(due))
            .values(look_at=_NOW + self._again)
            .returning(_e.person_id, _e.topic, _e.tombstoned_at)
        )
        async with self._database.connect() as connection:
            return [_Due(*row) for row in await connection.execute(claim)]

    async def _keep(
        self,
        topic: str,
        segment: timedelta,
        due: Sequence[_Due],
        seen: Mapping[str, KeyOnTopic],
    ) -> int:
        """Keep what was seen, and send the deletion again where that closes the segment.

        Also one that is not there: it may have been removed before it was seen.
        """
        again = min(self._again, segment)
        before = {row.person_id for row in due if row.tombstoned_at is not None}
        deleted = {row.person_id for row in due if seen[row.person_id].is_deleted} - before
        there = before | deleted
        clean = {one for one in there if not seen[one].values}
        async with self._database.transaction() as tx:
            await lock(tx, seen)
            await self._set(tx, deleted, tombstoned_at=tx.now)
            await self._set(tx, clean, compacted_at=tx.now)
            await complete(tx, clean)
            sent = await tx.connection.scalars(
                update(erasure)
                .where(_is_any(seen.keys() - clean), _e.sent_at <= _NOW - segment)
                .values(sent_at=_NOW)
                .returning(_e.person_id)
            )
            for person_id in sorted(sent):
                tx.send_tombstone(topic, person_id)
            # Before the segment is closed there is nothing new to see.
            await self._set(tx, there, look_at=_e.sent_at + segment + again)
            not_yet = {row.person_id for row in due} - there
            await self._set(tx, not_yet, look_at=_NOW + min(_SOON, again))
        return len(clean)

    @staticmethod
    async def _set(tx: Transaction, people: Collection[str], **values: object) -> None:
        if people:
            await tx.connection.execute(update(erasure).where(_is_any(people)).values(values))


def _is_any(people: Collection[str]) -> ColumnElement[bool]:
    return _e.person_id == func.any(bindparam(None, sorted(people), ARRAY(Id), unique=True))
