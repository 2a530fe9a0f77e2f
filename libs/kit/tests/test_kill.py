"""kill -9 at the worst moments: nothing lost, nothing done twice, each subject in order."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from brobyg_kit import faultpoints
from brobyg_kit.testing import eventually
from delivery_parts import Parts, has_effects

WORKER = Path(__file__).parent / "support" / "crash_worker.py"
EVENTS = 400


@asynccontextmanager
async def worker(
    parts: Parts, what: str, fault: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A relay or consumer in a process of its own, armed with a fault point."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), what, parts.kafka, parts.database.url, parts.topic,
        env={"BROBYG_FAULT_POINT": fault, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def dies(process: asyncio.subprocess.Process) -> None:
    """It reached its fault point."""
    assert await asyncio.wait_for(process.wait(), 40) == -signal.SIGKILL


async def every_effect_once_and_in_order(parts: Parts) -> None:
    await has_effects(parts, EVENTS)
    recorded = await parts.recorded()
    assert sorted(number for _, number in recorded) == list(range(EVENTS))
    for subject in {subject for subject, _ in recorded}:
        numbers = [number for name, number in recorded if name == subject]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "fault", [faultpoints.AFTER_COMMIT_BEFORE_SEND, faultpoints.AFTER_SEND_BEFORE_MARK]
)
async def test_a_relay_that_is_killed_is_carried_on_by_the_next(parts: Parts, fault: str) -> None:
    await parts.emit(range(EVENTS), subjects=9)
    async with worker(parts, "relay", fault) as process:
        await dies(process)
    async with worker(parts, "relay"), worker(parts, "consumer"):
        await every_effect_once_and_in_order(parts)


async def test_a_consumer_that_is_killed_before_its_offsets_does_nothing_twice(
    parts: Parts,
) -> None:
    await parts.emit(range(EVENTS), subjects=9)
    async with worker(parts, "relay"):
        async with worker(parts, "consumer", faultpoints.AFTER_COMMIT_BEFORE_OFFSET) as process:
            await dies(process)
        assert await parts.recorded(), "the killed consumer had committed a batch"
        async with worker(parts, "consumer"):
            await every_effect_once_and_in_order(parts)


async def test_a_consumer_that_is_killed_in_a_rebalance_loses_and_repeats_nothing(
    parts: Parts,
) -> None:
    await parts.emit(range(EVENTS // 2), subjects=9)
    async with (
        worker(parts, "relay"),
        worker(parts, "consumer", faultpoints.IN_REBALANCE) as killed,
    ):
        await has_effects(parts, 1)
        async with worker(parts, "consumer"):
            await dies(killed)
            await parts.emit(range(EVENTS // 2, EVENTS), subjects=9)
            await every_effect_once_and_in_order(parts)


async def test_the_outbox_is_empty_again_after_a_crash_between_send_and_mark(parts: Parts) -> None:
    await parts.emit(range(EVENTS))
    async with worker(parts, "relay", faultpoints.AFTER_SEND_BEFORE_MARK) as process:
        await dies(process)
    assert await parts.pool.fetchval("select count(*) from outbox") > 0

    async def empty() -> bool:
        return bool(await parts.pool.fetchval("select count(*) = 0 from outbox"))

    async with worker(parts, "relay"):
        await eventually(empty, "the outbox is empty")
