"""Consuming: what is there is a batch, its effects a transaction (or a few, side by side for partitions apart), then the offsets.

The order is the promise. Effects, inbox rows and outbox rows commit together; offsets follow. A crash in between brings the batch again and
the inbox drops it: one effect per event id. librdkafka changes the assignment only inside poll and consume, which are not called while a
batch is handled. A partition may be taken away between the poll for the first record and the taking of the rest; the inbox makes that safe.
"""

import asyncio
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import msgspec
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from opentelemetry.trace import SpanKind

from brobyg_kit import faultpoints, kafka, tracing
from brobyg_kit.database import Database, Transaction, array_literal
from brobyg_kit.database_errors import is_transient
from brobyg_kit.event import Event, UndecodableEvent, decode, storable
from brobyg_kit.health import Heartbeat
from brobyg_kit.ids import derived_id
from brobyg_kit.lag import Lag
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Parked, Parking, Received

log = get_logger(__name__)

#: All effects or none: the handler writes through the transaction and raises to have everything undone.
BatchHandler = Callable[[Transaction, Sequence[Event]], Awaitable[None]]
#: Makes an event of a record that is not one of ours: key and value in, event out. Raises UndecodableEvent.
Decoder = Callable[[Origin, bytes | None, bytes], Event]

_POLL_SECONDS = 1.0
#: Seconds of wall time before an error that looks like the database's, while it answers, is looked for in the events themselves.
_PATIENCE = 30.0
#: Transactions side by side. One process has one processor, so two would do, did not both so often wait for the database at the same time.
_LANES = 4
#: Batches of a lane in one round, one after the other: at a round's end, where the offsets go, the lanes wait for the last of them.
_TURNS = 4
#: Below this many events a second transaction costs more than it saves.
_WORTH_LANES = 400
_INBOX = "insert into inbox (event_id) select unnest($1::text::uuid[])"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service consumes and what it does with it."""

    service: str
    topics: Sequence[str]
    handle: BatchHandler
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    max_batch: int = 2_000
    inbox: bool = True
    #: Kafka's `group.instance.id`: who comes back under this name takes over from who died under it. Empty for none.
    instance: str = ""

    @property
    def group(self) -> str:
        """The consumer group, `brobyg-<service>`."""
        return f"brobyg-{self.service}"

    @property
    def membership(self) -> dict[str, str]:
        """Kafka's setting for a member with a name, which stands for what it subscribes to as well: the broker gives who comes back what it had
        before, without looking whether it now asks for more.
        """
        if not self.instance:
            return {}
        return {"group.instance.id": f"{self.instance}-{derived_id(*sorted(self.topics))[:8]}"}


class Superseded(RuntimeError):
    """The broker has given this process's place in the group to another of the same name."""


