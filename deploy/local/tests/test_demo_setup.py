"""What the demo may empty: its own data, never another's, never what was named from outside."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from brobyg_kit.clock import AcceleratedClock, parse_clock
from brobyg_kit.kafka import batch_producer
from brobyg_kit.migrate import create_database
from brobyg_kit.testing import eventually
from brobyg_kit.topics import apply_topics, load_topics
from brobyg_local.clock import at_real_speed
from brobyg_local.demo.setup import DemoSetup
from brobyg_local.errors import LocalError, TopicUnreadable
from brobyg_local.state import ROOT, StateFolder
from brobyg_local.system import System

TOPIC = "brobyg.referral.v1"
WEEK = "2026-11-30T00:00:00+01:00"


def setup_in(folder: Path, said: list[str], **given: str) -> DemoSetup:
    state = StateFolder(folder)
    with state.locked():
        system = System(state, said.append, given=given, ports={}, owner=os.getpid(), durable=False)
    return DemoSetup(system, said.append, folder / "start.json")


async def write_one(kafka: str) -> None:
    async with batch_producer(kafka, "test") as writer:
        await writer.send_and_wait(TOPIC, b"{}", b"somebody")


async def test_a_given_broker_that_holds_something_is_refused_even_with_reset(
    topics: str, tmp_path: Path
) -> None:
    setup = setup_in(tmp_path, [], BROBYG_KAFKA=topics)

    async def cleared() -> bool:
        try:
            await asyncio.to_thread(setup.empty, reset=True)
        except TopicUnreadable:  # its partitions are new: some have no leader yet
            return False
        return True

    await eventually(cleared, "an empty broker is taken")
    await write_one(topics)
    with pytest.raises(
        LocalError, match=f"BROBYG_KAFKA names .{topics}. holds 1 records"
    ) as refused:
        await asyncio.to_thread(setup.empty, reset=True)
    assert "delete its topics" in refused.value.advice
    assert "unset BROBYG_KAFKA" in refused.value.advice


def test_a_given_database_that_is_in_use_is_refused_without_naming_its_password(
    postgres: str, tmp_path: Path
) -> None:
    setup = setup_in(tmp_path, [], BROBYG_DATABASE=postgres)
    setup.empty(reset=True)
    assert asyncio.run(create_database(postgres, "portal"))
    try:
        with pytest.raises(LocalError, match="holds brobyg_portal") as refused:
            setup.empty(reset=True)
    finally:
        asyncio.run(drop(postgres, "brobyg_portal"))
    assert "drop database brobyg_portal;" in refused.value.advice
    assert "@" not in refused.value.explain()


async def drop(server: str, name: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f'drop database "{name}"')
    await connection.close()


def test_nothing_is_started_where_broker_and_database_are_given(
    kafka: str, postgres: str, tmp_path: Path
) -> None:
    system = setup_in(tmp_path, [], BROBYG_KAFKA=kafka, BROBYG_DATABASE=postgres).system
    system.start_stores()
    assert system.supervisor.states() == {}


@pytest.fixture
def in_use(tmp_path: Path) -> Iterator[DemoSetup]:
    """A folder whose broker holds one event, and whose clock is a demo's."""
    setup = setup_in(tmp_path, [])
    system = setup.system
    system.start_stores()
    kafka = system.cluster.kafka.address
    try:
        asyncio.run(apply_topics(kafka, load_topics(ROOT / "schemas" / "topics")))
        asyncio.run(write_one(kafka))
        anchor = datetime.now(UTC).isoformat()
        environment = {"BROBYG_CLOCK": f"{WEEK};1;{anchor}", "BROBYG_KAFKA": kafka}
        system.folder.environment.write_text(json.dumps(environment))
        yield setup
    finally:
        system.reset()


def test_data_are_a_demos_by_its_mark_and_not_by_their_clock(in_use: DemoSetup) -> None:
    with pytest.raises(LocalError, match="holds data that no demo made"):
        in_use.empty(reset=False)
    said: list[str] = []
    setup = setup_in(in_use.system.folder.path, said)
    (setup.system.folder.local / "demo.json").write_text('{"began": "2026-11-25 09:14"}')
    setup.empty(reset=False)
    assert any(
        "what the demo of 2026-11-25 09:14 left, and whatever was entered since" in text
        for text in said
    )
    assert setup.system.supervisor.states() == {}
    assert not (setup.system.folder.local / "demo.json").exists()


def test_a_fast_clock_goes_on_at_real_speed_from_where_it_stands() -> None:
    anchor = datetime.now(UTC) - timedelta(seconds=60)
    slowed = at_real_speed(f"{WEEK};5040;{anchor.isoformat()}")
    clock = parse_clock(slowed)
    assert isinstance(clock, AcceleratedClock)
    assert clock.factor == 1
    passed = clock.now() - datetime.fromisoformat(WEEK)
    assert timedelta(seconds=60 * 5040 - 1) <= passed < timedelta(seconds=90 * 5040)
    assert at_real_speed(slowed) == slowed
    assert at_real_speed("") == ""
