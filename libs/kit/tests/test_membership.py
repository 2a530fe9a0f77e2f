"""A process with a name in its group: who comes back under it has its partitions at once; two under one name don't both go on."""

import asyncio
import sys

import pytest
from confluent_kafka import KafkaException
from delivery_parts import Parts, going, has_effects, record

# A member whose session outlasts every test: the broker takes it for alive long after it was killed.
MEMBER = """
import sys
from brobyg_kit import kafka
address, group, topic, instance = sys.argv[1:]
member = kafka.consumer(address, group, **{"group.instance.id": instance, "session.timeout.ms": 300_000})
member.subscribe([topic])
while not member.assignment():
    member.poll(0.1)
print("assigned", flush=True)
while True:
    member.poll(0.1)
"""


async def test_who_was_killed_and_comes_back_under_its_name_goes_on_though_its_session_stands(parts: Parts) -> None:
    await parts.emit(range(30), subjects=9)
    consumer = parts.consumer(record, instance="one")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEMBER, parts.kafka, f"brobyg-test{parts.topic}", parts.topic, "one",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"assigned\n"
    process.kill()
    await process.wait()
    async with going(parts.relay()), going(consumer):
        await has_effects(parts, 30)


async def test_of_two_under_one_name_the_earlier_ends_with_an_error_and_the_later_goes_on(parts: Parts) -> None:
    earlier = asyncio.create_task(parts.consumer(record, instance="one").run())
    await parts.emit(range(3))
    async with going(parts.relay()):
        await has_effects(parts, 3)
        async with going(parts.consumer(record, instance="one")):
            with pytest.raises(KafkaException, match="fenced by other consumer"):
                await asyncio.wait_for(earlier, 60)
            await parts.emit(range(3, 30), subjects=9)
            await has_effects(parts, 30)
