"""A missing table, column or right is the environment's fault: waited out, told, nothing parked."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from brobyg_kit import batches
from brobyg_kit.clock import ManualClock
from brobyg_kit.consumer import BatchHandler
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Parking
from brobyg_kit.testing import eventually
from brobyg_kit.timers import DueTimer, Timers
from delivery_parts import Parts, going, has_effects, record
from sqlalchemy import column, insert, table, text

from .test_timers import NOW, schedule, state

#: What is taken away, and how it is given back.
TAKEN = {
    "a table": ("alter table effect rename to gone", "alter table gone rename to effect"),
    "a column": (
        "alter table effect rename number to gone",
        "alter table effect rename gone to number",
    ),
}
EFFECT = table("effect", column("subject"), column("number"))


async def by_core(tx: Transaction, events: Sequence[Event]) -> None:
    """As services write, so that SQLAlchemy wraps the driver's error."""
    rows = [{"subject": one.subject, "number": 1} for one in events]
    await tx.connection.execute(insert(EFFECT), rows)


@pytest.mark.parametrize("handle", [record, by_core])
@pytest.mark.parametrize("what", ["a table", "a column"])
async def test_a_consumer_waits_for_what_is_missing_and_parks_nothing(
    parts: Parts, what: str, handle: BatchHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.0)
    take, give_back = TAKEN[what]
    await parts.pool.execute(take)
    await parts.emit(range(5), subjects=5)
    consumer = parts.consumer(handle)

    async def told() -> bool:
        return "was it migrated?" in consumer._heartbeat.trouble

    async with going(parts.relay(), consumer):
        await eventually(told, "the consumer says what is missing")
        assert await Parking("test").listed(parts.database) == []
        await parts.pool.execute(give_back)
        await has_effects(parts, 5)
    assert await Parking("test").listed(parts.database) == []


async def test_a_consumer_waits_for_a_right_that_was_taken_away_and_parks_nothing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.0)
    role = f"weak_{parts.topic}"
    await parts.pool.execute(f"create role {role}")

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        await tx.connection.execute(text(f"set local role {role}"))
        await record(tx, events)
        await tx.connection.execute(text("reset role"))

    await parts.emit(range(5), subjects=5)
    consumer = parts.consumer(handle)

    async def told() -> bool:
        return "InsufficientPrivilege" in consumer._heartbeat.trouble

    async with going(parts.relay(), consumer):
        await eventually(told, "the consumer says what is missing")
        assert await Parking("test").listed(parts.database) == []
        for what in ("table effect", "sequence effect_id_seq"):
            await parts.pool.execute(f"grant all on {what} to {role}")
        await has_effects(parts, 5)
    assert await Parking("test").listed(parts.database) == []
    await parts.pool.execute(f"drop owned by {role}; drop role {role}")


async def test_a_retry_of_a_parked_event_waits_for_what_is_missing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.0)
    failed = False

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        nonlocal failed
        if not failed:
            failed = True
            await parts.pool.execute(TAKEN["a table"][0])
            raise ValueError("a bug, once")
        await record(tx, events)

    await parts.emit([1])
    consumer = parts.consumer(handle)

    async def told() -> bool:
        return "was it migrated?" in consumer._heartbeat.trouble

    async with going(parts.relay(), consumer):
        await eventually(told, "the consumer says what is missing")
        (parked,) = await Parking("test").listed(parts.database)
        assert (parked.state, parked.attempts) == ("retrying", 1)
        await parts.pool.execute(TAKEN["a table"][1])
        await has_effects(parts, 1)
    assert await Parking("test").listed(parts.database) == []


async def test_timers_wait_for_what_is_missing_and_none_is_put_off(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1, b=2)
    take, give_back = TAKEN["a table"]
    await parts.pool.execute(take)

    async def remember(tx: Transaction, due: Sequence[DueTimer]) -> None:
        rows = [{"subject": one.subject, "number": 1} for one in due]
        await tx.connection.execute(insert(EFFECT), rows)

    heartbeat = Heartbeat("timers")
    loop = Timers(parts.database, clock, {"reminder": remember}, Metrics(), heartbeat)

    async def told() -> bool:
        return "was it migrated?" in heartbeat.trouble

    running = asyncio.create_task(loop.run())
    await eventually(told, "the timers say what is missing")
    assert await state(parts) == [("a", 0, 1, 1), ("b", 0, 2, 2)]
    await parts.pool.execute(give_back)
    await has_effects(parts, 2)
    loop.stop()
    await running
