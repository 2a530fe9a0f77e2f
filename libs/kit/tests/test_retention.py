"""What is over is ended in bounded batches, and nothing else; whoever is killed is carried on."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brobyg_kit.retention as kit
import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.domain import domain
from brobyg_kit.health import Heartbeat
from brobyg_kit.ids import derived_id
from brobyg_kit.metrics import Metrics
from brobyg_kit.restriction import restrict
from brobyg_kit.retention import BEGINS, OWN, Carrier, Retention
from brobyg_kit.tables import attention, inbox, timer
from brobyg_kit.timers import DueTimer, Timers
from delivery_parts import Parts
from hypothesis import given
from hypothesis import strategies as st
from retained import OVER, retention, timers
from sqlalchemy import func, insert, select

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
WORKER = Path(__file__).parent / "support" / "retention_worker.py"
DAY = timedelta(days=1)
EARLY, LATE = (datetime(year, 1, 1) for year in (2020, 2040))  # noqa: DTZ001 - Hypothesis wants so


@pytest.fixture(autouse=True)
def the_domain_again() -> Iterator[None]:
    yield
    kit.domain = domain


async def keep(parts: Parts, *days: float) -> None:
    """Rows that came so many days ago; the clock stands at NOW."""
    parts.database.clock = ManualClock(NOW)
    rows = [
        {"event_id": derived_id("kept", str(number)), "received_at": NOW - timedelta(days=ago)}
        for number, ago in enumerate(days)
    ]
    async with parts.database.transaction() as tx:
        await tx.connection.execute(insert(inbox), rows)


async def kept(database: Database) -> list[float]:
    """How many days ago those came that are there."""
    async with database.connect() as connection:
        times = await connection.scalars(select(inbox.c.received_at))
    return sorted((NOW - one) / DAY for one in times)


async def due(database: Database) -> dict[str, datetime]:
    async with database.connect() as connection:
        rows = await connection.execute(select(timer.c.subject, timer.c.due_at))
    return {row.subject: row.due_at for row in rows}


async def begin(parts: Parts, part: Retention) -> None:
    """Its timers are set, and their time has come."""
    await part.start(parts.database)
    clock = parts.database.clock
    assert isinstance(clock, ManualClock)
    clock.advance(DAY)


async def fire(parts: Parts, part: Retention) -> None:
    """All that is due."""
    while await timers(parts.database, part).fire():
        pass


async def test_exactly_what_is_over_goes_in_batches_and_a_second_run_does_nothing(
    parts: Parts,
) -> None:
    await keep(parts, 8.9, 9, *(9.001 + number for number in range(7)), 400)
    sizes: list[int] = []

    async def noted(tx: Transaction, before: datetime, most: int) -> int:
        sizes.append(await OVER.carry_out(tx, before, most))
        return sizes[-1]

    part = retention(Carrier(noted, batch=3))
    await begin(parts, part)  # a day later those of 9 days are of 10, which is not over yet
    await fire(parts, part)
    assert (sizes, await kept(parts.database)) == ([3, 3, 2], [8.9, 9])
    assert await due(parts.database) == {"things": datetime(2026, 12, 2, 1, 30, tzinfo=UTC)}

    parts.database.clock = ManualClock(datetime(2026, 12, 2, 1, 30, tzinfo=UTC))
    await fire(parts, part)
    assert (sizes[3:], await kept(parts.database)) == ([2], [])
    await fire(parts, part)
    assert sizes[4:] == []


async def test_whoever_is_killed_in_a_batch_leaves_what_was_done_and_is_carried_on(
    parts: Parts,
) -> None:
    await keep(parts, 1, *(20 + number for number in range(50)))
    part = retention(batch=10)
    await begin(parts, part)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), parts.database.url, "10", (NOW + DAY).isoformat()
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert len(await kept(parts.database)) == 31
    await fire(parts, part)
    assert await kept(parts.database) == [1]


async def test_two_processes_at_once_end_each_record_once(parts: Parts) -> None:
    await keep(parts, 1, *(20 + number for number in range(40)))
    part = retention(batch=4)
    await begin(parts, part)
    await asyncio.gather(*(fire(parts, part) for _ in range(4)))
    # One that found the timer in another's hand has ended early; one by itself ends the rest.
    await fire(parts, part)
    assert await kept(parts.database) == [1]


async def test_what_somebody_has_locked_is_left_for_the_next_day(parts: Parts) -> None:
    await keep(parts, 20, 30)
    part = retention()
    await begin(parts, part)
    held = select(inbox.c.event_id).where(inbox.c.received_at == NOW - 20 * DAY).with_for_update()
    async with parts.database.transaction() as tx:
        await tx.connection.execute(held)
        await timers(parts.database, part).fire()
    assert await kept(parts.database) == [20]
    assert list(await due(parts.database)) == ["things"]


async def test_each_kind_is_a_transaction_of_its_own(parts: Parts) -> None:
    await keep(parts, 20)
    fired: list[int] = []

    async def count(tx: Transaction, before: datetime, most: int) -> int:
        fired.append(await tx.connection.scalar(select(func.txid_current())))
        return 0

    one = Carrier(count)
    part = retention(one, others=one, more=one)
    await begin(parts, part)
    await fire(parts, part)
    assert len(set(fired)) == len(fired) == 3


async def test_a_start_sets_the_timers_that_are_missing_and_moves_none(parts: Parts) -> None:
    parts.database.clock = clock = ManualClock(NOW)
    await retention().start(parts.database)
    first = await due(parts.database)
    clock.advance(3 * DAY)
    await retention(others=OVER).start(parts.database)
    assert await due(parts.database) == first | {"others": first["things"] + 3 * DAY}


async def test_a_kind_that_is_no_more_has_no_timer_from_then_on(parts: Parts) -> None:
    parts.database.clock = ManualClock(NOW)
    await begin(parts, retention(others=OVER))
    await timers(parts.database, retention()).fire()
    await timers(parts.database, retention()).fire()
    assert list(await due(parts.database)) == ["things"]


async def test_settled_items_are_deleted_after_a_time_and_open_ones_stay(parts: Parts) -> None:
    values: dict[str, Any] = {"kind": "k", "department": "d", "raised_at": NOW, "body": {}}
    settled = {"settled_by": "a", "outcome": "done"}
    rows = [
        values | {"attention_id": derived_id("i", "1"), "settled_at": NOW - 31 * DAY} | settled,
        values | {"attention_id": derived_id("i", "2"), "settled_at": NOW - 29 * DAY} | settled,
    ]
    async with parts.database.transaction() as tx:
        await tx.connection.execute(insert(attention), rows)
        open_ = values | {"attention_id": derived_id("i", "3")}
        await tx.connection.execute(insert(attention), open_)
        assert await OWN["attention"].carry_out(tx, NOW - 30 * DAY, 10) == 1
        left = set(await tx.connection.scalars(select(attention.c.attention_id)))
    assert left == {derived_id("i", "2"), derived_id("i", "3")}


def test_a_kind_that_nobody_ends_and_one_that_nobody_keeps_are_refused() -> None:
    retention(others=OVER)
    with pytest.raises(ValueError, match="test has nobody who ends others"):
        Retention("test", {"things": OVER}, Metrics())
    with pytest.raises(ValueError, match="test is not said to keep strangers for days"):
        Retention("test", {"things": OVER, "others": OVER, "strangers": OVER}, Metrics())


@given(st.datetimes(EARLY, LATE, timezones=st.just(UTC)))
def test_the_next_day_s_work_begins_within_a_day_at_its_time(now: datetime) -> None:
    begins = kit._next_day(now)
    assert now < begins <= now + DAY
    assert begins.timetz() == BEGINS.replace(tzinfo=UTC)


async def test_a_batch_shares_no_transaction_with_other_timers(parts: Parts) -> None:
    """Its locks and its time are not those of two hundred reminders."""
    await keep(parts, 20)
    seen: dict[str, set[int]] = {"things": set(), "others": set()}

    async def note(kind: str, tx: Transaction) -> int:
        seen[kind].add(await tx.connection.scalar(select(func.txid_current())) or 0)
        return 0

    async def remind(tx: Transaction, due: Sequence[DueTimer]) -> None:
        await note("others", tx)

    part = retention(Carrier(lambda tx, before, most: note("things", tx)))
    await begin(parts, part)
    async with parts.database.transaction() as tx:
        for number in range(3):
            tx.schedule("reminder", str(number), tx.now - DAY)
    handlers = {"reminder": remind, **part.timers}
    clock, beat = parts.database.clock, Heartbeat("timers")
    loop = Timers(parts.database, clock, handlers, Metrics(), beat, alone=part.timers)
    while await loop.fire():
        pass
    assert len(seen["things"]) == len(seen["others"]) == 1
    assert not seen["things"] & seen["others"]


async def test_what_will_be_over_is_told_thirty_days_ahead_in_batches(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "WARNINGS", 2)
    asked: list[datetime] = []

    async def warn(tx: Transaction, before: datetime, most: int) -> int:
        asked.append(before)
        return most if len(asked) < 3 else 0

    parts.database.clock = ManualClock(NOW)
    part = retention(Carrier(OVER.carry_out, warn=warn), others=OVER)
    await begin(parts, part)
    await fire(parts, part)
    assert asked == [NOW + DAY - 10 * DAY + 30 * DAY] * 3
    assert set(await due(parts.database)) == {"things", "others"}


async def test_what_is_of_somebody_restricted_stays(parts: Parts) -> None:
    long_ago = NOW - 3_000 * DAY
    free, held = derived_id("person", "1"), derived_id("person", "2")
    settled = {"settled_by": "a", "outcome": "done", "settled_at": long_ago, "raised_at": long_ago}
    async with parts.database.transaction() as tx:
        await restrict(tx, held, "objection", "somebody")
        for one in (free, held):
            item = {"attention_id": one, "kind": "k", "department": "d"} | settled
            await tx.connection.execute(
                insert(attention).values(item | {"body": {"citizen_id": one}})
            )
        assert await OWN["attention"].carry_out(tx, NOW, 10) == 1
        assert list(await tx.connection.scalars(select(attention.c.attention_id))) == [held]
