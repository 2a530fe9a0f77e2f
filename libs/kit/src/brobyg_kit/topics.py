"""Topics as files: `schemas/topics/*.yaml` say what there is, `brobyg topics apply` makes it so."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
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
        raise FileNotFoundError(f"no topic files in {folder}; run from the project's folder or set BROBYG_TOPICS")
    return [_topic(file) for file in files]


def _topic(file: Path) -> Topic:
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        return Topic(
            name=file.stem,
            partitions=int(declared["partitions"]),
            retention_milliseconds=_retention(str(declared["retention"])),
            cleanup_policy=str(declared["cleanup_policy"]),
            compression=str(declared["compression"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file.name}: {error}") from error


def _retention(text: str) -> int:
    if text == "forever":
        return -1
    number, _, unit = text.partition(" ")
    if not number.isdigit() or unit not in ("day", "days"):
        raise ValueError(f"retention is {text!r}; expected 'forever' or a number of days such as '7 days'")
    return int(number) * _DAY_MILLISECONDS


def apply_topics(address: str, topics: list[Topic]) -> dict[str, str]:
    """Create the topics that are missing; by name, what was done.

    Replication is three, or the number of brokers when there are fewer. Blocks up to a minute. Raises KafkaException when the broker
    refuses or can't be reached, ValueError when a topic has another number of partitions than its file declares.
    """
    client = AdminClient({"bootstrap.servers": address})
    metadata = client.list_topics(timeout=REQUEST_TIMEOUT * 2)
    replicas = min(3, len(metadata.brokers))
    missing = [topic for topic in topics if topic.name not in metadata.topics]
    done = {topic.name: "was there" for topic in topics}
    made = client.create_topics(
        [NewTopic(t.name, num_partitions=t.partitions, replication_factor=replicas, config=t.configuration()) for t in missing],
        operation_timeout=REQUEST_TIMEOUT * 2,
    ) if missing else {}  # fmt: skip
    for name, future in made.items():
        try:
            future.result(REQUEST_TIMEOUT * 3)
            done[name] = "created"
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    for topic in topics:
        if topic not in missing:
            _insist_on_partitions(topic, len(metadata.topics[topic.name].partitions))
    return done


def _insist_on_partitions(topic: Topic, there: int) -> None:
    if there != topic.partitions:
        raise ValueError(
            f"{topic.name} has {there} partitions and its file declares {topic.partitions}: correct the file. Another number would give keys"
            " another partition, and what happens to one thing would no longer be in order; that takes a new version of the topic."
        )
