"""Alive and ready are told by the loops, not by whether a port answers."""

import asyncio
import subprocess
import sys

from brobyg_kit.clock import WallClock
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Database
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import HANG_LIMIT, Check, Health, Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.testing import eventually
from delivery_parts import record

_HANGS = """
import threading
from brobyg_kit import health
health.HANG_LIMIT = {limit}
watched = health.Health()
watched.heartbeat("consumer").beat()
watched.watch(every=0.05)
threading.Event().wait({patience})
"""


def ends_with(limit: float, patience: float) -> int:
    script = _HANGS.format(limit=limit, patience=patience)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    ).returncode


def test_a_process_whose_loop_hangs_is_ended() -> None:
    assert ends_with(limit=0.2, patience=30) == 70


def test_a_process_whose_loops_go_round_is_left_alone() -> None:
    assert ends_with(limit=60, patience=0.5) == 0


async def test_what_is_in_a_loops_way_makes_the_process_unready_and_is_told() -> None:
    health = Health()
    health.heartbeat("consumer").struggle("consumer: no broker answers")
    ready, checks = await health.report()
    assert (ready, checks["consumer"]["detail"]) == (False, "consumer: no broker answers")
    health.heartbeat("consumer").beat()
    assert (await health.report())[0]


async def test_a_dependency_that_does_not_answer_makes_the_process_unready() -> None:
    health = Health()

    async def away() -> Check:
        return Check(False, "away")

    health.checks["database"] = away
    assert not (await health.report())[0]


def test_a_loop_is_hung_when_it_has_not_gone_round_within_the_limit() -> None:
    health = Health()
    health.heartbeat("consumer").beaten_at -= HANG_LIMIT + 1
    health.heartbeat("relay").beat()
    assert health.hung() == ["consumer"]


async def test_a_consumer_without_a_broker_is_alive_and_says_that_none_answers() -> None:
    heartbeat = Heartbeat("consumer")
    database = Database("postgresql://nobody@127.0.0.1:1/none", WallClock(), "test")
    subscription = Subscription("test", ["some.topic"], record)
    consumer = Consumer(f"127.0.0.1:{free_port()}", database, subscription, Metrics(), heartbeat)

    async def told() -> bool:
        return "no broker answers" in heartbeat.trouble

    task = asyncio.create_task(consumer.run())
    await eventually(told, "the consumer says so")
    consumer.stop()
    await asyncio.wait([task], timeout=20)
    assert task.done()
