"""The relay: sends what is committed in the outbox to Kafka, in order; one relay a service.

Every row that is there is taken, not only those with an id above the last one: a transaction that
commits late is not skipped. Within a subject, commit order is id order (see
`Transaction.emit`). A row is deleted after the broker has acknowledged it, so a crash in between
sends it again and the consumers' inbox drops the repeat.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from brobyg_kit import faultpoints, kafka
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import OUTBOX_CHANNEL
from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
from brobyg_kit.errors import SendFailed
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics

log = get_logger(__name__)

_LOCK = 0x72656C61
_BATCH = 5_000
_POLL_SECONDS = 5.0
#: How long a topic may be unknown before its records count as refused, seconds of wall time. Those
#: of other topics wait as long.
_UNKNOWN_TOPIC = 1.0
#: How often the heartbeat is noted while the broker does not acknowledge, seconds.
_UNACKNOWLEDGED = 5.0
_FETCH = "select id, topic, key, value, content_type from outbox order by id limit $1"
#: All but the batch in flight, which fills the ids from $2 to $3. When a late commit has put a row
#: between them, nothing is fetched before they are deleted: a later one of its subject must not
#: overtake it. (`id <> all(...)` says the same and takes seconds.)
_FETCH_NEXT = (
    "select id, topic, key, value, content_type from outbox where (id < $2 or id > $3)"
    " and (select count(*) from outbox where id between $2 and $3) = $4 order by id limit $1"
)
#: How long committed rows may lie while another session has the lock, seconds of wall time: a relay
#: that works sends them at once.
LOCK_PATIENCE = 15.0
#: The oldest row's age when it is older than that, and who has the lock.
_UNSENT = """
    select age, pid, usename from (
        select extract(epoch from clock_timestamp() - created_at)::float8 as age
        from outbox order by id limit 1
    ) as oldest
    left join (
        select pid, usename from pg_locks join pg_stat_activity using (pid)
        where locktype = 'advisory' and classid = 0 and objid = $1::bigint::oid and objsubid = 1
            and granted and database = (
                select oid from pg_database where datname = current_database()
            )
        limit 1
    ) as holder on true
    where age > $2 and not exists (
        select from pg_stat_activity
        where pid = holder.pid and application_name = 'brobyg-relay'
    )
"""
_DELETE = "delete from outbox where id = any($1::bigint[])"
_SESSION = {
    # Whoever waits for the lock sees that a relay has it, which tells its own troubles.
    "application_name": "brobyg-relay",
    # An outbox is empty whenever statistics are taken, so the planner would sort what may be a
    # day's backlog: by the index, always.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    # All that this can lose is the deletion of what was sent: it is sent again, as after a crash.
    "synchronous_commit": "off",
}
#: What is waited out: the session is begun again after a pause.
_WAITED_OUT: tuple[type[Exception], ...] = (*DATABASE_ERRORS, SendFailed, KafkaError)


@dataclass(slots=True)
class _Part:
    """The rows of one partition in a batch of rows, as record batches in the order of their ids."""

    topic: str
    partition: int
    #: Each with the ids of its rows.
    batches: list[tuple[Any, list[int]]] = field(default_factory=list)


def _trouble(error: Exception) -> str:
    """What is wrong, for readiness."""
    if isinstance(error, SendFailed):
        return f"a record was not sent: {error}"
    if isinstance(error, KafkaError):
        return f"no broker answers ({type(error).__name__})"
    return trouble_of(error)


async def _partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions the topic has; 0 when the broker does not know it."""
    try:
        async with asyncio.timeout(_UNKNOWN_TOPIC):
            return len(await producer.partitions_for(topic))
    except (TimeoutError, KafkaError):
        return 0


def _held_up(seconds: float, pid: int | None, login: str | None) -> str:
    """What readiness says of a relay that waits while nobody sends."""
    holder = f"pid {pid}, login {login}" if pid else "who can't be seen"
    return (
        f"the oldest unsent record is {seconds:.0f} s old, and another session has the relay's"
        f" lock ({holder}); if that is no relay of this service: select pg_terminate_backend(pid)"
    )


