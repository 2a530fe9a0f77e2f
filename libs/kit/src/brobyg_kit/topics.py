"""Topics as files: `schemas/topics/*.yaml` say what there is, `brobyg topics apply` makes it so."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented names, which it does not list in __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewTopic

from brobyg_kit.kafka import REQUEST_TIMEOUT

_DAY_MILLISECONDS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as its file declares it. `retention_milliseconds` is -1 for ever."""

    name: str
    partitions: int
    retention_milliseconds: int
    cleanup_policy: str
    compression: str

    def configuration(self) -> dict[str, str]:
        """Kafka's names for it."""
        return {
            "retention.ms": str(self.retention_milliseconds),
            "cleanup.policy": self.cleanup_policy,
            "compression.type": self.compression,
        }


def load_topics(folder: Path) -> list[Topic]:
    """The topics declared in `folder`, by name. Raises FileNotFoundError or ValueError that says which file is wrong."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FileNotFoundError(
            f"no topic files in {folder}; run from the project's folder or set BROBYG_TOPICS"
        )
    return [_topic(file) for file in files]


def _topic(file: Path) -> Topic:
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        return Topic(
            name=file.stem,
            partitions=int(declared["partitions"]),
            retention_milliseconds=-1
            if (days := retention_days(str(declared["retention"]))) is None
            else days * _DAY_MILLISECONDS,
            cleanup_policy=str(declared["cleanup_policy"]),
            compression=str(declared["compression"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file.name}: {error}") from error


def retention_days(text: str) -> int | None:
    """Days that records are kept; None is for ever. Raises ValueError for anything but `forever` or `<n> days`."""
    if text == "forever":
        return None
    number, _, unit = text.partition(" ")
    if not number.isdecimal() or unit not in ("day", "days"):
        raise ValueError(
            f"retention is {text!r}; expected 'forever' or a number of days such as '7 days'"
        )
    return int(number)


def apply_topics(address: str, topics: list[Topic]) -> dict[str, str]:
    """Create the topics that are missing and set those that are there as they are declared; by name, what was done.

    Replication is three, or the number of brokers when there are fewer; a record is acknowledged when all but one of the copies have it. Blocks up
    to two minutes. Raises KafkaException when the broker refuses or can't be reached, ValueError when a topic has another number of partitions
    than its file declares.
    """
    client = AdminClient({"bootstrap.servers": address})
    metadata = client.list_topics(timeout=REQUEST_TIMEOUT * 2)
    replicas = min(3, len(metadata.brokers))
    known = [topic for topic in topics if topic.name in metadata.topics]
    for topic in known:
        _insist_on_partitions(topic, len(metadata.topics[topic.name].partitions))
    made = _create(client, [topic for topic in topics if topic not in known], replicas)
    return {**made, **_correct(client, known)}


def _create(client: AdminClient, topics: list[Topic], replicas: int) -> dict[str, str]:
    if not topics:
        return {}
    insync = {"min.insync.replicas": str(max(1, replicas - 1))}
    asked = client.create_topics(
        [
            NewTopic(t.name, t.partitions, replicas, config={**t.configuration(), **insync})
            for t in topics
        ],
        operation_timeout=REQUEST_TIMEOUT * 2,
    )
    done = {}
    for name, future in asked.items():
        try:
            future.result(REQUEST_TIMEOUT * 3)
            done[name] = "created"
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            done[name] = "was there"  # somebody else was first, with the same files
    return done


def _correct(client: AdminClient, topics: list[Topic]) -> dict[str, str]:
    """A topic that somebody made otherwise would lose the history after a week, or keep what is to be forgotten."""
    done = dict.fromkeys((topic.name for topic in topics), "was there")
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic.name) for topic in topics]
    described = (
        client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT) if resources else {}
    )
    found = {
        resource.name: future.result(REQUEST_TIMEOUT * 2) for resource, future in described.items()
    }
    changes = []
    for topic in topics:
        declared = topic.configuration()
        differs = [
            name for name, value in declared.items() if found[topic.name][name].value != value
        ]
        if differs:
            entries = [
                ConfigEntry(name, declared[name], incremental_operation=AlterConfigOpType.SET)
                for name in differs
            ]
            changes.append(
                ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=entries)
            )
            told = (
                f"{name} from {found[topic.name][name].value} to {declared[name]}"
                for name in differs
            )
            done[topic.name] = f"was there, set {', '.join(told)}"
    if changes:
        for future in client.incremental_alter_configs(
            changes, request_timeout=REQUEST_TIMEOUT
        ).values():
            future.result(REQUEST_TIMEOUT * 2)
    return done


def _insist_on_partitions(topic: Topic, there: int) -> None:
    if there != topic.partitions:
        raise ValueError(
            f"{topic.name} has {there} partitions and its file declares {topic.partitions}: correct the file. Another number would give keys"
            " another partition, and what happens to one thing would no longer be in order; that takes a new version of the topic."
        )
