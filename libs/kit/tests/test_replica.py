"""Copies of compacted topics: the table, the view in memory, and the way from the broker."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import msgspec
import pytest
from brobyg_kit.batches import Batches
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Transaction
from brobyg_kit.decoding import read
from brobyg_kit.event import TOMBSTONE, Event, EventData, UndecodableEvent, encode
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Received
from brobyg_kit.replica import Copies, Copy, Replica, Watch
from brobyg_kit.testing import eventually
from brobyg_kit.topics import Topic, apply_topics
from compacted_things import SUBSCRIPTION, TOPIC, ThingRecorded, event_of, record_of
from delivery_parts import Parts, going


def by_name(records: Iterable[EventData]) -> dict[str, int]:
    return {one.name: one.number for one in records if isinstance(one, ThingRecorded)}


THINGS = Copy(TOPIC, {ThingRecorded.EVENT_TYPE: ThingRecorded}, by_name)


async def kept(parts: Parts, copies: Copies, *received: Received) -> None:
    async with parts.database.transaction() as tx:
        await copies.keep(tx, received)


ViewT = TypeVar("ViewT")


async def viewed(parts: Parts, things: Replica[ViewT]) -> ViewT:
    async with parts.database.transaction() as tx:
        return await things.get(tx)


@asynccontextmanager
async def watched(parts: Parts, *replicas: Replica[dict[str, int]]) -> AsyncIterator[Heartbeat]:
    beat = Heartbeat("replicas")
    watch = Watch(parts.database, replicas, beat)
    task = asyncio.create_task(watch.run())
    try:

        async def fresh() -> bool:
            return not any(one.is_stale for one in replicas)

        await eventually(fresh, "the replicas are read")
        yield beat
    finally:
        watch.stop()
        await task


async def test_the_copy_is_the_last_record_of_each_key_in_whatever_order_and_batches(
    parts: Parts,
) -> None:
    copies = Copies([THINGS], {})
    for seed in range(40):
        chance = random.Random(seed)
        history = [
            record_of(offset, chance.choice("abcde"), chance.choice([None, offset]))
            for offset in range(chance.randint(1, 30))
        ]
        expected: dict[str, int] = {}
        for offset, one in enumerate(history):
            if one.event.type == TOMBSTONE:
                expected.pop(one.event.subject, None)
            else:
                expected[one.event.subject] = offset
        arrivals = [*history, *chance.choices(history, k=10)]
        chance.shuffle(arrivals)
        while arrivals:
            size = chance.randint(1, 7)
            await kept(parts, copies, *arrivals[:size])
            arrivals = arrivals[size:]
        assert await viewed(parts, Replica(THINGS)) == expected, f"seed {seed}"
        await parts.pool.execute("truncate replica")


async def test_two_processes_that_write_at_once_leave_the_last_record(parts: Parts) -> None:
    copies = Copies([THINGS], {})
    history = [record_of(offset, f"thing-{offset % 5}", offset) for offset in range(100)]
    await asyncio.gather(
        *(kept(parts, copies, *history[start : start + 20]) for start in (80, 0, 60, 20, 40))
    )
    assert await viewed(parts, Replica(THINGS)) == {f"thing-{n}": 95 + n for n in range(5)}


async def test_a_deleted_record_is_gone_from_the_table(parts: Parts) -> None:
    copies = Copies([THINGS], {})
    await kept(parts, copies, record_of(1, "a", 1), record_of(2, "b", 2))
    await kept(parts, copies, record_of(3, "a", None))
    rows = await parts.pool.fetch("select key, body is null as gone from replica order by key")
    assert [tuple(row) for row in rows] == [("a", True), ("b", False)]


async def test_a_record_of_a_later_type_is_passed_over_and_a_broken_one_refused(
    parts: Parts,
) -> None:
    copies = Copies([THINGS], {})
    later = event_of(ThingRecorded(name="a", number=1), "dk.brobyg.thing.invented")
    await kept(parts, copies, Received(later, Origin(TOPIC, 0, 1)))
    assert await viewed(parts, Replica(THINGS)) == {}
    broken = msgspec.structs.replace(record_of(2, "a", 1).event, data=msgspec.Raw(b'{"name":"a"}'))
    with pytest.raises(UndecodableEvent, match=r"data\.number is missing"):
        await kept(parts, copies, Received(broken, Origin(TOPIC, 0, 2)))


async def test_nothing_is_asked_while_nothing_has_changed(parts: Parts) -> None:
    things = Replica(THINGS)
    await kept(parts, Copies([THINGS], {}), record_of(1, "a", 1))
    async with watched(parts, things), parts.database.transaction() as tx:
        before = things.latest
        # A query would fail in a transaction that has.
        await tx.driver.execute("savepoint here")
        with pytest.raises(Exception, match="no_such_table"):
            await tx.driver.execute("select 1 from no_such_table")
        assert await things.get(tx) is before == {"a": 1}
        await tx.driver.execute("rollback to here")


async def test_each_process_learns_of_a_change_that_another_makes(parts: Parts) -> None:
    here, there = Replica(THINGS), Replica(THINGS)
    async with watched(parts, there):
        await kept(parts, Copies([THINGS], {TOPIC: here}), record_of(1, "a", 1))

        async def learnt() -> bool:
            return there.latest == {"a": 1}

        await eventually(learnt, "the other process knows it")
        assert await viewed(parts, there) == {"a": 1}


async def test_a_transaction_sees_its_own_change_and_nobody_sees_one_that_is_rolled_back(
    parts: Parts,
) -> None:
    things = Replica(THINGS)
    copies = Copies([THINGS], {TOPIC: things})
    async with watched(parts, things):
        with suppress(ZeroDivisionError):
            async with parts.database.transaction() as tx:
                await copies.keep(tx, [record_of(1, "a", 1)])
                assert await things.get(tx) == {"a": 1}
                assert await things.get(tx) == {"a": 1}
                assert things.latest == {}
                raise ZeroDivisionError
        assert await viewed(parts, things) == {}
        await kept(parts, copies, record_of(1, "a", 1))
        assert await viewed(parts, things) == {"a": 1}, "the next transaction sees it at once"


async def test_a_copy_over_its_limit_keeps_the_last_view_and_says_so(parts: Parts) -> None:
    small = replace(THINGS, limit=1_000)
    things = Replica(small)
    await kept(parts, Copies([small], {}), record_of(1, "a", 1))
    assert await viewed(parts, things) == {"a": 1}
    await kept(parts, Copies([small], {}), *(record_of(n, f"thing-{n}", n) for n in range(2, 30)))
    assert await viewed(parts, things) == {"a": 1}
    check = await things.check()
    assert not check.ok
    assert "bytes are over 1000" in check.detail


async def test_from_the_broker_into_the_copy_and_deleted_again(parts: Parts) -> None:
    topic = f"brobyg.things.{parts.topic}"
    await apply_topics(parts.kafka, [Topic(topic, 3, -1, "compact", "zstd")])
    kind = type("ThingRecorded", (ThingRecorded,), {"TOPIC": topic}, frozen=True)
    kinds = {ThingRecorded.EVENT_TYPE: kind}
    copy = Copy(topic, kinds, lambda records: len(list(records)))
    things = Replica(copy)
    handled: list[str] = []

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        handled.extend(event.type for event in events)

    copies = Copies([copy], {topic: things})
    subscription = Subscription(
        f"test{parts.topic}", [topic, parts.topic], handle, copies=copies, compacted={topic}
    )
    consumer = Consumer(parts.kafka, parts.database, subscription, Metrics(), Heartbeat("consumer"))
    async with parts.database.transaction() as tx:
        for name in "abc":
            tx.emit(kind(name=name, number=1), subject=name)

    async def holds(number: int) -> None:
        async def so_many() -> bool:
            return await viewed(parts, things) == number

        await eventually(so_many, f"{number} things are copied")

    async with going(parts.relay(), consumer):
        await holds(3)
        async with parts.database.transaction() as tx:
            tx.send_tombstone(topic, "b")
        await holds(2)
        await parts.emit([1])

        async def passed_on() -> bool:
            return handled == ["dk.brobyg.thing.counted"]

        await eventually(passed_on, "the handler is given what is not copied, and that alone")


async def test_a_record_without_a_value_on_a_topic_of_history_is_dead(parts: Parts) -> None:
    [received] = read(
        Subscription("test", ["history"], SUBSCRIPTION.handle), Origin("history", 0, 1), b"k", None
    )
    batches = Batches(
        parts.database, Subscription("test", ["history"], SUBSCRIPTION.handle), Metrics()
    )
    await batches.process([received])
    assert await parts.pool.fetchval("select state from parked_event") == "dead"


def positive(records: Iterable[EventData]) -> dict[str, int]:
    """As `by_name`, of numbers above zero; ValueError where one is not."""
    numbers = by_name(records)
    if any(number <= 0 for number in numbers.values()):
        raise ValueError("a number is not above zero")
    return numbers


POSITIVE = replace(THINGS, view=positive)


def copying(parts: Parts, handled: list[str]) -> Batches:
    """What handles the batches of a service that copies POSITIVE and handles what else comes."""

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        await Replica(POSITIVE).get(tx)
        handled.extend(event.subject for event in events)

    subscription = Subscription(
        "test", [TOPIC, "history"], handle, copies=Copies([POSITIVE], {}), compacted={TOPIC}
    )
    return Batches(parts.database, subscription, Metrics())


async def test_a_record_of_which_no_view_can_be_made_is_parked_and_all_else_goes_on(
    parts: Parts,
) -> None:
    handled: list[str] = []
    other = Received(event_of(ThingRecorded(name="need", number=1)), Origin("history", 0, 1))
    batch = [record_of(1, "a", 1), record_of(2, "b", -1), record_of(3, "c", 3), other]
    await copying(parts, handled).process(batch)
    assert handled == ["need"]
    assert await viewed(parts, Replica(POSITIVE)) == {"a": 1, "c": 3}
    [(subject, state, reason)] = await parts.pool.fetch(
        "select subject, state, reason from parked_event"
    )
    assert (subject, state) == ("b", "dead")
    assert reason == "dk.brobyg.thing.recorded: no view can be made of its data (ValueError)"


async def test_the_next_record_of_a_key_is_copied_although_the_one_before_it_is_dead(
    parts: Parts,
) -> None:
    batches = copying(parts, [])
    await batches.process([record_of(1, "a", 1), record_of(2, "a", -1)])
    assert await viewed(parts, Replica(POSITIVE)) == {"a": 1}
    await batches.process([record_of(3, "a", 3)])
    assert await viewed(parts, Replica(POSITIVE)) == {"a": 3}


async def test_stored_records_that_this_code_cannot_read_are_left_out_and_counted(
    parts: Parts,
) -> None:
    """As after a return to the release before the one that stored them."""
    later = Copy(TOPIC, THINGS.kinds, lambda records: len(list(records)))
    broken = event_of(ThingRecorded(name="c", number=3))
    await kept(parts, Copies([later], {}), record_of(1, "a", 1), record_of(2, "b", -1))
    await parts.pool.execute(
        "insert into replica (topic, key, record_offset, event_id, body)"
        " values ($1, 'c', 3, $2, $3)",
        TOPIC,
        broken.id,
        encode(msgspec.structs.replace(broken, data=msgspec.Raw(b'{"name": "c"}'))),
    )
    things = Replica(POSITIVE)
    async with watched(parts, things):
        assert things.latest == {"a": 1}
    assert things.report()["unreadable"] == 2
    assert (await things.check()).ok
