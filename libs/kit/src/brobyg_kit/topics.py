"""Topics as files: `schemas/topics/*.yaml` declare them, `brobyg topics apply` creates them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from brobyg_kit import kafka
from brobyg_kit.backoff import Backoff
from brobyg_kit.errors import PartitionsDiffer

_DAY_MILLISECONDS = 24 * 60 * 60 * 1000
#: How old a segment becomes, where records are to go, before the next record closes it.
SEGMENT = timedelta(hours=6)
_SEGMENT_MILLISECONDS = str(int(SEGMENT.total_seconds() * 1000))
#: A compacted topic: what a key had is off the disks within a day of the next record of its
#: partition. A deletion itself, which holds the key alone, stays for 30 days, so that a consumer
#: that was away for less misses none.
_COMPACTION = {
    "segment.ms": _SEGMENT_MILLISECONDS,
    "max.compaction.lag.ms": _SEGMENT_MILLISECONDS,
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": str(30 * _DAY_MILLISECONDS),
}
#: A topic whose records are kept for some days. Kafka deletes whole segments, each by its last
#: record: by its own default of a week, records of seven days could stay for fourteen.
_DELETION = {"segment.ms": _SEGMENT_MILLISECONDS}
#: Kafka's names for `timestamp_type`.
_TIMESTAMP_TYPES = {"append": "LogAppendTime"}
#: Kafka's code for a setting that was made on the topic itself, in answers to DescribeConfigs.
_SET_ON_TOPIC = 1


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as its file declares it."""

    name: str
    partitions: int
    #: How long records are kept; -1 is for ever.
    retention_milliseconds: int
    cleanup_policy: str
    compression: str
    #: `append`: a record's time is when the broker took it, whatever its sender says. By a
    #: sender's time a late record could be older than the retention and be deleted unread.
    timestamp_type: str = "append"

    def configuration(self) -> dict[str, str]:
        """Kafka's names for it."""
        return {
            "retention.ms": str(self.retention_milliseconds),
            "cleanup.policy": self.cleanup_policy,
            "compression.type": self.compression,
            "message.timestamp.type": _TIMESTAMP_TYPES[self.timestamp_type],
            **(_COMPACTION if self.cleanup_policy == "compact" else {}),
            **(_DELETION if self.retention_milliseconds > 0 else {}),
        }


