"""`asyncapi.yaml` is AsyncAPI 3.0 by that standard's own schema, and says what the topic files and event schemas say."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

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

    assert message in document["channels"][sources.topic_of(event)]["messages"]
    schema.validate(document["components"]["messages"][message]["x-data-example"])


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
