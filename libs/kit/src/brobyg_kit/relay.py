"""The relay: sends what is committed in the outbox to Kafka, in order, one relay a service at a time.

Rows are taken because they are there, never because their id is above the last one: a transaction that commits late is not skipped. Within a
subject, commit order is id order (see `Transaction.emit`). A row is deleted after the broker has acknowledged it, so a crash in between
sends it again and the consumers' inbox drops the repeat.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import asyncpg
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from brobyg_kit import faultpoints, kafka
from brobyg_kit.database import OUTBOX_CHANNEL
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics

log = get_logger(__name__)

_LOCK = 0x72656C61
_BATCH = 5_000
_POLL_SECONDS = 5.0
_MEASURE_SECONDS = 2.0
#: A session that lasted so long was no failure to begin with: the pauses after the next start small again.
_WENT_WELL_SECONDS = 10.0
_FETCH = "select id, topic, key, value, content_type from outbox order by id limit $1"
#: All but the batch in flight, which fills the ids from $2 to $3. When a late commit has put a row between them there is nothing to fetch
#: before they are gone: a later one of its subject must not overtake it. (`id <> all(...)` says the same and takes seconds.)
_FETCH_NEXT = (
    "select id, topic, key, value, content_type from outbox where (id < $2 or id > $3)"
    " and (select count(*) from outbox where id between $2 and $3) = $4 order by id limit $1"
)
_SESSION = {
    # An outbox is empty whenever statistics are taken, so the planner would sort what may be a day's backlog: by the index, always.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    # All that is ever lost by this is the deletion of what was sent: it is sent again, as after any crash at this point.
    "synchronous_commit": "off",
}
_AGE = "select count(*) as rows, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as age from outbox"


class SendFailed(RuntimeError):
    """The broker refused a record, or did not answer before the relay was stopped; the relay starts again with a new producer."""


#: Topic, key and value of a record, as its delivery report gives them.
_Sent = tuple[str, bytes | str | None, bytes | str | None]
_WAITED_OUT: tuple[type[Exception], ...] = (*DATABASE_ERRORS, SendFailed, KafkaException)


class Relay:
    """One service's relay. `run` until cancelled or stopped; safe to run in several processes, of which one works."""

    def __init__(
        self,
        url: str,
        address: str,
        service: str,
        metrics: Metrics,
        heartbeat: Heartbeat,
        make_producer: Callable[[str, str], Producer] = kafka.producer,
    ) -> None:
        """`url` is the service's own database, `address` Kafka's bootstrap servers. Nothing is connected yet."""
        self._url, self._address, self._service = url, address, service
        self._make_producer = make_producer
        self._metrics, self._heartbeat = metrics, heartbeat
        self._wake = asyncio.Event()
        self._stopping = False
        self._measured_at = 0.0

    def stop(self) -> None:
        """End `run` when what is in the outbox now is sent, or the broker does not answer."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Relay until stopped; trouble with the broker or the database is waited out."""
        pause = 0.1
        while not self._stopping:
            began = time.monotonic()
            try:
                await self._session()
            except _WAITED_OUT as error:
                self._heartbeat.struggle(f"{type(error).__name__}")
                log.warning("relay.interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)
                pause = (
                    min(pause * 2, 2.0) if time.monotonic() - began < _WENT_WELL_SECONDS else 0.1
                )

    async def _session(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=10, command_timeout=30, server_settings=_SESSION
        )
        producer = self._make_producer(self._address, f"brobyg-{self._service}-relay")
        try:
            await connection.add_listener(OUTBOX_CHANNEL, lambda *_: self._wake.set())
            if not await self._leads(connection):
                return
            self._metrics.relay_leader.set(1)
            while True:
                self._wake.clear()
                await self._drain(connection, producer)
                self._heartbeat.beat()
                if self._stopping:
                    return
                await self._wait()
        finally:
            self._metrics.relay_leader.set(0)
            producer.purge(in_queue=True, in_flight=False)
            await asyncio.to_thread(producer.flush, 1.0)
            await connection.close(timeout=2)

    async def _leads(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        """Wait until this process is the one that relays; False when it is to stop before that."""
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            self._heartbeat.beat()
            if self._stopping:
                return False
            await asyncio.sleep(1.0)
        return True

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=_POLL_SECONDS)
        except TimeoutError:
            return  # the slow poll behind the notification

    async def _drain(
        self, connection: "asyncpg.Connection[asyncpg.Record]", producer: Producer
    ) -> None:
        """Send until nothing is left; the next batch is fetched while the last one is in flight."""
        batch = await connection.fetch(_FETCH, _BATCH)
        while batch:
            ids = [row["id"] for row in batch]
            faultpoints.reach(faultpoints.AFTER_COMMIT_BEFORE_SEND)
            sending = asyncio.create_task(asyncio.to_thread(self._send, producer, batch))
            try:
                following = await connection.fetch(_FETCH_NEXT, _BATCH, ids[0], ids[-1], len(ids))
            finally:
                refused = await sending  # also when the fetch failed: what is in flight must not be overtaken by a new session
            faultpoints.reach(faultpoints.AFTER_SEND_BEFORE_MARK)
            if refused:
                # What the others acknowledged is not sent again with each new try.
                batch = [
                    row
                    for row in batch
                    if (row["topic"], row["key"].encode(), row["value"]) not in refused
                ]
                ids = [row["id"] for row in batch]
            await connection.execute("delete from outbox where id = any($1::bigint[])", ids)
            self._count(batch)
            if refused:
                raise SendFailed(next(iter(refused.values())).name())
            self._heartbeat.beat()
            await self._measure(connection)
            batch = following or await connection.fetch(_FETCH, _BATCH)
        await self._measure(connection)

    def _send(self, producer: Producer, batch: "list[asyncpg.Record]") -> "dict[_Sent, KafkaError]":
        """Send the batch and wait until the broker has answered about every record; gives those it refused. Blocks, in a thread; raises SendFailed."""
        refused: dict[_Sent, KafkaError] = {}

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                refused[message.topic() or "", message.key(), message.value()] = error

        headers: dict[str, list[tuple[str, str | bytes | None]]] = {}
        for row in batch:
            content_type = row["content_type"]
            header = headers.setdefault(content_type, [("content-type", content_type.encode())])
            while True:
                try:
                    producer.produce(
                        row["topic"],
                        row["value"],
                        row["key"],
                        headers=header,
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        while producer.flush(5.0):
            self._heartbeat.struggle("the broker does not acknowledge")
            if self._stopping:
                raise SendFailed("stopped before the broker acknowledged")
        return refused

    def _count(self, batch: "list[asyncpg.Record]") -> None:
        for topic, number in Counter(row["topic"] for row in batch).items():
            self._metrics.relay_sent.labels(topic).inc(number)

    async def _measure(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """How much waits and since when, for the metrics; at most every two seconds."""
        if time.monotonic() - self._measured_at < _MEASURE_SECONDS:
            return
        self._measured_at = time.monotonic()
        row = await connection.fetchrow(_AGE)
        if row is not None:
            self._metrics.outbox_rows.set(row["rows"])
            self._metrics.outbox_age.set(row["age"])
