"""Who owns, writes and reads each topic, and how the broker keeps it."""

import pytest
from brobyg_contracts import EVENTS, TOPICS
from brobyg_kit.cli import load_service, service_entry_points
from brobyg_kit.domain import domain
from brobyg_kit.event import EventData, topic_of
from brobyg_kit.topics import retention_days

from schemas.tools.sources import OWN_TOPIC, Sources

SERVICES = {"referral", "matching", "notification", "reporting"}
HISTORY = ["brobyg.referral.v1", "brobyg.matching.v1", "brobyg.notification.v1"]


def test_every_event_is_in_one_topic_or_in_each_emitting_service_s_own(
    event: str, sources: Sources
) -> None:
    topics = sources.topics_of(event)

    assert [sources.topic_of(event).format(source=sources.topics[one].owner) for one in topics] == (
        list(topics)
    )


def test_every_event_that_a_topic_names_has_a_schema(sources: Sources) -> None:
    named = {event for topic in sources.topics.values() for event in topic.events}

    assert named == set(sources.events)
    assert {f"dk.brobyg.{event}" for event in named} == set(EVENTS)
    for name, carried in TOPICS.items():
        for event in carried:
            assert EVENTS[event].TOPIC in (name, OWN_TOPIC), (event, name)


def test_the_key_of_an_event_is_a_required_id_of_its_own(event: str, sources: Sources) -> None:
    schema = sources.events[event]
    subject = sources.subject_of(event)
    named = schema.properties[subject].ref

    assert subject in schema.required
    assert all(sources.topics[one].events[event] == subject for one in sources.topics_of(event))
    assert named in {f"../types.schema.json#/$defs/{name}" for name in ("id", "reference_key")}


def test_only_its_owner_writes_a_topic(sources: Sources) -> None:
    assert {name: topic.producers for name, topic in sources.topics.items()} == {
        name: (topic.owner,) for name, topic in sources.topics.items()
    }


def test_a_topic_s_owner_is_a_service_or_the_hospital_and_nobody_reads_his_own(
    sources: Sources,
) -> None:
    for topic in sources.topics.values():
        assert {topic.owner, *topic.consumers} <= SERVICES | {"hospital"}
        assert topic.owner not in topic.consumers


@pytest.mark.parametrize("name", HISTORY)
def test_history_is_kept_for_ever_and_only_grows(sources: Sources, name: str) -> None:
    topic = sources.topics[name]

    assert topic.retention == "forever"
    assert (topic.cleanup_policy, topic.compression) == ("delete", "zstd")
    assert (topic.partitions, topic.compatibility) == (12, "BACKWARD")


def test_what_comes_from_the_hospital_is_not_kept(sources: Sources) -> None:
    assert sources.topics["hospital.appointment.v1"].retention == "7 days"


def test_every_service_that_reads_has_a_dead_letter_topic_of_its_own(sources: Sources) -> None:
    readers = {reader for topic in sources.topics.values() for reader in topic.consumers} & SERVICES

    for service in readers:
        assert sources.topics[f"brobyg.{service}.dead-letter.v1"].owner == service


@pytest.mark.parametrize("wrong", ["a while", "7", "7 weeks", "-1 days", ""])
def test_a_retention_that_is_neither_for_ever_nor_days_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected 'forever' or a number of days"):
        retention_days(wrong)


def test_the_files_name_exactly_those_who_write_and_read_in_the_services_own_tables(
    sources: Sources,
) -> None:
    services = [load_service(name) for name in service_entry_points()]
    written, read = ({name: set[str]() for name in sources.topics} for _ in range(2))
    for service in services:
        for one in service.emits:
            written[_topic(one, service.name)].add(service.name)
        for one in service.topics:
            read[one].add(service.name)
    for name, topic in sources.topics.items():
        if not name.endswith(".dead-letter.v1"):  # written by the mechanism, read by people
            assert written[name] == set(topic.producers) & SERVICES, name
            assert read[name] == set(topic.consumers) & SERVICES, name
    emitted = {
        one.EVENT_TYPE for service in services for one in service.emits if not isinstance(one, str)
    }
    assert emitted == set(EVENTS)


def _topic(one: type[EventData] | str, service: str) -> str:
    return one if isinstance(one, str) else topic_of(one, service)


def test_the_code_knows_which_topics_hold_how_things_are(sources: Sources) -> None:
    declared = {name for name, one in sources.topics.items() if one.cleanup_policy == "compact"}
    assert declared == domain().COMPACTED
