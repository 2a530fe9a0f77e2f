"""What "Delivery" in ARCHITECTURE.md promises, proved on the real broker and database."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from brobyg_kit import lag as lagging
from brobyg_kit import tracing
from brobyg_kit.consumer import BatchHandler, Consumer
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, UndecodableEvent, decode
from brobyg_kit.kafka import Reader
from brobyg_kit.lag import Lag
from brobyg_kit.parking import Parking
from brobyg_kit.subscribers import Lane, Shutdown
from brobyg_kit.testing import eventually
from delivery_parts import Counted, Parts, by_way, going, has_effects, record


async def test_what_is_committed_arrives_once_and_in_order_per_subject(parts: Parts) -> None:
    for start in range(0, 300, 50):
        await parts.emit(range(start, start + 50), subjects=7)
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 300)
    recorded = await parts.recorded()
    assert sorted(number for _, number in recorded) == list(range(300))
    for subject in {subject for subject, _ in recorded}:
        numbers = [number for name, number in recorded if name == subject]
        assert numbers == sorted(numbers)
    assert await parts.pool.fetchval("select count(*) from outbox") == 0


async def test_what_is_rolled_back_is_never_sent(parts: Parts) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block that fails is what is tested
        async with parts.database.transaction() as tx:
            tx.emit(parts.kind(number=1), subject="a")
            raise ZeroDivisionError
    await parts.emit([2])
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)
    assert [number for _, number in await parts.recorded()] == [2]


async def test_what_is_to_follow_a_commit_follows_it_once_and_in_order(parts: Parts) -> None:
    calls: list[str] = []
    async with parts.database.transaction() as tx:
        tx.after_commit(lambda: calls.append("first"))
        tx.after_commit(lambda: calls.append("last"))
        assert calls == []
    assert calls == ["first", "last"]


async def test_nothing_follows_a_transaction_that_is_rolled_back(parts: Parts) -> None:
    calls: list[str] = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block that fails is what is tested
        async with parts.database.transaction() as tx:
            tx.after_commit(lambda: calls.append("rolled back"))
            raise ZeroDivisionError
    assert calls == []


async def test_sequence_numbers_have_no_gap_under_concurrent_transactions(parts: Parts) -> None:
    await asyncio.gather(*(parts.emit([number]) for number in range(40)))
    rows = await parts.pool.fetch("select value from outbox order by id")
    assert [decode(row["value"]).sequence for row in rows] == list(range(1, 41))


async def test_a_transaction_that_commits_late_is_not_skipped(parts: Parts) -> None:
    async with going(parts.relay(), parts.consumer(record)):
        async with parts.database.transaction() as late:
            late.emit(parts.kind(number=1), subject="late")
            await late.flush()
            late._emissions.clear()
            await parts.emit([2])
            await has_effects(parts, 1)
        await has_effects(parts, 2)
    assert [number for _, number in await parts.recorded()] == [2, 1]


async def test_a_repeated_event_has_one_effect(parts: Parts) -> None:
    await parts.emit(range(10))
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 10)
    await parts.rewind()
    await parts.emit([10])
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 11)
    assert len(await parts.recorded()) == 11


async def test_without_the_inbox_a_repeated_event_has_two_effects(parts: Parts) -> None:
    """The control: the test above can fail."""
    await parts.emit(range(10))
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 10)
    await parts.rewind()
    await parts.pool.execute("truncate inbox")
    async with going(parts.consumer(record)):
        await has_effects(parts, 20)


def refusing(*numbers: int, times: int = 10**6) -> tuple[BatchHandler, Callable[[], int]]:
    """A handler that records, but fails on these numbers the first `times` times."""
    failures = 0

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        nonlocal failures
        await record(tx, events)
        if failures < times and any(event.decode(Counted).number in numbers for event in events):
            failures += 1
            raise ValueError("a bug")

    return handle, lambda: failures


async def test_a_batch_that_fails_is_halved_down_to_the_event_to_blame(parts: Parts) -> None:
    await parts.emit(range(60), subjects=60)
    handle, _ = refusing(17)
    async with going(parts.relay(), parts.consumer(handle)):
        await has_effects(parts, 59)
    assert {number for _, number in await parts.recorded()} == set(range(60)) - {17}
    parked = await Parking("test").listed(parts.database)
    assert [(one.subject, one.state) for one in parked] == [("subject-17", "retrying")]
    assert "a bug" not in parked[0].reason


async def test_later_events_of_a_parked_subject_wait_and_follow_in_order(parts: Parts) -> None:
    await parts.emit(range(6), subjects=2)
    handle, _ = refusing(2, times=4)
    async with going(parts.relay(), parts.consumer(handle)):
        await has_effects(parts, 6)
    recorded = await parts.recorded()
    assert [number for subject, number in recorded if subject == "subject-0"] == [0, 2, 4]
    assert [number for subject, number in recorded if subject == "subject-1"] == [1, 3, 5]
    assert await Parking("test").listed(parts.database) == []


async def test_what_cannot_be_read_is_dead_at_once_and_says_where_it_stands(parts: Parts) -> None:
    async with parts.database.transaction() as tx:
        tx.send(parts.topic, "subject-0", b"{not an event")
    await parts.emit([1], subjects=2)
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)

        async def dead() -> bool:
            return bool(await Parking("test").listed(parts.database))

        await eventually(dead, "the dead letter")
    (letter,) = await Parking("test").listed(parts.database)
    assert (letter.state, letter.origin.topic, letter.origin.offset) == ("dead", parts.topic, 0)


async def test_one_correlation_follows_a_chain_of_causes_and_a_callers_id_is_taken_up(
    parts: Parts,
) -> None:
    given = "0190b6f0-1c2d-7a3b-8c4d-5e6f70819203"
    token = tracing.correlation.set(tracing.correlation_of(given))
    await parts.emit([1])
    tracing.correlation.reset(token)
    first = decode(await parts.pool.fetchval("select value from outbox"))
    async with parts.database.transaction() as tx:
        tx.emit(parts.kind(number=2), subject="b", cause=first)
    second = decode(await parts.pool.fetchval("select value from outbox order by id desc limit 1"))
    assert (first.correlationid, second.correlationid, second.causationid) == (
        given,
        given,
        first.id,
    )
    assert str(second.traceparent)[3:35] == str(first.traceparent)[3:35]


def test_a_correlation_id_that_is_not_a_uuid_does_not_travel_into_events() -> None:
    assert tracing.correlation_of("0201609995") is None


async def test_a_consumer_that_comes_back_to_a_topic_read_to_its_end_tells_no_lag(
    parts: Parts,
) -> None:
    await parts.emit(range(30), subjects=30)
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 30)
    again = parts.consumer(record)

    async def measured() -> bool:
        return lag_of(again, parts) is not None

    async with going(again):
        await eventually(measured, "the lag is measured")
        assert lag_of(again, parts) == 0


def lag_of(consumer: Consumer, parts: Parts) -> float | None:
    """What the gauge says, if anything."""
    name, labels = "brobyg_consumer_lag_records", {"topic": parts.topic}
    return consumer._metrics.registry.get_sample_value(name, labels)


async def test_a_subject_that_can_not_be_kept_is_dead_and_the_consumer_goes_on(
    parts: Parts,
) -> None:
    await parts.emit([1])
    good = await parts.pool.fetchval("select value from outbox")
    deep = good.replace(b'"data":{"number":1}', b'"data":' + b"[" * 100_000 + b"]" * 100_000)
    nul, long = (good.replace(b"subject-0", subject) for subject in (b"a\\u0000b", b"a" * 5_000))
    for value in (deep, nul, long):
        with pytest.raises(UndecodableEvent):
            decode(value)
    await parts.publish(deep, nul, long, key="a\0b")
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)

        async def dead() -> bool:
            return len(await Parking("test").listed(parts.database)) == 3

        await eventually(dead, "all three are parked")
    assert await parts.recorded() == [("subject-0", 1)]


def test_data_that_is_nested_too_deeply_is_undecodable() -> None:
    class Nested(msgspec.Struct):
        inside: "list[Any]"

    event = Event(
        id="", source="", type="t", subject="", time=datetime.now(UTC), dataschema="",
        correlationid="", sequence=1,
        data=msgspec.Raw(b'{"inside":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    )  # fmt: skip
    with pytest.raises(UndecodableEvent):
        event.decode(Nested)


async def test_the_lag_is_what_is_not_committed_also_while_the_database_is_away(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lagging, "EVERY", 0.2)
    async with by_way(parts) as (away, way):
        consumer = away.consumer(record)

        async def waits(number: int) -> None:
            async def measured() -> bool:
                return lag_of(consumer, parts) == number

            await eventually(measured, f"a lag of {number}")

        async with going(parts.relay(), consumer):
            await parts.emit([0])
            await has_effects(parts, 1)
            await waits(0)
            way.close()
            await parts.emit(range(1, 6))
            await waits(5)
            await parts.emit([6])
            await waits(6)
            await way.open()
            await waits(0)


async def test_out_of_its_group_a_consumer_knows_of_no_lag(parts: Parts) -> None:
    consumer = parts.consumer(record)
    consumer._metrics.consumer_lag.labels(parts.topic).set(7)
    lane = Lane(consumer._batches, None, Shutdown())
    reader = Reader(parts.kafka)
    await Lag([parts.topic], [lane], reader, consumer._metrics).measure()
    await reader.close()
    assert lag_of(consumer, parts) is None


async def test_a_consumer_that_does_not_get_on_though_there_is_something_to_read_says_so(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        """As when the broker refuses each commit."""

    monkeypatch.setattr(lagging, "STALL_LIMIT", 0.5)
    monkeypatch.setattr(lagging, "EVERY", 0.2)
    monkeypatch.setattr(Lane, "_commit", refused)
    consumer = parts.consumer(record)

    async def told() -> bool:
        return "3 records wait, none handled for" in consumer._heartbeat.trouble

    await parts.emit(range(3))
    async with going(parts.relay(), consumer):
        await eventually(told, "the consumer says so")
