"""Timers survive restarts, fire once, and one that fails does not hold up the others."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.timers import DueTimer, TimerHandler, Timers
from delivery_parts import Parts

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


async def remember(tx: Transaction, due: Sequence[DueTimer]) -> None:
    rows = [(timer.subject, int(timer.due_at.timestamp() - NOW.timestamp())) for timer in due]
    await tx.connection.executemany("insert into effect (subject, number) values ($1, $2)", rows)


def timers(database: Database, clock: ManualClock, handler: TimerHandler = remember) -> Timers:
    return Timers(database, clock, {"reminder": handler}, Metrics(), Heartbeat("timers"))


async def schedule(parts: Parts, **seconds: int) -> None:
    async with parts.database.transaction() as tx:
        for subject, number in seconds.items():
            tx.schedule("reminder", subject, NOW + timedelta(seconds=number))


async def test_a_timer_fires_once_when_its_time_has_come_and_not_before(parts: Parts) -> None:
    clock = ManualClock(NOW)
    await schedule(parts, a=60)
    assert await timers(parts.database, clock).fire() == 0
    clock.advance(timedelta(seconds=60))
    assert [await timers(parts.database, clock).fire() for _ in range(2)] == [1, 0]
    assert await parts.recorded() == [("a", 60)]


async def test_setting_a_timer_again_moves_it_and_unscheduling_forgets_it(parts: Parts) -> None:
    clock = ManualClock(NOW)
    await schedule(parts, a=10, b=10)
    await schedule(parts, a=100)
    async with parts.database.transaction() as tx:
        tx.unschedule("reminder", "b")
    clock.advance(timedelta(seconds=50))
    assert await timers(parts.database, clock).fire() == 0
    clock.advance(timedelta(seconds=50))
    assert await timers(parts.database, clock).fire() == 1
    assert await parts.recorded() == [("a", 100)]


async def test_two_processes_never_fire_the_same_timer(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, **{f"t{number}": number for number in range(500)})
    fired = await asyncio.gather(*(timers(parts.database, clock).fire() for _ in range(6)))
    assert sum(fired) == 500
    assert len(set(await parts.recorded())) == 500


async def test_a_timer_that_fails_is_put_off_and_the_others_fire(parts: Parts) -> None:
    async def fail_on_b(tx: Transaction, due: Sequence[DueTimer]) -> None:
        if any(timer.subject == "b" for timer in due):
            raise ValueError("a bug")
        await remember(tx, due)

    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1, b=2, c=3)
    loop = timers(parts.database, clock, fail_on_b)
    while await loop.fire():
        pass
    assert [subject for subject, _ in await parts.recorded()] == ["a", "c"]
    assert await parts.database.pool.fetchval("select count(*) from timer") == 1


async def test_the_loop_wakes_for_a_timer_that_is_set_while_it_waits(parts: Parts) -> None:
    clock = ManualClock(NOW)
    loop = timers(parts.database, clock)
    task = asyncio.create_task(loop.run())
    await schedule(parts, a=-1)

    async def fired() -> bool:
        return bool(await parts.recorded())

    from brobyg_kit.testing import eventually

    await eventually(fired, "the timer has fired", timeout=4)  # the slow poll alone would take five
    loop.stop()
    await task