class Relay:
    """One service's relay. Safe to run in several processes, of which one works."""

    def __init__(
        self,
        url: str,
        address: str,
        service: str,
        metrics: Metrics,
        heartbeat: Heartbeat,
        make_producer: Callable[[str, str], AIOKafkaProducer] = kafka.batch_producer,
    ) -> None:
        """`url` is the service's database, `address` the bootstrap servers; connects nothing."""
        self._url, self._address, self._service = url, address, service
        self._make_producer = make_producer
        self._metrics, self._heartbeat = metrics, heartbeat
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """End `run` when what is in the outbox now is sent, or the broker does not answer."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Relay until stopped; trouble with the broker or the database is waited out."""
        backoff = Backoff(longest=2.0)
        while not self._stopping:
            try:
                await self._session()
            except _WAITED_OUT as error:
                pause = backoff.next()
                self._heartbeat.struggle(_trouble(error))
                log.warning("relay.interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def _session(self) -> None:
        """Take the lock and send, with its own producer and connection, until something fails."""
        connection = await asyncpg.connect(
            self._url, timeout=10, command_timeout=30, server_settings=_SESSION
        )
        producer = self._make_producer(self._address, f"brobyg-{self._service}-relay")
        try:
            await connection.add_listener(OUTBOX_CHANNEL, lambda *_: self._wake.set())
            async with asyncio.timeout(3 * kafka.REQUEST_TIMEOUT):
                await producer.start()
            if not await self._leads(connection):
                return
            self._metrics.relay_leader.set(1)
            while True:
                self._wake.clear()
                await self._drain(connection, producer)
                self._heartbeat.beat()
                if self._stopping:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()
        finally:
            self._metrics.relay_leader.set(0)
            await kafka.abandon(producer)
            await connection.close(timeout=2)

    async def _leads(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        """Wait until this process is the one that relays; False when it is stopped before."""
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            if unsent := await connection.fetchrow(_UNSENT, _LOCK, LOCK_PATIENCE):
                self._heartbeat.struggle(_held_up(*unsent))
            else:
                self._heartbeat.beat()
            if self._stopping:
                return False
            await asyncio.sleep(1.0)
        return True

    async def _drain(
        self, connection: "asyncpg.Connection[asyncpg.Record]", producer: AIOKafkaProducer
    ) -> None:
        """Send until nothing is left; the next rows are fetched while the last are in flight."""
        rows, parts, unknown = await self._fetch(connection, producer, _FETCH)
        while rows:
            faultpoints.reach(faultpoints.AFTER_COMMIT_BEFORE_SEND)
            sending = asyncio.create_task(self._send(producer, parts))
            try:
                span = rows[0]["id"], rows[-1]["id"], len(rows)
                following = await self._fetch(connection, producer, _FETCH_NEXT, *span)
            finally:
                # Also when that failed: a new session must not overtake what is in flight.
                sent, failure = await sending
            faultpoints.reach(faultpoints.AFTER_SEND_BEFORE_MARK)
            await connection.execute(_DELETE, sent)
            if failure or unknown:
                raise SendFailed(failure or f"unknown topics: {', '.join(sorted(unknown))}")
            self._heartbeat.beat()
            if not following[0]:
                following = await self._fetch(connection, producer, _FETCH)
            rows, parts, unknown = following

    async def _fetch(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        producer: AIOKafkaProducer,
        query: str,
        *arguments: int,
    ) -> tuple[list[Any], list[_Part], set[str]]:
        """The next rows and what `_parts` makes of them."""
        rows = await connection.fetch(query, _BATCH, *arguments)
        return rows, *await self._parts(producer, rows)

    async def _parts(
        self, producer: AIOKafkaProducer, rows: Sequence[Any]
    ) -> tuple[list[_Part], set[str]]:
        """The rows by partition, as record batches; and the topics unknown to the broker."""
        topics = list({row[1] for row in rows})
        counts = await asyncio.gather(*(_partitions(producer, topic) for topic in topics))
        partitions = dict(zip(topics, counts, strict=True))
        made: dict[tuple[str, int], _Part] = {}
        headers: dict[str, list[tuple[str, bytes]]] = {}
        for row_id, topic, key, value, content_type in rows:
            if not (number := partitions[topic]):
                continue
            encoded = key.encode()
            place = topic, kafka.partition_of(encoded, number)
            part = made.get(place)
            if part is None:
                part = made[place] = _Part(*place, [(producer.create_batch(), [])])
            header = headers.get(content_type)
            if header is None:
                header = headers[content_type] = [("content-type", content_type.encode())]
            batch, ids = part.batches[-1]
            if batch.append(timestamp=None, key=encoded, value=value, headers=header) is None:
                batch, ids = producer.create_batch(), []
                part.batches.append((batch, ids))
                batch.append(timestamp=None, key=encoded, value=value, headers=header)
            ids.append(row_id)
        return list(made.values()), {topic for topic in topics if not partitions[topic]}

    async def _send(
        self, producer: AIOKafkaProducer, parts: Iterable[_Part]
    ) -> tuple[list[int], str]:
        """Send all parts side by side: the ids that were acknowledged, and why some were not.

        Returns when the broker has answered about all of them, or after a stop. Raises nothing.
        """
        tasks = [asyncio.create_task(self._send_part(producer, part)) for part in parts]
        pending = set(tasks)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=_UNACKNOWLEDGED)
            if pending:
                self._heartbeat.struggle("the broker does not acknowledge")
            if pending and self._stopping:
                await kafka.abandon(producer)
        answers = [task.result() for task in tasks]
        sent = [one for ids, _ in answers for one in ids]
        return sent, next((failure for _, failure in answers if failure), "")

    async def _send_part(self, producer: AIOKafkaProducer, part: _Part) -> tuple[list[int], str]:
        """Send a partition's record batches one after the other, up to the first that is refused.

        What comes after a refused one waits: a later record of a subject must not overtake.
        """
        sent: list[int] = []
        for batch, ids in part.batches:
            batch.close()  # an open one would linger for more
            try:
                future = await producer.send_batch(batch, part.topic, partition=part.partition)
                await future
            except KafkaError as error:
                return sent, f"{type(error).__name__} on {part.topic}"
            sent += ids
            self._metrics.relay_sent.labels(part.topic).inc(len(ids))
        return sent, ""