class Consumer:
    """One process's part in a service's consumer group."""

    def __init__(
        self,
        address: str,
        database: Database,
        subscription: Subscription,
        metrics: Metrics,
        heartbeat: Heartbeat,
    ) -> None:
        """Nothing is connected before `run`."""
        self._address, self._database, self._subscription = address, database, subscription
        self._metrics, self._heartbeat = metrics, heartbeat
        self._parking = Parking(subscription.service)
        self._stopping = self._joined = self._away = False
        self._lag = Lag(subscription.topics, metrics)
        self._retried_at = 0.0

    def stop(self) -> None:
        """End `run` after the batch in hand."""
        self._stopping = True

    async def run(self) -> None:
        """Consume until stopped. Trouble with broker or database is waited out, nothing is skipped.

        Ends too when another process has come under the same name (`Subscription.instance`): of the two the later goes on.
        """
        self._joined = self._away = False
        client = kafka.consumer(
            self._address,
            self._subscription.group,
            error_cb=self._on_error,
            **self._subscription.membership,
        )
        client.subscribe(
            list(self._subscription.topics),
            on_assign=self._assigned,
            on_revoke=_revoked,
            on_lost=self._lost,
        )
        try:
            while not self._stopping:
                await self._round(client)
        except Superseded as error:
            log.error("consumer.superseded", error=error)
            self._heartbeat.struggle(
                "another process has come under its name (BROBYG_INSTANCE): end one of the two"
            )
        finally:
            await asyncio.to_thread(client.close)

    async def _round(self, client: KafkaConsumer) -> None:
        messages = await asyncio.to_thread(self._take, client)
        if messages:
            await self._until_done(client, lambda blaming: self._side_by_side(messages, blaming))
            faultpoints.reach(faultpoints.AFTER_COMMIT_BEFORE_OFFSET)
            self._lag.move(await asyncio.to_thread(_commit, client, messages))
        if self._stopping:
            return
        await self._until_done(client, self._retry_parked)
        if self._away:
            self._away = not await asyncio.to_thread(_answers, client)
        self._lag.measure(client, joined=self._joined)

    def _take(self, client: KafkaConsumer) -> list[Message]:
        """What is there, at once; or the first to come within a second. (librdkafka's own batch call waits for the full batch.)"""
        first = client.poll(_POLL_SECONDS)
        if first is None:
            self._beat()
            return []
        messages = [first, *client.consume(_LANES * _TURNS * self._subscription.max_batch - 1, 0)]
        errors = [error for message in messages if (error := message.error())]
        if any(error.code() == KafkaError._FATAL for error in errors):
            raise Superseded  # fatal to this client, which is of no more use; with a name it means that the broker gave its place away
        if errors:
            self._heartbeat.struggle(f"{errors[0].name()}")
            log.warning("consumer.broker_trouble", code=errors[0].name())
        else:
            self._beat()
        return [message for message in messages if not message.error()] if errors else messages

    def _beat(self) -> None:
        if self._away:
            self._heartbeat.struggle("no broker answers")
        elif not self._joined:
            self._heartbeat.struggle("not in its group yet, so nothing is handled")
        elif stalled := self._lag.stalled():
            self._heartbeat.struggle(stalled)
        else:
            self._heartbeat.beat()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._away = True

    def _assigned(self, client: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        """In the group; perhaps without a partition, when there are more processes than partitions. Called inside poll, in its thread."""
        self._joined = True
        self._lag.begin(_committed(client, partitions))
        log.info("consumer.assigned", partitions=len(partitions))

    def _lost(self, _: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._joined = False
        log.warning("consumer.lost", partitions=len(partitions))

    def _read(self, message: Message) -> Received:
        origin = Origin(message.topic() or "", message.partition() or 0, message.offset() or 0)
        return _received(
            self._subscription, origin, _bytes(message.key()), _bytes(message.value()) or b""
        )

    async def _until_done(
        self, client: KafkaConsumer, work: Callable[[bool], Awaitable[None]]
    ) -> None:
        """Do it; when the database is in the way, again after a pause. `work` is told whether to blame an event for what may be its doing:
        when it has gone on for longer than the patience and the database answers.
        """
        began, pause, blaming = time.monotonic(), 0.1, False
        while True:
            try:
                await work(blaming)
                return
            except Exception as error:
                if not is_transient(error):
                    raise
                self._metrics.consumer_retries.inc()
                self._heartbeat.struggle(f"{type(error).__name__}")
                log.warning("consumer.retrying", error=error, retry_seconds=pause)
            self._lag.measure(client, joined=self._joined)
            if self._stopping:
                raise asyncio.CancelledError
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
            blaming = time.monotonic() - began >= _PATIENCE and await self._database.answers()

    async def _side_by_side(self, messages: Sequence[Message], blaming: bool) -> None:
        """Handle them lane by lane: while one lane's transaction waits for the database, another's events are read and applied.

        What one lane has committed stays when another is in trouble, and is not done twice when all are tried again.
        """
        lanes = _lanes(messages)
        for failure in await asyncio.gather(
            *(self._in_parts(lane, blaming) for lane in lanes), return_exceptions=True
        ):
            if failure is not None:
                raise failure

    async def _in_parts(self, messages: Sequence[Message], blaming: bool) -> None:
        size = self._subscription.max_batch
        for first in range(0, len(messages), size):
            await self.process(
                [self._read(one) for one in messages[first : first + size]], blaming=blaming
            )
            self._beat()

    async def process(self, received: Sequence[Received], *, blaming: bool = False) -> None:
        """Handle these in one transaction; halve them when that fails, down to the one to blame, which is parked.

        Raises what `is_transient` when the database is in the way; what was committed by then stays and is not done twice. With `blaming`,
        such an error too is laid at an event's door while the database answers: a statement that can never end in time would else be tried
        for ever.
        """
        if not received:
            return
        try:
            await self._in_one_transaction(received)
        except Exception as error:
            if not await self._is_the_events(error, blaming):
                raise
            if len(received) > 1:
                middle = len(received) // 2
                await self.process(received[:middle], blaming=blaming)
                await self.process(received[middle:], blaming=blaming)
                return
            log.error(
                "event.parked",
                error=error,
                origin=str(received[0].origin),
                type=received[0].event.type,
            )
            async with self._database.transaction() as tx:
                await self._parking.park(
                    tx, received[0], error, permanent=isinstance(error, UndecodableEvent)
                )

    async def _is_the_events(self, error: Exception, blaming: bool) -> bool:
        """Whether `error` is an event's doing and not trouble with the database, which would park the innocent."""
        return not is_transient(error) or (blaming and await self._database.answers())

    async def _in_one_transaction(self, received: Sequence[Received]) -> None:
        began = time.perf_counter()
        links = tracing.links([one.event.traceparent for one in received[:32]])
        with tracing.span(
            f"{self._subscription.service} process", SpanKind.CONSUMER, links=links
        ) as span:
            span.set_attribute("messaging.batch.message_count", len(received))
            async with self._database.transaction() as tx:
                events = await self._fresh(tx, received)
                if events:
                    await self._subscription.handle(tx, events)
        self._metrics.batch_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_events.observe(len(received))
        self._metrics.events_repeated.inc(len(received) - len(events))
        for kind, number in Counter([event.type for event in events]).items():
            self._metrics.events_handled.labels(kind).inc(number)

    async def _fresh(self, tx: Transaction, received: Sequence[Received]) -> list[Event]:
        """Those that are neither done before nor have to wait behind a parked one, in order."""
        held = await self._parking.held(tx, list({one.event.subject for one in received}))
        if held:
            await self._parking.wait_behind(
                tx, [one for one in received if one.event.subject in held]
            )
            received = [one for one in received if one.event.subject not in held]
        if self._subscription.inbox:
            received = await self._new(tx, received)
        events = [one.event for one in received]
        if _UNDECODABLE in [event.type for event in events]:
            for one in received:
                _insist_on_event(one)
        return events

    async def _new(self, tx: Transaction, received: Sequence[Received]) -> Sequence[Received]:
        """Those whose id is not in the inbox yet; now it is. As a rule all are new: to be ready for a repeat in each row costs PostgreSQL twice the work."""
        ids = array_literal([one.event.id for one in received])
        try:
            async with tx.driver.transaction():
                await tx.driver.execute(_INBOX, ids)
            return received
        except asyncpg.UniqueViolationError:
            rows = await tx.driver.fetch(f"{_INBOX} on conflict do nothing returning event_id", ids)
        new, fresh = {row["event_id"] for row in rows}, []
        for one in received:
            if (event_id := uuid.UUID(one.event.id)) in new:
                new.discard(event_id)  # the same event twice in one batch
                fresh.append(one)
        return fresh

    async def _retry_parked(self, blaming: bool) -> None:
        if time.monotonic() - self._retried_at < _POLL_SECONDS / 2:
            return
        began = time.monotonic()
        # A second at a time, so that a thousand events behind a replayed one do not hold up those of everybody else.
        while time.monotonic() - began < 1.0 and await self._retry_one(blaming):
            self._beat()
        self._retried_at = time.monotonic()

    async def _retry_one(self, blaming: bool) -> bool:
        """Try one parked event whose pause is over; True when there was one."""
        parked = failure = None
        try:
            async with self._database.transaction() as tx:
                parked = await self._parking.due(tx)
                if parked is None:
                    return False
                failure = await self._try_again(tx, parked)
        except Exception as error:
            if parked is None or not await self._is_the_events(error, blaming):
                raise
            failure = error
            async with self._database.transaction() as tx:
                await self._parking.failed(tx, parked, error)
        log.info(
            "event.retried", origin=str(parked.origin), succeeded=failure is None, error=failure
        )
        return True

    async def _try_again(self, tx: Transaction, parked: Parked) -> Exception | None:
        """Handle it and forget it, or note why not, which is also given back. Raises what `is_transient`."""
        try:
            received = await asyncio.to_thread(self._fetch, parked.origin)
        except (TimeoutError, KafkaException) as error:
            await self._parking.put_off(tx, parked)
            return error
        except kafka.RecordGone as error:
            await self._parking.failed(tx, parked, error, permanent=True)
            return error
        try:
            async with tx.savepoint() as attempt:
                await self._handle_again(attempt, received)
        except Exception as error:
            if is_transient(error):
                raise
            await self._parking.failed(
                tx, parked, error, permanent=isinstance(error, UndecodableEvent)
            )
            return error
        await self._parking.handled(tx, parked)
        return None

    def _fetch(self, origin: Origin) -> Received:
        key, value = kafka.fetch_record(
            self._address, origin.topic, origin.partition, origin.offset
        )
        return _received(self._subscription, origin, key, value)

    async def _handle_again(self, tx: Transaction, received: Received) -> None:
        _insist_on_event(received)
        if not self._subscription.inbox or await self._new(tx, [received]):
            await self._subscription.handle(tx, [received.event])


_UNDECODABLE = "undecodable"
_HEX = "[0-9a-fA-F]"  # spelt out: to ignore case costs twice the time, and each event is looked at
_IS_UUID = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}").fullmatch


def _lanes(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """The same in lanes of about equal length, each in order; a partition is in one lane, as it would be in one of several processes."""
    if len(messages) < _WORTH_LANES:
        return [messages]
    partitions = [message.partition() for message in messages]
    lane_of: dict[int | None, int] = {}
    filled = [0] * _LANES
    for partition, size in Counter(partitions).most_common():
        lane = lane_of[partition] = filled.index(min(filled))
        filled[lane] += size
    lanes: list[list[Message]] = [[] for _ in filled]
    for partition, message in zip(partitions, messages, strict=True):
        lanes[lane_of[partition]].append(message)
    return [lane for lane in lanes if lane]


def _received(
    subscription: Subscription, origin: Origin, key: bytes | None, value: bytes
) -> Received:
    """The record as an event; one that can't be read becomes a placeholder, which is parked when its turn comes."""
    decoder = subscription.decoders.get(origin.topic)
    try:
        event = decoder(origin, key, value) if decoder else decode(value)
    except ValueError:  # UndecodableEvent is one
        return Received(_placeholder(origin, key), origin)
    return Received(event if _IS_UUID(event.id) else _placeholder(origin, key), origin)


def _insist_on_event(received: Received) -> None:
    if received.event.type == _UNDECODABLE:
        raise UndecodableEvent(f"{received.origin} is no event")


def _placeholder(origin: Origin, key: bytes | None) -> Event:
    subject = key.decode(errors="replace") if key and origin.topic.startswith("brobyg.") else ""
    event_id = derived_id(origin.topic, str(origin.partition), str(origin.offset))
    return Event(
        id=event_id,
        source=origin.topic,
        type=_UNDECODABLE,
        subject=subject if subject and storable(subject) else derived_id("key", repr(key)),
        time=datetime.fromtimestamp(0, UTC),
        dataschema="",
        correlationid=event_id,
        sequence=0,
        data=msgspec.Raw(b"null"),
    )


def _bytes(value: object) -> bytes | None:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None


def _revoked(_: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    faultpoints.reach(faultpoints.IN_REBALANCE)
    log.info("consumer.revoked", partitions=len(partitions))


def _committed(client: KafkaConsumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Where the group stopped in these; empty when the broker does not say so in time. Blocks up to five seconds."""
    try:
        return client.committed(partitions, timeout=5.0) if partitions else []
    except KafkaException as error:
        log.warning("consumer.offsets_unknown", error=error)
        return []


def _answers(client: KafkaConsumer) -> bool:
    """Whether a broker answers within a second. Blocks as long."""
    try:
        client.list_topics("no-such-topic", timeout=1.0)
    except KafkaException:
        return False
    return True


def _commit(client: KafkaConsumer, messages: Sequence[Message]) -> list[TopicPartition]:
    """Commit exactly what was handled, and give back how far. A refusal is no loss: the records come again and the inbox drops them."""
    positions: dict[tuple[str, int], int] = {}
    for message in messages:
        positions[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
    offsets = [
        TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()
    ]
    try:
        client.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        log.warning("consumer.commit_refused", error=error)
        return []
    return offsets
