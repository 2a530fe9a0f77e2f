"""FastStream's part of a consumer: the broker's batch subscribers, one a lane.

Lanes are members of one consumer group in one process: while one waits for the database, another
decodes and applies. Each commits the offsets of what it has handled, and nobody else does.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    UnsupportedCodecError,
)
from faststream import BaseMiddleware
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.message import StreamMessage
from opentelemetry.trace import SpanKind

from brobyg_kit import faultpoints, kafka, tracing
from brobyg_kit.batches import Batches, Interrupted
from brobyg_kit.decoding import batch_decoder, parse_batch
from brobyg_kit.errors import InstanceReplaced, LaneFailed
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Received
from brobyg_kit.subscription import Subscription

log = get_logger(__name__)

#: How long a lane listens for records before it asks anew, milliseconds.
_LISTEN = 1_000
#: How long a subscriber that got no records sleeps before it listens again, milliseconds.
_SLEEP = 1
#: How long the broker holds back a fetch that finds no records, seconds: aiokafka's default.
_FETCH_WAIT = 0.5
#: So many bytes end a fetch before `Subscription.gather` is over.
_GATHERED = 65_536
#: How long nothing more is fetched while records that were fetched wait for a lane, seconds.
_KEEP_WAITING = 30.0
#: The heartbeat of a lane that has not asked for records for so long, seconds of wall time, stops.
#: It is more than FastStream's pause of five seconds after an error of the broker's.
_SILENCE = 15.0
#: How often a member sends its heartbeat to the group, milliseconds, and so how soon it learns of
#: a rebalance.
_HEARTBEAT = 300
#: How long a rebalance waits for a member that has a batch in hand, milliseconds. It is less than
#: the time a request may take, as joining the group is a request that waits for all members.
_REBALANCE = 30_000
#: A rebalance that takes longer, seconds of wall time, makes the process unready.
_REBALANCE_TOLD = 5.0
#: A lane that was out of its group for so long although a broker answers is started anew.
_OUT_LIMIT = 90.0


class Shutdown:
    """Whether a consumer has ended, and why. From then on nothing is handled or committed."""

    def __init__(self) -> None:
        """Not begun."""
        self._begun = asyncio.Event()
        self.error: Exception | None = None

    def begin(self, error: Exception | None = None) -> None:
        """End now, for the first reason given; without an error because it was stopped."""
        if not self._begun.is_set():
            self.error = error
            self._begun.set()

    def __bool__(self) -> bool:
        """Whether it has begun."""
        return self._begun.is_set()

    async def wait(self, timeout: float) -> None:
        """Return when it has begun, at the latest after `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._begun.wait()


class LaneClient(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's consumer as a lane needs it: it listens for long, and misses no partition."""

    #: When records were last asked for, by the monotonic clock. aiokafka's own idle time stays at
    #: zero once an error has ended a call.
    asked_at = -math.inf
    #: Why nothing more is read: the lane has to be started anew.
    failure: LaneFailed | None = None

    async def start(self) -> None:
        """Join the group.

        aiokafka has one fetch in flight. After 0.1 s it would send one without the partitions
        whose records are in hand: a record that comes there meanwhile then waits until the broker
        answers that fetch, half a second if there is nothing in it.
        """
        await super().start()
        self._fetcher._prefetch_backoff = _KEEP_WAITING  # aiokafka has no public name for it

    async def getmany(self, *partitions: TopicPartition, **limits: Any) -> Any:
        """Return the next records, or none after `_LISTEN`.

        FastStream sleeps for as long as it listened in vain, and hears nothing meanwhile; so it is
        told `_SLEEP`, and what it passes on as the time to listen is replaced.
        """
        self.asked_at = time.monotonic()
        if self.failure is None:
            try:
                return await super().getmany(*partitions, **limits | {"timeout_ms": _LISTEN})
            except (CorruptRecordException, UnsupportedCodecError) as error:
                # What it had taken from other partitions is gone with it, and FastStream would go
                # on behind that. A lane that begins anew reads it again.
                self.failure = LaneFailed(f"a record was not unpacked: {type(error).__name__}")
        await asyncio.sleep(_LISTEN / 1_000)
        return {}


async def start_broker(broker: KafkaBroker) -> None:
    """Start the broker and its subscribers, each on a `LaneClient`."""
    await broker.connect()
    config = broker.config.broker_config
    made_by = cast("partial[AIOKafkaConsumer]", config.builder)
    config.builder = partial(LaneClient, **made_by.keywords)
    await broker.start()


class Lane(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of the group: it handles the batches FastStream brings and commits offsets."""

    def __init__(
        self, batches: Batches, membership: "Membership | None", shutdown: Shutdown
    ) -> None:
        """`membership` is for a member with a name of its own."""
        self._batches, self._membership, self._shutdown = batches, membership, shutdown
        #: The id that the broker gave it when it last joined.
        self._member = ""
        self._in_hand, self._revoked = asyncio.Lock(), asyncio.Event()
        self._out_since = self._assigned_at = time.monotonic()
        self.subscriber: BatchSubscriber | None = None
        self.heartbeat = Heartbeat("lane", trouble="not in its group yet, so nothing is handled")
        #: The partitions assigned to it; None while it is out of the group.
        self.assigned: frozenset[TopicPartition] | None = None
        #: The group's committed offset in each of them.
        self.committed: dict[TopicPartition, int] = {}
        #: When records were last committed, by the monotonic clock.
        self.moved_at = time.monotonic()

    @property
    def client(self) -> "LaneClient":
        """The lane's own consumer, once the broker has started."""
        if self.subscriber is None or self.subscriber.consumer is None:
            raise RuntimeError("the lane was not started")
        return cast("LaneClient", self.subscriber.consumer)

    async def handle(self, batch: list[Received]) -> None:
        """FastStream's handler: handle or park all, then commit the offsets. Never raises."""
        async with self._in_hand:
            if self._shutdown:
                return
            try:
                await self._batches.until_done(
                    self.heartbeat, lambda blaming: self._process(batch, blaming), self._revoked
                )
                faultpoints.reach(faultpoints.AFTER_COMMIT_BEFORE_OFFSET)
                await self._commit(batch)
            except Interrupted:
                # After a rebalance the batch comes again, as its offsets are not committed.
                if not self._revoked.is_set():
                    self._shutdown.begin()
            except Exception as error:  # noqa: BLE001 - FastStream would log it and go on
                self._shutdown.begin(error)

    async def _process(self, batch: Sequence[Received], blaming: bool) -> None:
        await self._batches.process(batch, blaming=blaming, heartbeat=self.heartbeat)
        self.heartbeat.beat()

    async def _commit(self, batch: Sequence[Received]) -> None:
        """Commit exactly what was handled.

        A refusal is no loss: the records come again and the inbox drops them.
        """
        last: dict[tuple[str, int], int] = {}
        for one in batch:
            origin = one.origin
            last[origin.topic, origin.partition] = origin.offset
        positions = {TopicPartition(*place): offset + 1 for place, offset in last.items()}
        try:
            while not await self._committed(positions):
                self.heartbeat.struggle("no broker answers, so no offsets are committed")
                if self._shutdown or self._revoked.is_set():
                    return
        except (KafkaError, IllegalStateError) as error:
            log.warning("consumer.commit_refused", error=error)
            return
        self.committed.update(positions)
        self.moved_at = self._out_since = time.monotonic()

    async def _committed(self, positions: dict[TopicPartition, int]) -> bool:
        """Whether a broker has answered in time: aiokafka's commit goes on while none does."""
        try:
            async with asyncio.timeout(kafka.REQUEST_TIMEOUT):
                await self.client.commit(positions)
        except TimeoutError:
            return False
        return True

    def update_heartbeat(self) -> None:
        """Update the heartbeat, unless the batch in hand does."""
        if self._in_hand.locked():
            return
        out = time.monotonic() - self._out_since
        if self.assigned is not None:
            if time.monotonic() - max(self.client.asked_at, self._assigned_at) < _SILENCE:
                self.heartbeat.beat()
        elif out > _REBALANCE_TOLD or self.heartbeat.trouble:
            self.heartbeat.struggle("not in its group yet, so nothing is handled")
        else:
            self.heartbeat.beat()

    def failed(self, *, reachable: bool) -> Exception | None:
        """Why the lane has to be started anew, if it has; `reachable` is whether a broker is."""
        tasks = self.subscriber.tasks if self.subscriber else []
        if len(tasks) != 1 or tasks[0].done():
            return LaneFailed("the task that asks for records has ended")
        if self.client.failure is not None:
            return self.client.failure
        waits = self.assigned is None and not self._in_hand.locked()
        if not reachable or not waits:
            self._out_since = max(self._out_since, time.monotonic() - _REBALANCE_TOLD)
        if waits and time.monotonic() - self._out_since > _OUT_LIMIT:
            return LaneFailed(f"not in its group for {_OUT_LIMIT:.0f} s")
        return None

    async def replaced(self, *, refused: bool) -> bool:
        """Whether another process has joined under the lane's name while it is out of the group.

        For a lane that asked to join with the id it had, and also for one that had none yet where
        the group has `refused` it: the broker does so with an error that aiokafka does not know.
        """
        if self._membership is None or self.assigned is not None or self.subscriber is None:
            return False
        client = self.subscriber.consumer
        if client is None or client._coordinator is None:
            return False
        member: str = client._coordinator.member_id
        return bool(member or refused) and await self._membership.replaced(member)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Release the partitions when the batch in hand is done: the first part of a rebalance.

        A batch that waits for the database is left to the next owner of its partition.
        """
        if revoked:
            faultpoints.reach(faultpoints.IN_REBALANCE)
        self.assigned, self._out_since = None, time.monotonic()
        self._revoked.set()
        async with self._in_hand:
            pass
        if revoked:
            log.info("consumer.revoked", partitions=len(revoked))
        if self._membership and self._member and await self._membership.replaced(self._member):
            self._shutdown.begin(InstanceReplaced("another process has joined under its name"))
            # Ends aiokafka's coordination, which would now join again and replace the other.
            raise asyncio.CancelledError

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """In the group; perhaps without a partition, when there are more lanes than partitions."""
        log.info("consumer.assigned", partitions=len(assigned))
        self._member = self.client._coordinator.member_id  # no public name either
        self._revoked.clear()
        self.committed = await self._positions(assigned)
        self.assigned = frozenset(assigned)
        self.moved_at = self._assigned_at = time.monotonic()
        self.heartbeat.beat()

    async def _positions(self, assigned: set[TopicPartition]) -> dict[TopicPartition, int]:
        """Where reading begins in each; empty when the broker does not say so in five seconds."""
        wanted = sorted(assigned)
        try:
            async with asyncio.timeout(5.0):
                found = await asyncio.gather(*(self.client.position(one) for one in wanted))
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.warning("consumer.offsets_unknown", error=error)
            return {}
        return dict(zip(wanted, found, strict=True))


class Membership:
    """A member's name in its group (`group.instance.id`), which another process may take over."""

    def __init__(self, address: str, group: str, instance: str) -> None:
        """Nothing is asked yet."""
        self._address, self._group = address, group
        self._id = re.compile(f"{re.escape(instance)}-[0-9a-f-]{{36}}")

    async def replaced(self, member: str) -> bool:
        """Whether the group has a member of this name with another id than `member`.

        A replaced member is only told that its id is not known, as is one that was away for too
        long. Ids begin with the name, so the group's list of members tells the two apart. False
        when the broker does not answer.
        """
        try:
            async with kafka.admin(self._address) as admin:
                [response] = await admin.describe_consumer_groups([self._group])
        except KafkaError as error:
            log.warning("consumer.members_unknown", error=error)
            return False
        ids = {one[0] for group in response.groups for one in group[5]}
        return any(self._id.fullmatch(one) and one != member for one in ids)


def lanes(
    broker: KafkaBroker,
    address: str,
    subscription: Subscription,
    batches: Batches,
    number: int,
    shutdown: Shutdown,
) -> list[Lane]:
    """Register `number` lanes with the broker, which starts and stops them."""
    made = []
    for position in range(number):
        instance = subscription.member(position)
        membership = Membership(address, subscription.group, instance) if instance else None
        lane = Lane(batches, membership, shutdown)
        lane.subscriber = broker.subscriber(
            *subscription.topics,
            group_id=subscription.group,
            group_instance_id=instance,
            batch=True,
            max_records=subscription.max_batch,
            batch_timeout_ms=_SLEEP,
            fetch_min_bytes=_GATHERED if subscription.gather else 1,
            fetch_max_wait_ms=int(1_000 * (subscription.gather or _FETCH_WAIT)),
            auto_offset_reset="earliest",
            listener=lane,
            parser=parse_batch,
            decoder=batch_decoder(subscription),
            heartbeat_interval_ms=_HEARTBEAT,
            rebalance_timeout_ms=_REBALANCE,
        )
        lane.subscriber(lane.handle)
        made.append(lane)
    return made


class BatchMiddleware(BaseMiddleware[Any, Any]):
    """Around each batch: a span linked to its events' traces, its metrics, and a guard.

    If the handler raised, which it must not, FastStream would drop the batch and the next batch's
    commit would skip it. So that ends the consumer.
    """

    def __init__(
        self, msg: Any, *, context: Any, service: str, metrics: Metrics, shutdown: Shutdown
    ) -> None:
        """One for each batch, made by FastStream."""
        super().__init__(msg, context=context)
        self._service, self._metrics, self._shutdown = service, metrics, shutdown

    async def consume_scope(
        self, call_next: Callable[[Any], Any], msg: StreamMessage[Any]
    ) -> object:
        """Handle the batch within its span."""
        batch = await msg.decode() or []
        began = time.perf_counter()
        links = tracing.links([one.event.traceparent for one in batch[:32]])
        with tracing.span(f"{self._service} process", SpanKind.CONSUMER, links=links) as span:
            span.set_attribute("messaging.batch.message_count", len(batch))
            done: object = await call_next(msg)
        self._metrics.batch_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_events.observe(len(batch))
        return done

    async def after_processed(
        self,
        _kind: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        _trace: TracebackType | None = None,
    ) -> bool | None:
        """End the consumer when something was raised."""
        if isinstance(exc_val, Exception):
            self._shutdown.begin(exc_val)
        return False
