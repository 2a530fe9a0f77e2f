"""FastStream's and aiokafka's traps, each avoided: on the real broker but for the wiring."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException
from brobyg_kit import kafka as clients
from brobyg_kit import subscribers
from brobyg_kit.batches import Batches
from brobyg_kit.clock import WallClock
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Database, Transaction
from brobyg_kit.errors import LaneFailed
from brobyg_kit.event import Event
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Parking, Received
from brobyg_kit.subscribers import BatchMiddleware, Lane, LaneClient, Shutdown
from brobyg_kit.testing import eventually
from delivery_parts import Parts, by_way, committed, going, has_effects, record
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, TestKafkaBroker


class Held:
    """A handler whose batches wait until they are released, once they are counted as begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.release = asyncio.Event()

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        self.begun += 1
        await self.release.wait()
        await record(tx, events)

    async def has_begun(self, batches: int = 1) -> None:
        async def there() -> bool:
            return self.begun >= batches

        await eventually(there, f"{batches} batches are in hand")


def wired() -> tuple[KafkaBroker, Lane, Shutdown, Metrics]:
    """A broker with one lane that nothing is connected to."""

    async def nothing(*_: object) -> None:
        """No effect."""

    shutdown, metrics = Shutdown(), Metrics()
    subscription = Subscription("test", ["a.topic", "another.topic"], nothing)
    database = Database("postgresql://nobody@127.0.0.1:1/none", WallClock(), "test")
    broker = clients.broker(
        "127.0.0.1:1",
        "test",
        consumer_only=True,
        middlewares=[
            lambda msg, context: BatchMiddleware(
                msg, context=context, service="test", metrics=metrics, shutdown=shutdown
            )
        ],
    )
    batches = Batches(database, subscription, metrics)
    [lane] = subscribers.lanes(broker, "127.0.0.1:1", subscription, batches, 1, shutdown)
    return broker, lane, shutdown, metrics


async def test_what_is_published_comes_to_the_lane_as_events_with_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[Received] = []

    async def take(_: Lane, batch: list[Received]) -> None:
        taken.extend(batch)

    monkeypatch.setattr(Lane, "handle", take)
    broker, _, shutdown, metrics = wired()
    async with TestKafkaBroker(broker) as wire:
        await wire.publish(b'{"id": 1}', "a.topic", key=b"k")
        await wire.publish(b"17", "another.topic", key=b"k")
    assert [one.origin.topic for one in taken] == ["a.topic", "another.topic"]
    assert all(one.error is not None for one in taken), "neither is an event, nor a number"
    assert metrics.registry.get_sample_value("brobyg_batch_events_sum") == 2
    assert not shutdown


async def test_what_gets_past_the_handler_ends_the_consumer_before_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FastStream drops the batch and goes on; the next one's offsets would pass it."""

    async def break_down(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Lane, "handle", break_down)
    broker, _, shutdown, _ = wired()
    async with TestKafkaBroker(broker) as wire:
        with pytest.raises(ZeroDivisionError):  # the test broker raises it, the real one does not
            await wire.publish(b"{}", "a.topic", key=b"k")
    assert isinstance(shutdown.error, ZeroDivisionError)


def test_acknowledgement_is_by_hand_and_offsets_are_committed_by_nobody_else() -> None:
    broker, lane, _, _ = wired()
    assert lane.subscriber is not None
    assert lane.subscriber.ack_policy is AckPolicy.MANUAL
    assert lane.subscriber._connection_args["enable_auto_commit"] is False
    assert lane.subscriber._connection_args["auto_offset_reset"] == "earliest"
    assert broker.config.graceful_timeout
    assert broker.config.broker_config.allow_auto_create_topics is False


async def test_a_direct_publish_is_idempotent_and_acknowledged_by_all(kafka: str) -> None:
    broker = clients.broker(kafka, "test")
    assert broker._connection_kwargs["enable_idempotence"] is True
    assert broker._connection_kwargs["acks"] == "all"


async def test_a_batch_in_hand_at_a_stop_is_finished_and_its_offsets_committed(
    parts: Parts,
) -> None:
    held = Held()
    await parts.emit(range(10))
    consumer = parts.consumer(held.handle, lanes=1)
    async with going(parts.relay()):
        running = asyncio.create_task(consumer.run())
        await held.has_begun()
        assert await committed(parts) == 0
        consumer.stop()
        held.release.set()
        await running
    handled = len(await parts.recorded())
    assert await committed(parts) == handled > 0


