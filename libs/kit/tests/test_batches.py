"""A batch of which a part fails: what is passed over, whose fault it is, and who is told meanwhile.

Without a broker: the batch is handed to what FastStream's handler calls.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from brobyg_kit.batches import Batches
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, UnknownWord, decode
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Parking, Received
from brobyg_kit.subscription import BatchHandler, Subscription
from delivery_parts import Parts, record


async def received(parts: Parts, numbers: Sequence[int]) -> list[Received]:
    """Events with these numbers, of one subject each, as a lane is given them."""
    await parts.emit(numbers, subjects=100)
    rows = await parts.pool.fetch("delete from outbox returning id, value")
    values = [row["value"] for row in sorted(rows, key=lambda row: row["id"])]
    return [
        Received(decode(value), Origin(parts.topic, 0, offset))
        for offset, value in enumerate(values)
    ]


def batches_of(parts: Parts, handle: BatchHandler, metrics: Metrics) -> Batches:
    return Batches(parts.database, Subscription("test", [parts.topic], handle), metrics)


def failing_on(parts: Parts, number: int, error: Exception) -> BatchHandler:
    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        if any(event.decode(parts.kind).number == number for event in events):
            raise error
        await record(tx, events)

    return handle


async def test_an_event_with_a_word_of_a_later_version_is_counted_and_holds_up_nobody(
    parts: Parts,
) -> None:
    metrics = Metrics()
    batches = batches_of(parts, failing_on(parts, 3, UnknownWord("data.reason")), metrics)
    batch = await received(parts, [1, 3, 4, 103, 5])  # 103 is of the same subject as 3
    await batches.process(batch)
    assert {number for _, number in await parts.recorded()} == {1, 4, 103, 5}
    assert await Parking("test").listed(parts.database) == []
    counted = metrics.events_passed_over.labels(batch[1].event.type)
    assert counted._value.get() == 1  # the library has no public way to read one
    await batches.process(batch)  # read again, it is known
    assert counted._value.get() == 1


async def test_without_an_inbox_a_handled_event_that_comes_again_does_not_wait_behind_a_dead_one(
    parts: Parts,
) -> None:
    handle = failing_on(parts, 103, ValueError("a bug"))
    subscription = Subscription("test", [parts.topic], handle, inbox=False)
    batches = Batches(parts.database, subscription, Metrics())
    batch = await received(parts, [3, 103, 203])  # all of one subject
    await batches.process(batch)
    await batches.process(batch)
    parked = await Parking("test").listed(parts.database)
    assert [(one.state, one.origin.offset) for one in parked] == [("retrying", 1), ("waiting", 2)]
    assert [number for _, number in await parts.recorded()] == [3]


async def test_the_loop_shows_that_it_lives_before_each_half_that_is_tried(parts: Parts) -> None:
    beats: list[str] = []

    class Recorded(Heartbeat):
        def struggle(self, trouble: str) -> None:
            beats.append(trouble)

    batches = batches_of(parts, failing_on(parts, 3, ValueError("a bug")), Metrics())
    await batches.process(await received(parts, [1, 2, 3, 4]), heartbeat=Recorded("lane"))
    assert beats == ["looks for the event at fault (ValueError)"] * 4
    (parked,) = await Parking("test").listed(parts.database)
    assert parked.subject == "subject-3"


@pytest.mark.parametrize(
    ("error", "parks"),
    [(asyncpg.LockNotAvailableError("held"), False), (TimeoutError(), True)],
)
async def test_a_lock_that_somebody_holds_for_long_is_never_an_events_fault(
    parts: Parts, error: Exception, parks: bool
) -> None:
    batches = batches_of(parts, failing_on(parts, 1, error), Metrics())
    batch = await received(parts, [1])
    if parks:  # the control: an ambiguous error of another kind is attributed to its event
        await batches.process(batch, blaming=True)
    else:
        with pytest.raises(asyncpg.LockNotAvailableError):
            await batches.process(batch, blaming=True)
    assert bool(await Parking("test").listed(parts.database)) is parks


def by_tens(event: Event) -> str:
    """The lock of an event, subjects 0 to 9 have one and 10 to 19 another: of different parts."""
    return "one" if int(event.subject.removeprefix("subject-")) < 10 else "two"


async def test_what_is_under_different_locks_is_handled_beside_each_other(parts: Parts) -> None:
    both = asyncio.Barrier(2)

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        async with asyncio.timeout(30):
            await both.wait()  # one transaction after the other would never get past it
        await record(tx, events)

    subscription = Subscription("test", [parts.topic], handle, locked_by=by_tens)
    batch = await received(parts, [2, 11, 1, 111, 102, 12])
    await Batches(parts.database, subscription, Metrics()).process(batch)
    recorded = await parts.recorded()
    assert [one for _, one in recorded if one % 100 < 10] == [2, 1, 102]
    assert [one for _, one in recorded if one % 100 >= 10] == [11, 111, 12]


async def test_a_part_that_the_database_refuses_leaves_the_others_whole(parts: Parts) -> None:
    refused = asyncpg.SerializationError("refused")
    subscription = Subscription(
        "test", [parts.topic], failing_on(parts, 11, refused), locked_by=by_tens
    )
    batches = Batches(parts.database, subscription, Metrics())
    batch = await received(parts, [11, 1, 2])
    with pytest.raises(asyncpg.SerializationError):
        await batches.process(batch)
    assert {one for _, one in await parts.recorded()} == {1, 2}


async def test_one_subject_keeps_its_order_though_it_is_under_another_lock_by_then(
    parts: Parts,
) -> None:
    def by_number(event: Event) -> str:
        return str(event.decode(parts.kind).number)

    subscription = Subscription("test", [parts.topic], record, locked_by=by_number)
    numbers = [number * 100 + subject for number in range(8) for subject in range(4)]
    await Batches(parts.database, subscription, Metrics()).process(await received(parts, numbers))
    recorded = await parts.recorded()
    for subject in range(4):
        assert [one for _, one in recorded if one % 100 == subject] == numbers[subject::4]
