"""What is in each topic, and how far each service has read it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from brobyg_contracts.topics import TOPICS
from brobyg_kit import kafka

#: Seconds a record may wait unread.
LAG_BOUND = 60.0


@dataclass(frozen=True)
class TopicState:
    """One topic: its partitions, its records so far, and how many each reading service has left."""

    name: str
    partitions: int
    events: int
    lag: dict[str, int] = field(default_factory=dict)
    #: How much of the lag has been there for longer than `LAG_BOUND`.
    overdue: dict[str, int] = field(default_factory=dict)


async def read_topics(address: str, services: Sequence[str]) -> tuple[list[TopicState], str]:
    """The system's topics that exist, and '' or why they can't be read.

    Never raises for a broker that is down.
    """
    if not address:
        return [], "no broker is known: brobyg local up"
    try:
        return await _read(address, services), ""
    except (KafkaError, OSError, ValueError) as error:
        return [], f"the broker at {address} does not answer ({type(error).__name__})"


async def _read(address: str, services: Sequence[str]) -> list[TopicState]:
    # It learns of one topic at a time, with this pause after each: by default, a tenth of a second.
    pause = {"retry_backoff_ms": 5}
    async with kafka.admin(address) as admin, kafka.reader(address, **pause) as reader:
        topics = await kafka.partitions(admin, TOPICS)
        every = [partition for partitions in topics.values() for partition in partitions]
        ranges = await kafka.watermarks(reader, every)
        ends = {one: end for one, (_, end) in ranges.items()}
        bound = int((time.time() - LAG_BOUND) * 1000)
        young = await reader.offsets_for_times(dict.fromkeys(every, bound))
        # Where no record is younger than the bound, all that is unread is overdue.
        old = {one: found.offset if (found := young[one]) else ends[one] for one in every}
        read = {
            name: await admin.list_consumer_group_offsets(f"brobyg-{name}") for name in services
        }

    def unread(
        service: str, partitions: list[TopicPartition], until: dict[TopicPartition, int]
    ) -> int:
        committed = read[service]
        return sum(
            max(
                0,
                until[one] - max(ranges[one][0], committed[one].offset if one in committed else 0),
            )
            for one in partitions
        )

    states = []
    for name, partitions in sorted(topics.items()):
        readers = [one for one in services if any(part.topic == name for part in read[one])]
        states.append(
            TopicState(
                name,
                len(partitions),
                sum(ends[one] for one in partitions),
                {one: unread(one, partitions, ends) for one in readers},
                {one: unread(one, partitions, old) for one in readers},
            )
        )
    return states