async def test_offsets_are_those_of_what_was_handled_though_more_was_fetched(parts: Parts) -> None:
    held = Held()
    await parts.emit(range(30))
    async with going(parts.relay()):
        await parts.sent_all()
    consumer = parts.consumer(held.handle, lanes=1, max_batch=5)
    async with going(consumer):
        await held.has_begun()
        held.release.set()
        await has_effects(parts, 30)
        assert await committed(parts) in range(25, 31)
    assert await committed(parts) == 30


class LongFetches(LaneClient):
    """A lane's client whose fetches the broker holds back for longer than any test waits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"fetch_max_wait_ms": 35_000})


@pytest.mark.parametrize("kept", [True, False])
async def test_no_fetch_leaves_out_a_partition_because_none_is_sent_while_its_records_wait(
    parts: Parts, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that comes during such a fetch waits until the broker answers it."""
    monkeypatch.setattr(subscribers, "LaneClient", LongFetches)
    if not kept:
        monkeypatch.setattr(subscribers, "_KEEP_WAITING", 0.1)  # as aiokafka has it
    held = Held()
    consumer = parts.consumer(held.handle, lanes=1)
    made = await running_lane(consumer, monkeypatch)
    await parts.emit([1])
    async with going(parts.relay(), consumer):
        await held.has_begun()
        await parts.emit([2])
        fetcher = made[0].client._fetcher

        async def waits() -> bool:
            return bool(fetcher._records) and (kept or bool(fetcher._in_flight))

        await eventually(waits, "the second is fetched and waits; without the rule a fetch goes on")
        [waiting] = fetcher._records.values()
        assert waiting._backoff == subscribers._KEEP_WAITING, "aiokafka has taken the rule"
        held.release.set()
        await has_effects(parts, 2)
        if kept:
            await parts.emit([3])
            await has_effects(parts, 3)


async def test_what_is_no_event_is_parked_with_its_place_and_takes_no_other_down(
    parts: Parts,
) -> None:
    """A body that FastStream would take for a number, headers it can not decode, no body at all."""
    producer = clients.batch_producer(parts.kafka, "somebody-else")
    await producer.start()
    undecodable = [("content-type", b"\xff"), ("reply_to", None)]
    for key, value, headers in ((b"1", b"17", []), (b"2", b"{}", undecodable), (b"3", None, [])):
        await producer.send_and_wait(parts.topic, value, key, partition=0, headers=headers)
    await producer.stop()
    await parts.emit([1], subjects=2)

    async def dead() -> bool:
        return [one.state for one in await Parking("test").listed(parts.database)] == ["dead"] * 3

    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)
        await eventually(dead, "all three are parked")
    parked = await Parking("test").listed(parts.database)
    assert [one.origin.offset for one in parked] == [0, 1, 2]


