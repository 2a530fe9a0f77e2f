"""`asyncapi.yaml` is valid AsyncAPI 3.0 and says what topic files and event schemas say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from brobyg_contracts.asyncapi import part_of
from brobyg_kit.cli import load_service, service_entry_points
from brobyg_kit.event import EventData

from schemas.tools.sources import SCHEMAS, Json, Sources, class_name

Document = dict[str, dict[str, dict[str, dict[str, Json]]]]
STANDARD = Path(__file__).parent / "asyncapi" / "schema-3.0.0.json"


@pytest.fixture(scope="module")
def document() -> Document:
    """The document as committed."""
    loaded: Document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    return loaded


def test_it_is_valid_by_the_schema_of_asyncapi_3(document: Document) -> None:
    jsonschema_rs.validator_for(json.loads(STANDARD.read_bytes())).validate(document)


def test_the_schema_of_asyncapi_3_would_refuse_an_operation_that_neither_sends_nor_receives(
    document: Document,
) -> None:
    name, operation = next(iter(document["operations"].items()))
    broken = {**document, "operations": {name: {**operation, "action": "shout"}}}

    assert not jsonschema_rs.validator_for(json.loads(STANDARD.read_bytes())).is_valid(broken)


def test_every_reference_leads_somewhere_in_the_document(document: Document) -> None:
    for reference in references(document):
        place: Json = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(place, Mapping)
            assert part in place, reference
            place = place[part]


def test_every_topic_is_a_channel_and_every_producer_and_consumer_has_an_operation_on_it(
    document: Document, sources: Sources
) -> None:
    assert set(document["channels"]) == set(sources.topics)
    expected = {
        f"{service}.send.{name}"
        for name, topic in sources.topics.items()
        for service in topic.producers
    }
    expected |= {
        f"{service}.receive.{name}"
        for name, topic in sources.topics.items()
        for service in topic.consumers
    }
    assert set(document["operations"]) == expected


def test_the_document_s_own_schema_of_a_message_accepts_the_golden_event(
    document: Document,
) -> None:
    envelope = json.loads((SCHEMAS / "examples/cloudevent/valid-typical.json").read_bytes())
    payload = {**document, "$ref": "#/components/messages/AppointmentBooked/payload"}
    validator = jsonschema_rs.Draft7Validator(payload)

    validator.validate(envelope)
    assert not validator.is_valid({**envelope, "type": "dk.brobyg.appointment.missed"})
    assert not validator.is_valid({**envelope, "data": {}})


def test_every_event_is_a_message_of_its_channel_with_an_example_that_its_schema_accepts(
    event: str, document: Document, sources: Sources
) -> None:
    message = class_name(event)
    schema = jsonschema_rs.Draft7Validator({**document, "$ref": f"#/components/schemas/{message}"})

    for topic in sources.topics_of(event):
        assert message in document["channels"][topic]["messages"]
    schema.validate(document["components"]["messages"][message]["x-data-example"])


SERVICES = sorted(service_entry_points())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_s_part_is_a_valid_document_by_itself(name: str) -> None:
    part = part_of(name)

    jsonschema_rs.validator_for(json.loads(STANDARD.read_bytes())).validate(part)
    for reference in references(part):
        place: Json = part
        for step in reference.removeprefix("#/").split("/"):
            assert isinstance(place, Mapping)
            assert step in place, reference
            place = place[step]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_s_part_says_what_the_service_s_own_tables_say(name: str) -> None:
    service = load_service(name)
    part = part_of(name)

    assert service.asyncapi is part_of
    assert said(part, "receive") == crossing(service.reads, part)
    # The mechanism writes a service's dead letters, so they are in no table of its own.
    sent = {message for message in said(part, "send") if message != "dead-letter"}
    assert sent == crossing(service.emits, part)


def test_the_parts_together_are_the_document(document: Document) -> None:
    parts = [part_of(name) for name in [*SERVICES, "hospital"]]

    for kind in ("channels", "operations"):
        assert {one for part in parts for one in part[kind]} == set(document[kind])


def test_a_service_s_part_holds_nothing_that_it_does_not_refer_to() -> None:
    part = part_of("notification")

    assert "AppointmentCompleted" not in json.dumps(part)
    assert set(part["channels"]) == {
        "brobyg.matching.v1",
        "brobyg.notification.dead-letter.v1",
        "brobyg.notification.v1",
        "brobyg.reference.v1",
        "brobyg.referral.v1",
    }


def test_a_service_without_events_has_a_document_without_channels() -> None:
    assert (part_of("portal")["channels"], part_of("portal")["operations"]) == ({}, {})


def said(part: Mapping[str, Any], action: str) -> set[str]:
    """The messages that a part says are sent or received, by their names."""
    found = set()
    for operation in part["operations"].values():
        if operation["action"] == action:
            names = [one["$ref"].rpartition("/")[2] for one in operation["messages"]]
            found |= {part["components"]["messages"][name]["name"] for name in names}
    return found


def crossing(table: Sequence[type[EventData] | str], part: Mapping[str, Any]) -> set[str]:
    """The messages that a service's table names: event types, or all that a topic carries."""
    found = set()
    for one in table:
        if isinstance(one, str):
            names = part["channels"][one]["messages"]
            found |= {part["components"]["messages"][name]["name"] for name in names}
        else:
            found.add(one.EVENT_TYPE)
    return found


def references(value: Json) -> Iterator[str]:
    """Every `$ref` under the value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "$ref":
                assert isinstance(inner, str)
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
