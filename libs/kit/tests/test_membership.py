"""A process with a name in its group has its partitions at once when it comes back under it.

Of two under one name only the later goes on.
"""

import asyncio
import sys

from brobyg_kit.consumer import Subscription
from brobyg_kit.testing import eventually
from delivery_parts import Parts, going, has_effects, record

# Its session outlasts every test: to the broker it is alive long after it was killed.
MEMBER = """
import asyncio
import sys
from aiokafka import AIOKafkaConsumer
address, group, topic, instance = sys.argv[1:]

async def main():
    member = AIOKafkaConsumer(
        topic, bootstrap_servers=address, group_id=group, group_instance_id=instance,
        session_timeout_ms=300_000, enable_auto_commit=False, auto_offset_reset="earliest",
    )
    await member.start()
    assert len(member.assignment()) == 3
    print("assigned", flush=True)
    while True:
        await member.getmany(timeout_ms=100)

asyncio.run(main())
"""


async def test_who_was_killed_and_comes_back_under_its_name_goes_on_though_its_session_stands(
    parts: Parts,
) -> None:
    await parts.emit(range(30), subjects=9)
    consumer = parts.consumer(record, instance="one", lanes=1)
    name = consumer._subscription.member(0)
    assert name is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEMBER, parts.kafka, f"brobyg-test{parts.topic}", parts.topic, name,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"assigned\n"
    process.kill()
    await process.wait()
    async with going(parts.relay()), going(consumer):
        await has_effects(parts, 30)


async def test_a_process_that_was_killed_and_comes_back_with_all_its_lanes_goes_on_at_once(
    parts: Parts,
) -> None:
    """Its members are taken for alive for ten seconds more, and nobody waits for them."""
    await parts.emit(range(9), subjects=9)
    killed = parts.consumer(record, instance="one")
    running = asyncio.create_task(killed.run())
    async with going(parts.relay()):
        await has_effects(parts, 9)

        async def complete() -> bool:
            return not killed._heartbeat.trouble

        await eventually(complete, "both lanes are in the group")
        running.cancel()  # a static member does not leave its group, so this is as a kill
        await asyncio.wait([running])
        await parts.emit(range(9, 18), subjects=9)
        async with going(parts.consumer(record, instance="one")):
            await has_effects(parts, 18, timeout=6)


async def test_of_two_under_one_name_the_earlier_ends_and_the_later_goes_on(parts: Parts) -> None:
    earlier = asyncio.create_task(parts.consumer(record, instance="one").run())
    await parts.emit(range(3))
    async with going(parts.relay()):
        await has_effects(parts, 3)
        async with going(parts.consumer(record, instance="one")):
            await asyncio.wait_for(earlier, 60)
            await parts.emit(range(3, 30), subjects=9)
            # The group may wait for a lane that the earlier had until its session is over.
            await has_effects(parts, 30, timeout=40)
    assert sorted(number for _, number in await parts.recorded()) == list(range(30))


def test_a_member_that_comes_back_to_read_more_topics_comes_under_another_name() -> None:
    """The broker gives a name what it had before."""

    def name(*topics: str, instance: str = "one", lane: int = 0) -> str | None:
        return Subscription("thing", topics, record, instance=instance).member(lane)

    assert name("a", "b") == name("b", "a") != name("a")
    assert name("a") != name("a", lane=1)
    assert name("a", instance="") is None
