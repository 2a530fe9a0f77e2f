"""What lies in each topic, and how far each service has read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # admin has it without exporting it

__all__ = ["TopicState", "read_topics"]

TIMEOUT = 5.0  # seconds for each question to the broker


@dataclass(frozen=True)
class TopicState:
    """One topic: its partitions, the sum of their end offsets, and each reading service's distance from it."""

    name: str
    partitions: int
    events: int
    lag: dict[str, int] = field(default_factory=dict)


def read_topics(address: str, services: Sequence[str]) -> tuple[list[TopicState], str]:
    """All topics but the broker's own, and '' or why they can't be read. Never raises for a broker that is down."""
    if not address:
        return [], "no broker is known: brobyg local up"
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0, "socket.timeout.ms": int(TIMEOUT * 1000)})
    try:
        metadata = admin.list_topics(timeout=TIMEOUT)
        names = sorted(name for name in metadata.topics if not name.startswith("__"))
        partitions = [TopicPartition(name, number) for name in names for number in metadata.topics[name].partitions]
        ends = _ends(admin, partitions)
        positions = {name: _positions(admin, f"brobyg-{name}") for name in services}
    except KafkaException as error:
        return [], f"the broker at {address} does not answer ({error.args[0].str()})"
    states = []
    for name in names:
        mine = {number: end for (topic, number), end in ends.items() if topic == name}
        lag = {
            service: sum(max(0, end - read.get((name, number), 0)) for number, end in mine.items())
            for service, read in positions.items()
            if any(topic == name for topic, _ in read)
        }
        states.append(TopicState(name, len(metadata.topics[name].partitions), sum(mine.values()), lag))
    return states, ""


def _ends(admin: AdminClient, partitions: Sequence[TopicPartition]) -> dict[tuple[str, int], int]:
    """The end offset of each partition."""
    if not partitions:
        return {}
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library types the rest, not this
    asked = admin.list_offsets(dict.fromkeys(partitions, latest), request_timeout=TIMEOUT)
    return {
        (partition.topic, partition.partition): answer.result(TIMEOUT).offset for partition, answer in asked.items()
    }


def _positions(admin: AdminClient, group: str) -> dict[tuple[str, int], int]:
    """What the group has committed; empty for a group that has never read."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT)
    answer = asked[group].result(TIMEOUT)
    return {
        (partition.topic, partition.partition): partition.offset
        for partition in answer.topic_partitions
        if partition.offset >= 0
    }