def load_topics(folder: Path) -> list[Topic]:
    """The topics declared in `folder`, by name.

    Raises FileNotFoundError, or ValueError that says which file is wrong.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FileNotFoundError(
            f"no topic files in {folder}; run from the project's folder or set BROBYG_TOPICS"
        )
    return [_topic(file) for file in files]


def _topic(file: Path) -> Topic:
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        if declared["timestamp_type"] not in _TIMESTAMP_TYPES:
            raise ValueError(f"timestamp_type is {declared['timestamp_type']!r}; expected 'append'")
        return Topic(
            name=file.stem,
            partitions=int(declared["partitions"]),
            retention_milliseconds=-1
            if (days := retention_days(str(declared["retention"]))) is None
            else days * _DAY_MILLISECONDS,
            cleanup_policy=str(declared["cleanup_policy"]),
            compression=str(declared["compression"]),
            timestamp_type=str(declared["timestamp_type"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file.name}: {error}") from error


def retention_days(text: str) -> int | None:
    """Days that records are kept; None is for ever.

    Raises ValueError for anything but `forever` or `<n> days`.
    """
    if text == "forever":
        return None
    number, _, unit = text.partition(" ")
    if not number.isdecimal() or unit not in ("day", "days"):
        raise ValueError(
            f"retention is {text!r}; expected 'forever' or a number of days such as '7 days'"
        )
    return int(number)


async def apply_topics(address: str, topics: list[Topic]) -> dict[str, str]:
    """Create the topics that are missing and correct those that exist; by name, what was done.

    Replication is three, or the number of brokers when there are fewer; a record is acknowledged
    when all but one of the copies have it. What else was set on a topic stays as it is. Raises
    KafkaError when the broker refuses or can't be reached, PartitionsDiffer when a topic has
    another number of partitions than its file declares; nothing was done then. Raises TimeoutError
    when a topic is not known everywhere within ten seconds.
    """
    async with kafka.admin(address) as client:
        found = await kafka.partitions(client, [topic.name for topic in topics])
        _check_partitions(topics, found)
        replicas = min(3, len((await client.describe_cluster())["brokers"]))
        missing = [topic for topic in topics if topic.name not in found]
        made = await _create(client, missing, replicas)
        _check_partitions(topics, await _visible(client, topics))
        existing = [topic for topic in topics if made.get(topic.name) != "created"]
        return {**made, **await _correct(client, existing)}


async def segment_of(address: str, name: str) -> timedelta:
    """How old a topic's segment becomes before the next record closes it.

    Raises KafkaError when the broker can't be reached or does not know the topic.
    """
    async with kafka.admin(address) as client:
        [(values, _)] = await _configurations(client, [name])
    return timedelta(milliseconds=int(values["segment.ms"]))


async def set_on_topic(address: str, name: str, settings: Mapping[str, str]) -> None:
    """Set these on the topic too, until `apply_topics` corrects those that its file declares.

    Raises KafkaError when the broker refuses, can't be reached or does not know the topic.
    """
    async with kafka.admin(address) as client:
        [(_, before)] = await _configurations(client, [name])
        await _alter(client, {name: {**before, **settings}})


async def _visible(
    client: AIOKafkaAdminClient, topics: list[Topic]
) -> dict[str, list[TopicPartition]]:
    """The partitions of all `topics`, once the broker that is asked knows of them.

    It may learn of a topic some moments after the controller has made it. Raises TimeoutError when
    it has not within `kafka.REQUEST_TIMEOUT`.
    """
    names = {topic.name for topic in topics}
    backoff = Backoff(first=0.02, longest=0.5)
    async with asyncio.timeout(kafka.REQUEST_TIMEOUT):
        while True:
            found = await kafka.partitions(client, names)
            if names <= found.keys():
                return found
            await asyncio.sleep(backoff.next())


async def _create(
    client: AIOKafkaAdminClient, topics: list[Topic], replicas: int
) -> dict[str, str]:
    if not topics:
        return {}
    insync = {"min.insync.replicas": str(max(1, replicas - 1))}
    response = await client.create_topics(
        [
            NewTopic(
                topic.name,
                topic.partitions,
                replicas,
                topic_configs={**topic.configuration(), **insync},
            )
            for topic in topics
        ]
    )
    done = {}
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {' '.join(text for text in message if text)}")
        done[name] = "was there" if code else "created"  # another run may have been faster
    return done


async def _correct(client: AIOKafkaAdminClient, topics: list[Topic]) -> dict[str, str]:
    """Set what differs: a topic made otherwise could lose its history, or keep what it must not."""
    done = dict.fromkeys((topic.name for topic in topics), "was there")
    changes = {}
    for topic, (values, on_topic) in zip(
        topics, await _configurations(client, [one.name for one in topics]), strict=True
    ):
        declared = topic.configuration()
        differing = [name for name, value in declared.items() if values.get(name) != value]
        if differing:
            # AlterConfigs replaces all that is set on a topic, so the rest is sent along.
            changes[topic.name] = {**on_topic, **declared}
            changed = (f"{name} from {values.get(name)} to {declared[name]}" for name in differing)
            done[topic.name] = f"was there, set {', '.join(changed)}"
    await _alter(client, changes)
    return done


async def _alter(client: AIOKafkaAdminClient, changes: Mapping[str, Mapping[str, str]]) -> None:
    """By topic, all that is to be set on it."""
    if not changes:
        return
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs) for name, configs in changes.items()
    ]
    for response in await client.alter_configs(resources):
        for code, message, *_ in response.resources:
            if code:
                raise for_code(code)(message)


async def _configurations(
    client: AIOKafkaAdminClient, names: list[str]
) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Each topic's whole configuration, and the part of it that was set on the topic itself."""
    if not names:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            found[name] = (
                {key: value for key, value, *_ in entries},
                {key: value for key, value, _, source, *_ in entries if source == _SET_ON_TOPIC},
            )
    return [found[name] for name in names]


def _check_partitions(topics: list[Topic], found: dict[str, list[TopicPartition]]) -> None:
    for topic in topics:
        there = len(found.get(topic.name, ()))
        if there not in (0, topic.partitions):
            raise PartitionsDiffer(
                f"{topic.name} has {there} partitions and its file declares {topic.partitions}:"
                " correct the file. With another number a key would go to another partition, and"
                " the events of one subject would no longer be in order; that takes a new version"
                " of the topic."
            )
