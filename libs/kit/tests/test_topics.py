"""Topics are as their files declare them, whoever made them first."""

import uuid

import pytest
from brobyg_kit.topics import Topic, apply_topics
from confluent_kafka.admin import AdminClient, ConfigResource
from confluent_kafka.cimpl import NewTopic


def a_topic(**changes: object) -> Topic:
    fields: dict[str, object] = {
        "name": f"declared.{uuid.uuid4().hex[:8]}", "partitions": 2, "retention_milliseconds": -1, "cleanup_policy": "delete", "compression": "zstd",
    }  # fmt: skip
    return Topic(**{**fields, **changes})  # type: ignore[arg-type]  # each test gives what the field takes


def configuration(kafka: str, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    client = AdminClient({"bootstrap.servers": kafka})
    [described] = client.describe_configs([resource]).values()
    return {key: entry.value for key, entry in described.result(20).items()}


def test_a_missing_topic_is_created_and_then_found(kafka: str) -> None:
    topic = a_topic()
    assert apply_topics(kafka, [topic]) == {topic.name: "created"}
    assert apply_topics(kafka, [topic]) == {topic.name: "was there"}
    assert configuration(kafka, topic.name)["retention.ms"] == "-1"


def test_a_topic_that_somebody_made_with_a_weeks_retention_is_set_to_keep_its_history_for_ever(
    kafka: str,
) -> None:
    topic, week = a_topic(), str(7 * 24 * 3600 * 1000)
    client = AdminClient({"bootstrap.servers": kafka})
    client.create_topics([NewTopic(topic.name, 2, 1, config={"retention.ms": week})])[
        topic.name
    ].result(20)
    told = apply_topics(kafka, [topic])[topic.name]
    assert f"retention.ms from {week} to -1" in told
    assert configuration(kafka, topic.name)["retention.ms"] == "-1"
    assert apply_topics(kafka, [topic]) == {topic.name: "was there"}


def test_another_number_of_partitions_is_refused_and_nothing_is_made(kafka: str) -> None:
    topic, other = a_topic(), a_topic()
    apply_topics(kafka, [topic])
    with pytest.raises(ValueError, match="has 2 partitions and its file declares 3"):
        apply_topics(kafka, [other, a_topic(name=topic.name, partitions=3)])
    assert (
        other.name not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    )
