"""Each mechanism of delivery switched off once, to show that it is what keeps the promise.

Beside each control stands the promise itself.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from brobyg_kit import batches, parking
from brobyg_kit import relay as relaying
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.event import Event, decode
from brobyg_kit.parking import Parking
from brobyg_kit.testing import eventually
from delivery_parts import Parts, Way, by_way, going, has_effects, record


async def sent(parts: Parts, at_least: int) -> list[int]:
    """The sequence numbers of all records in the topic, once there are so many."""
    return [decode(one.value or b"").sequence for one in await parts.read(at_least)]


async def test_a_record_sent_past_the_outbox_stays_though_its_transaction_is_rolled_back(
    parts: Parts,
) -> None:
    """The control to `what_is_rolled_back_is_never_sent`."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block that fails is what is tested
        async with parts.database.transaction() as tx:
            tx.emit(parts.kind(number=1), subject="a")
            await tx.flush()
            value = await tx.driver.fetchval("select value from outbox")
            await parts.publish(value, key="a")
            raise ZeroDivisionError
    assert await sent(parts, 1) == [1]
    assert await parts.pool.fetchval("select count(*) from outbox") == 0


@pytest.mark.parametrize("locked", [True, False])
async def test_two_relays_send_each_record_once_because_of_the_lock_alone(
    parts: Parts, locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.emit(range(3_000))
    if not locked:

        async def always(*_: object) -> bool:
            return True

        both_have_fetched, send = asyncio.Barrier(2), relaying.Relay._send

        async def together(*arguments: Any) -> tuple[list[int], str]:
            with suppress(asyncio.BrokenBarrierError):
                await asyncio.wait_for(both_have_fetched.wait(), 40)
                # The first batch alone: whether a second comes depends on who deletes first.
                await both_have_fetched.abort()
            return await send(*arguments)

        monkeypatch.setattr(relaying.Relay, "_leads", always)
        monkeypatch.setattr(relaying.Relay, "_send", together)
    async with going(parts.relay(), parts.relay()):
        # Without the lock both have all of them, and the second's may come long after.
        found = await sent(parts, 3_000 if locked else 3_001)
    if locked:
        assert sorted(found) == list(range(1, 3_001))
    else:
        assert len(found) > 3_000


async def test_commit_order_is_outbox_order_because_of_the_subjects_row_lock(parts: Parts) -> None:
    first_wrote, second_done = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with parts.database.transaction() as tx:
            tx.emit(parts.kind(number=1), subject="subject-0")
            await tx.flush()
            tx._emissions.clear()
            first_wrote.set()
            with pytest.raises(
                TimeoutError
            ):  # the second waits for this one, however long it takes
                await asyncio.wait_for(second_done.wait(), 0.5)

    async def second() -> None:
        await first_wrote.wait()
        await parts.emit([2])
        second_done.set()

    await asyncio.gather(first(), second())
    rows = await parts.pool.fetch("select value from outbox order by id")
    assert [decode(row["value"]).sequence for row in rows] == [1, 2]


async def test_without_the_row_lock_a_later_transaction_of_the_same_subject_commits_first(
    parts: Parts,
) -> None:
    """The control: rows written past `stream` are there in the order of commits, not of ids."""
    insert = "insert into outbox (topic, key, value) values ('t', 'a', $1) returning id"
    async with parts.pool.acquire() as early, early.transaction():
        early_id = await early.fetchval(insert, b"1")
        late_id = await parts.pool.fetchval(insert, b"2")
        seen = await parts.pool.fetch("select id from outbox order by id")
    assert early_id < late_id
    assert [row["id"] for row in seen] == [late_id]


async def test_without_parking_a_later_event_of_the_subject_overtakes(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control to `later_events_of_a_parked_subject_wait_and_follow_in_order`."""

    async def nothing_held(*_: object) -> set[str]:
        return set()

    monkeypatch.setattr(Parking, "held", nothing_held)
    failed = False

    async def handle(tx: object, events: object) -> None:
        nonlocal failed
        assert isinstance(events, list)
        assert isinstance(tx, Transaction)
        if not failed and len(events) == 1:
            failed = True
            raise ValueError("a bug")
        if len(events) > 1 and not failed:
            raise ValueError("halve it")
        await record(tx, events)

    await parts.emit(range(4))
    async with going(parts.relay(), parts.consumer(handle)):
        await has_effects(parts, 4)
    assert [number for _, number in await parts.recorded()] == [1, 2, 3, 0]


async def test_offsets_committed_before_the_effects_lose_a_batch_in_a_crash(parts: Parts) -> None:
    """The control to `a_consumer_that_is_killed_before_its_offsets_does_nothing_twice`."""
    await parts.emit(range(10))
    async with going(parts.relay()):
        await sent(parts, 10)
    await parts.rewind(10)  # all are of one subject: one partition ends there, and here it died
    await parts.emit([10])
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)
    assert [number for _, number in await parts.recorded()] == [10]


async def test_a_record_over_the_brokers_limit_is_refused_where_it_is_made(parts: Parts) -> None:
    with pytest.raises(ValueError, match="over the limit"):
        async with parts.database.transaction() as tx:
            tx.send(parts.topic, "a", b" " * 1_000_000)
    assert await parts.pool.fetchval("select count(*) from outbox") == 0


async def test_an_ambiguous_error_that_never_ends_is_attributed_to_its_event_until_it_is_dead(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.2)
    monkeypatch.setattr(parking, "PAUSES", Backoff(0.01, factor=4))
    monkeypatch.setattr(parking, "MAX_ATTEMPTS", 3)

    async def handle(tx: Transaction, events: object) -> None:
        assert isinstance(events, list)
        if any(event.decode(parts.kind).number == 3 for event in events):
            await tx.driver.execute("select pg_sleep(30)", timeout=0.05)
        await record(tx, events)

    async def dead() -> bool:
        return [one.state for one in await Parking("test").listed(parts.database)] == ["dead"]

    await parts.emit(range(6), subjects=6)
    async with going(parts.relay(), parts.consumer(handle)):
        await has_effects(parts, 5)
        await eventually(dead, "the event is dead")
        await parts.emit([7, 8], subjects=9)
        await has_effects(parts, 7)
    (one,) = await Parking("test").listed(parts.database)
    assert (one.subject, one.attempts) == ("subject-3", 3)


class Returning(Database):
    """A database that comes back at one given attempt of those made since it was away."""

    way: Way
    returns_at = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.returns_at:
            self.returns_at -= 1
            if not self.returns_at:
                await self.way.open()
        async with super().transaction() as tx:
            yield tx


@pytest.mark.parametrize("asks", [True, False])
async def test_an_outage_beyond_the_patience_parks_nothing_because_the_database_is_asked_first(
    parts: Parts, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.05)
    monkeypatch.setattr(parking, "PAUSES", Backoff(3600, 3600))
    if not asks:

        async def always(_: Database) -> bool:
            return True

        monkeypatch.setattr(Database, "answers", always)
    async with by_way(parts, Returning) as (away, way):
        database = away.database
        assert isinstance(database, Returning)
        database.way = way

        async def handle(tx: Transaction, events: Sequence[Event]) -> None:
            if not cut:
                cut.append(True)
                way.close()
                database.returns_at = (
                    2  # the next try finds it away, what follows that finds it back
                )
            await record(tx, events)

        async def parked() -> int:
            return int(await parts.pool.fetchval("select count(*) from parked_event"))

        async def ended() -> bool:
            return bool(await parts.recorded() or await parked())

        cut: list[bool] = []
        await parts.emit([0])
        async with going(parts.relay(), away.consumer(handle)):
            await eventually(ended, "it is handled or parked")
    assert cut
    assert await parked() == (0 if asks else 1)
