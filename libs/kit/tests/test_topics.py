"""Topics are as their files declare them, whoever made them first."""

import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from brobyg_kit import kafka as clients
from brobyg_kit.errors import PartitionsDiffer
from brobyg_kit.testing import eventually
from brobyg_kit.topics import Topic, apply_topics, load_topics, segment_of, set_on_topic


def a_topic(**changes: object) -> Topic:
    fields: dict[str, object] = {
        "name": f"declared.{uuid.uuid4().hex[:8]}", "partitions": 2, "retention_milliseconds": -1,
        "cleanup_policy": "delete", "compression": "zstd",
    }  # fmt: skip
    return Topic(**{**fields, **changes})  # type: ignore[arg-type]  # as each test gives


async def configuration(kafka: str, name: str) -> dict[str, str]:
    async with clients.admin(kafka) as admin:
        [response] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    [(_, _, _, _, entries)] = response.resources
    return {key: value for key, value, *_ in entries}


async def kept_for_ever(kafka: str, name: str) -> dict[str, str]:
    """The topic's configuration, once the broker shows what has just been set."""

    async def shown() -> bool:
        return (await configuration(kafka, name))["retention.ms"] == "-1"

    await eventually(shown, f"{name} is kept for ever")
    return await configuration(kafka, name)


async def made_otherwise(kafka: str, name: str, **configs: str) -> None:
    """A topic of two partitions that somebody made with settings of their own."""
    named = {key.replace("_", "."): value for key, value in configs.items()}
    async with clients.admin(kafka) as admin:
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=named)])


async def test_a_missing_topic_is_created_and_then_found(kafka: str) -> None:
    topic = a_topic()
    assert await apply_topics(kafka, [topic]) == {topic.name: "created"}
    assert await apply_topics(kafka, [topic]) == {topic.name: "was there"}
    await kept_for_ever(kafka, topic.name)


async def test_a_topic_made_with_a_weeks_retention_is_set_to_keep_its_history_for_ever(
    kafka: str,
) -> None:
    topic, week = a_topic(), str(7 * 24 * 3600 * 1000)
    await made_otherwise(kafka, topic.name, retention_ms=week)
    told = (await apply_topics(kafka, [topic]))[topic.name]
    assert f"retention.ms from {week} to -1" in told
    await kept_for_ever(kafka, topic.name)
    assert await apply_topics(kafka, [topic]) == {topic.name: "was there"}


async def test_a_compacted_topic_lets_go_of_old_values_within_a_day(kafka: str) -> None:
    topic, day = a_topic(cleanup_policy="compact"), 24 * 3600 * 1000
    await made_otherwise(kafka, topic.name, cleanup_policy="compact")
    await apply_topics(kafka, [topic])

    async def shown() -> bool:
        found = await configuration(kafka, topic.name)
        return int(found["segment.ms"]) + int(found["max.compaction.lag.ms"]) <= day

    await eventually(shown, "the broker shows what has just been set")
    assert (await configuration(kafka, topic.name))["cleanup.policy"] == "compact"
    assert await apply_topics(kafka, [topic]) == {topic.name: "was there"}


async def test_records_that_are_kept_for_days_go_within_a_quarter_of_a_day_more(
    kafka: str,
) -> None:
    topic = a_topic(retention_milliseconds=7 * 24 * 3600 * 1000)
    await made_otherwise(kafka, topic.name, retention_ms=str(topic.retention_milliseconds))
    await apply_topics(kafka, [topic])

    async def short() -> bool:
        return await segment_of(kafka, topic.name) <= timedelta(hours=6)

    await eventually(short, "the segments are short")


async def test_what_an_operator_set_beside_what_is_declared_stays(kafka: str) -> None:
    topic = a_topic()
    await made_otherwise(kafka, topic.name, retention_ms="1000", segment_bytes="2000000")
    await apply_topics(kafka, [topic])
    assert (await kept_for_ever(kafka, topic.name))["segment.bytes"] == "2000000"


async def test_what_is_set_on_a_topic_is_added_to_what_was_set_and_corrected_again(
    kafka: str,
) -> None:
    topic = a_topic(cleanup_policy="compact")
    await apply_topics(kafka, [topic])
    await set_on_topic(kafka, topic.name, {"segment.ms": "1500"})

    async def short() -> bool:
        return await segment_of(kafka, topic.name) == timedelta(seconds=1.5)

    await eventually(short, "the segments are short")
    assert (await configuration(kafka, topic.name))["cleanup.policy"] == "compact"
    assert "segment.ms from 1500 to" in (await apply_topics(kafka, [topic]))[topic.name]


async def test_another_number_of_partitions_is_refused_and_nothing_is_made(kafka: str) -> None:
    topic, other = a_topic(), a_topic()
    await apply_topics(kafka, [topic])
    with pytest.raises(PartitionsDiffer, match="has 2 partitions and its file declares 3"):
        await apply_topics(kafka, [other, a_topic(name=topic.name, partitions=3)])
    async with clients.admin(kafka) as admin:
        assert other.name not in await admin.list_topics()


async def test_a_record_has_the_brokers_time_whatever_its_sender_says(kafka: str) -> None:
    """By the sender's it would be older than the retention, and deleted before it is read."""
    topic = a_topic(retention_milliseconds=3600_000)
    await apply_topics(kafka, [topic])
    began, years_ago = time.time() * 1000, 1_000_000_000_000
    async with clients.broker(kafka, "test") as broker:
        record = await broker.publish(
            b"late", topic.name, key=b"a", partition=0, timestamp_ms=years_ago
        )
    assert record.timestamp >= began - 1000


def test_a_file_that_does_not_state_its_timestamps_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "thing.v1.yaml"
    declared = "partitions: 1\nretention: forever\ncleanup_policy: delete\ncompression: zstd\n"
    file.write_text(declared)
    with pytest.raises(ValueError, match=r"thing\.v1\.yaml.*timestamp_type"):
        load_topics(tmp_path)
    file.write_text(f"{declared}timestamp_type: create\n")
    with pytest.raises(ValueError, match="expected 'append'"):
        load_topics(tmp_path)
    file.write_text(f"{declared}timestamp_type: append\n")
    [topic] = load_topics(tmp_path)
    assert topic.configuration()["message.timestamp.type"] == "LogAppendTime"
