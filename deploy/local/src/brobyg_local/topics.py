"""What lies in each topic, and how far each service has read it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # admin has it without exporting it

__all__ = ["LAG_BOUND", "TopicState", "read_topics"]

TIMEOUT = 5.0  # seconds for each question to the broker
LAG_BOUND = 60.0  # seconds a record may lie unread


@dataclass(frozen=True)
class TopicState:
    """One topic: its partitions, the sum of their end offsets, and each reading service's distance from it."""

    name: str
    partitions: int
    events: int
    lag: dict[str, int] = field(default_factory=dict)
    overdue: dict[str, int] = field(default_factory=dict)
    """How much of the lag has lain there for longer than `LAG_BOUND`."""


def read_topics(address: str, services: Sequence[str]) -> tuple[list[TopicState], str]:
    """All topics but the broker's own, and '' or why they can't be read. Never raises for a broker that is down."""
    if not address:
        return [], "no broker is known: brobyg local up"
    admin = AdminClient(
        {"bootstrap.servers": address, "log_level": 0, "socket.timeout.ms": int(TIMEOUT * 1000)}
    )
    try:
        metadata = admin.list_topics(timeout=TIMEOUT)
        names = sorted(name for name in metadata.topics if not name.startswith("__"))
        partitions = [
            TopicPartition(name, number)
            for name in names
            for number in metadata.topics[name].partitions
        ]
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library types the rest, not this
        ends = _offsets(admin, partitions, latest)
        bound: OffsetSpec = OffsetSpec.for_timestamp(int((time.time() - LAG_BOUND) * 1000))
        young = _offsets(admin, partitions, bound)
        positions = {name: _positions(admin, f"brobyg-{name}") for name in services}
    except KafkaException as error:
        return [], f"the broker at {address} does not answer ({error.args[0].str()})"
    states = []
    for name in names:
        mine = {place: end for place, end in ends.items() if place[0] == name}
        # Where nothing is younger than the bound there is no first young record, and all that is unread is overdue.
        old = {
            place: end if young.get(place, -1) < 0 else young[place] for place, end in mine.items()
        }
        readers = {
            service: read
            for service, read in positions.items()
            if any(topic == name for topic, _ in read)
        }
        lag = {service: _unread(mine, read) for service, read in readers.items()}
        overdue = {service: _unread(old, read) for service, read in readers.items()}
        states.append(
            TopicState(
                name, len(metadata.topics[name].partitions), sum(mine.values()), lag, overdue
            )
        )
    return states, ""


def _unread(ends: Mapping[tuple[str, int], int], read: Mapping[tuple[str, int], int]) -> int:
    return sum(max(0, end - read.get(place, 0)) for place, end in ends.items())


def _offsets(
    admin: AdminClient, partitions: Sequence[TopicPartition], which: OffsetSpec
) -> dict[tuple[str, int], int]:
    """The offset of each partition that `which` asks for."""
    if not partitions:
        return {}
    asked = admin.list_offsets(dict.fromkeys(partitions, which), request_timeout=TIMEOUT)
    return {
        (partition.topic, partition.partition): answer.result(TIMEOUT).offset
        for partition, answer in asked.items()
    }


def _positions(admin: AdminClient, group: str) -> dict[tuple[str, int], int]:
    """What the group has committed; empty for a group that has never read."""
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT
    )
    answer = asked[group].result(TIMEOUT)
    return {
        (partition.topic, partition.partition): partition.offset
        for partition in answer.topic_partitions
        if partition.offset >= 0
    }
