"""Timers survive restarts, fire once, and one that fails does not hold up the others."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.tables import timer
from brobyg_kit.testing import eventually
from brobyg_kit.timers import DueTimer, TimerHandler, Timers
from delivery_parts import Parts, by_way
from sqlalchemy import Select, false, select

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


async def remember(tx: Transaction, due: Sequence[DueTimer]) -> None:
    rows = [(one.subject, int(one.due_at.timestamp() - NOW.timestamp())) for one in due]
    await tx.driver.executemany("insert into effect (subject, number) values ($1, $2)", rows)


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


@pytest.mark.parametrize("locking", [True, False])
async def test_a_timer_that_one_process_carries_out_is_not_for_another_because_of_the_claim_alone(
    parts: Parts, locking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not locking:
        columns = (timer.c.kind, timer.c.subject, timer.c.due_at, timer.c.attempts)
        unlocked = select(*columns).where(timer.c.attempts == 0)
        none = unlocked.where(false())

        def claim(*_: object, failing: bool) -> Select[Any]:
            return none if failing else unlocked

        monkeypatch.setattr(Timers, "_claim", claim)
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1)
    inside, go = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, due: Sequence[DueTimer]) -> None:
        await remember(tx, due)
        inside.set()
        await go.wait()

    first = asyncio.create_task(timers(parts.database, clock, slowly).fire())
    await inside.wait()
    await asyncio.wait_for(
        timers(parts.database, clock).fire(), 5
    )  # nor does it wait for the other
    go.set()
    await first
    assert len(await parts.recorded()) == (1 if locking else 2)


def failing(kind: type[Exception], *subjects: str) -> TimerHandler:
    """A handler that remembers, but fails while one of these is among the timers."""

    async def handle(tx: Transaction, due: Sequence[DueTimer]) -> None:
        await remember(tx, due)
        if any(one.subject in subjects for one in due):
            raise kind("a bug")

    return handle


async def state(parts: Parts) -> list[tuple[str, int, float, float]]:
    """What is left: subject, failures, seconds from NOW until due and until tried again."""
    rows = await parts.pool.fetch("select * from timer order by subject")
    return [
        (
            row["subject"],
            row["attempts"],
            (row["due_at"] - NOW).total_seconds(),
            (row["next_attempt_at"] - NOW).total_seconds(),
        )
        for row in rows
    ]


@pytest.mark.parametrize(
    "kind", [ValueError, TimeoutError, ConnectionResetError, FileNotFoundError]
)
async def test_a_timer_that_fails_is_put_off_and_the_others_fire(
    parts: Parts, kind: type[Exception]
) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1, b=2, c=3)
    loop = timers(parts.database, clock, failing(kind, "b"))
    while await loop.fire():
        pass
    assert [subject for subject, _ in await parts.recorded()] == ["a", "c"]
    assert await state(parts) == [("b", 1, 2, 3601)]


async def test_a_failing_timer_is_tried_alone_after_growing_pauses_and_keeps_its_due_time(
    parts: Parts,
) -> None:
    clock = ManualClock(NOW)
    await schedule(parts, a=0)
    loop, pauses = timers(parts.database, clock, failing(ValueError, "a")), []
    for number in range(1, 9):
        await schedule(parts, **{f"innocent{number}": 0})
        await loop.fire()
        ((_, attempts, due, again),) = await state(parts)
        assert (attempts, due) == (number, 0)
        pauses.append(again - (clock.now() - NOW).total_seconds())
        assert await loop.fire() == 0
        clock.advance(timedelta(seconds=pauses[-1]))
    assert pauses == [1, 4, 16, 64, 256, 1024, 3600, 3600]
    assert len(await parts.recorded()) == 8
    mended = timers(parts.database, clock)
    assert await mended.fire() == 1
    assert mended._metrics.timer_delay._sum.get() == (clock.now() - NOW).total_seconds()


async def test_of_two_processes_the_one_whose_timer_fails_puts_off_its_own(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    inside, go = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, due: Sequence[DueTimer]) -> None:
        inside.set()
        await go.wait()
        raise ValueError("so that it is there to be looked at")

    await schedule(parts, a=1)
    one = timers(parts.database, clock, slowly)
    first = asyncio.create_task(one._fire([], one._together, 1))
    await inside.wait()
    await schedule(parts, b=2)
    await asyncio.wait_for(timers(parts.database, clock, failing(ValueError, "b")).fire(), 5)
    go.set()
    with pytest.raises(ValueError, match="to be looked at"):
        await first
    assert [(subject, attempts) for subject, attempts, _, _ in await state(parts)] == [
        ("a", 0),
        ("b", 1),
    ]


async def test_a_due_timer_that_another_process_holds_is_not_asked_for_without_a_pause(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1)
    asked, fire = [], Timers.fire

    async def counted(loop: Timers) -> int:
        asked.append(loop)
        return await fire(loop)

    monkeypatch.setattr(Timers, "fire", counted)

    async def asked_often() -> bool:
        return len(asked) >= 7

    loop = timers(parts.database, clock)
    async with parts.database.transaction() as other:
        await other.driver.execute("select 1 from timer for update")
        began = time.monotonic()
        running = asyncio.create_task(loop.run())
        await eventually(asked_often, "it is asked for again and again")
        assert time.monotonic() - began >= 0.01 * (2**6 - 1)  # six pauses, from 10 ms doubled

    async def fired() -> bool:
        return bool(await parts.recorded())

    await eventually(fired, "it is fired once it is free", timeout=4)
    loop.stop()
    await running


async def test_setting_a_failing_timer_again_begins_afresh(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1)
    await timers(parts.database, clock, failing(ValueError, "a")).fire()
    await schedule(parts, a=5)
    assert await state(parts) == [("a", 0, 5, 5)]


async def test_in_an_outage_no_timer_is_put_off(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1, b=2)
    async with by_way(parts) as (away, way):

        async def cut(tx: Transaction, due: Sequence[DueTimer]) -> None:
            way.close()
            await remember(tx, due)

        with pytest.raises(DATABASE_ERRORS):
            await timers(away.database, clock, cut).fire()
    assert await state(parts) == [("a", 0, 1, 1), ("b", 0, 2, 2)]


async def test_overdue_and_failing_timers_are_counted(parts: Parts) -> None:
    clock = ManualClock(NOW + timedelta(hours=1))
    await schedule(parts, a=1, b=2, later=7200)
    loop = timers(parts.database, clock, failing(TimeoutError, "a"))
    task = asyncio.create_task(loop.run())

    async def counted() -> bool:
        return (
            loop._metrics.timers_failing._value.get()
            == 1
            == loop._metrics.timers_overdue._value.get()
        )

    await eventually(counted, "the failing timer is counted")
    loop.stop()
    await task
    assert not loop._heartbeat.trouble


async def test_the_loop_wakes_for_a_timer_that_is_set_while_it_waits(parts: Parts) -> None:
    clock = ManualClock(NOW)
    loop = timers(parts.database, clock)
    task = asyncio.create_task(loop.run())
    await schedule(parts, a=-1)

    async def fired() -> bool:
        return bool(await parts.recorded())

    await eventually(fired, "the timer has fired", timeout=4)  # the slow poll alone would take five
    loop.stop()
    await task