@pytest.mark.parametrize("waits", [True, False])
async def test_partitions_are_given_up_when_the_batch_in_hand_is_done_because_the_lane_waits(
    parts: Parts, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not waits:

        async def at_once(lane: Lane, _: set[TopicPartition]) -> None:
            lane.assigned = None

        monkeypatch.setattr(Lane, "on_partitions_revoked", at_once)
    first, second = Held(), Held()
    second.release.set()
    await parts.emit(range(60), subjects=60)
    async with going(parts.relay()):
        await parts.sent_all()
    earlier = parts.consumer(first.handle, lanes=1)
    later = parts.consumer(second.handle, lanes=1)
    async with going(earlier):
        await first.has_begun()

        async def joined() -> bool:
            return not later._heartbeat.trouble or second.begun > 0

        async with going(later):
            if waits:
                with pytest.raises(AssertionError):
                    await eventually(joined, "the later one has partitions", timeout=3)
            else:
                await eventually(joined, "the later one has partitions")
            first.release.set()
            await has_effects(parts, 60)
            await eventually(joined, "the later one has partitions")
    assert len(await parts.recorded()) == 60
    if waits:
        assert second.begun == 0, "what was in hand came to nobody else"


async def test_a_batch_that_waits_for_the_database_does_not_hold_up_a_rebalance(
    parts: Parts,
) -> None:
    """Whoever gets its partition may reach the database."""
    await parts.emit(range(30), subjects=30)
    async with going(parts.relay()):
        await parts.sent_all()
    async with by_way(parts) as (away, way):
        earlier = away.consumer(record, lanes=1)

        async def waits() -> bool:
            return "the database can't be used" in earlier._heartbeat.trouble

        way.close()
        async with going(earlier):
            await eventually(waits, "the earlier one has a batch that waits")
            async with going(parts.consumer(record, lanes=1)):
                await eventually(lambda: some(parts), "the later one handles", timeout=10)
            await way.open()
            await has_effects(parts, 30)
    assert sorted(number for _, number in await parts.recorded()) == list(range(30))


async def some(parts: Parts) -> bool:
    return bool(await parts.recorded())


async def test_a_commit_that_comes_after_the_group_went_on_without_it_is_no_failure(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "_REBALANCE", 500)
    first, second = Held(), Held()
    second.release.set()
    await parts.emit(range(60), subjects=60)
    async with going(parts.relay()):
        await parts.sent_all()
    earlier = parts.consumer(first.handle, lanes=1)
    later = parts.consumer(second.handle, lanes=1)

    async def assigned() -> bool:
        return not later._heartbeat.trouble

    async with going(earlier):
        await first.has_begun()
        async with going(later):
            await eventually(assigned, "the group has gone on without the earlier one")
            first.release.set()  # the later one's inbox rows wait for those of the earlier
            await has_effects(parts, 60)
            await parts.emit(range(60, 90), subjects=30)
            async with going(parts.relay()):
                await has_effects(parts, 90)
    assert sorted(number for _, number in await parts.recorded()) == list(range(90))


async def running_lane(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> list[Lane]:
    """The lanes that the consumer makes, filled when it does."""
    made: list[Lane] = []
    make = Lane.__init__

    def noted(lane: Lane, *arguments: object) -> None:
        made.append(lane)
        make(lane, *arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(Lane, "__init__", noted)
    return made


async def test_a_consume_task_that_has_died_ends_the_consumer_so_that_it_is_started_anew(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = parts.consumer(record, lanes=1)
    made = await running_lane(consumer, monkeypatch)
    await parts.emit([1])
    async with going(parts.relay()):
        running = asyncio.create_task(consumer.run())
        await has_effects(parts, 1)
        assert made[0].subscriber is not None
        made[0].subscriber.tasks[0].cancel()
        with pytest.raises(LaneFailed):
            await asyncio.wait_for(running, 20)


async def test_what_was_taken_with_a_record_that_is_not_unpacked_comes_again(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka loses it, and the next batch's offsets would pass it."""
    getmany, corrupt = AIOKafkaConsumer.getmany, [True]

    async def losing(client: AIOKafkaConsumer, *partitions: Any, **limits: Any) -> Any:
        taken = await getmany(client, *partitions, **limits)
        if taken and corrupt:
            corrupt.clear()
            raise CorruptRecordException("not unpacked")
        return taken

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", losing)
    await parts.emit(range(5))
    async with going(parts.relay()):
        await parts.sent_all()
        with pytest.raises(LaneFailed, match="CorruptRecord"):
            await parts.consumer(record, lanes=1).run()
        async with going(parts.consumer(record, lanes=1)):
            await has_effects(parts, 5)


async def test_a_consume_task_that_hangs_gives_no_sign_of_life(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "_SILENCE", 0.5)
    consumer = parts.consumer(record, lanes=1)
    made = await running_lane(consumer, monkeypatch)
    await parts.emit([1])
    async with going(parts.relay(), consumer):
        await has_effects(parts, 1)
        lively = consumer._heartbeat

        async def beats() -> bool:
            return not lively.trouble and asyncio.get_running_loop().time() - lively.beaten_at < 0.6

        await eventually(beats, "the idle consumer shows that it lives")
        hang = asyncio.Event()

        async def hanging(*_: object, **__: object) -> dict[object, object]:
            await hang.wait()
            return {}

        monkeypatch.setattr(made[0].client, "getmany", hanging)

        async def silent() -> bool:
            return asyncio.get_running_loop().time() - lively.beaten_at > 1.5

        await eventually(silent, "no sign of life")
        hang.set()


async def test_a_handler_that_hangs_gives_no_sign_of_life(parts: Parts) -> None:
    held = Held()
    consumer = parts.consumer(held.handle, lanes=1)
    await parts.emit([1])
    async with going(parts.relay(), consumer):
        await held.has_begun()

        async def silent() -> bool:
            return asyncio.get_running_loop().time() - consumer._heartbeat.beaten_at > 1.5

        await eventually(silent, "no sign of life")
        held.release.set()


async def test_a_topic_that_does_not_exist_is_not_made(
    kafka: str, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = Subscription("test", ["no.such.topic"], record)
    consumer = Consumer(
        kafka, parts.database, subscription, Metrics(), parts.consumer(record)._heartbeat
    )

    async def refused() -> bool:
        return "Topic no.such.topic not found" in caplog.text

    async with going(consumer):
        await eventually(refused, "the broker has answered that there is no such topic")
    async with clients.admin(kafka) as admin:
        assert "no.such.topic" not in await admin.list_topics()
