"""The whole record: the kit writes CloudEvents of our schema, and reads what it allows."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from brobyg_contracts import EVENTS
from brobyg_kit.event import Event, UndecodableEvent, decode, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tools.sources import SCHEMAS, Json, Sources

from .generation import near_misses
from .validators import ValidatorOf

ENVELOPES = sorted(SCHEMAS.glob("examples/cloudevent/valid-*.json"))
#: CloudEvents 1.0.2, required attributes.
CLOUDEVENTS_REQUIRED = {"specversion", "id", "source", "type"}


@pytest.mark.parametrize("file", ENVELOPES, ids=lambda file: file.stem)
def test_the_kit_reads_a_golden_record_and_writes_it_back_valid(
    file: Path, validator_of: ValidatorOf
) -> None:
    event = decode(file.read_bytes())
    written = json.loads(encode(event))

    validator_of("cloudevent").validate(written)
    assert {key: value for key, value in written.items() if value is not None} == {
        key: value for key, value in json.loads(file.read_bytes()).items() if value is not None
    }
    assert isinstance(event.decode(EVENTS[event.type]), EVENTS[event.type])


def test_the_envelope_requires_what_cloudevents_requires(sources: Sources) -> None:
    assert set(sources.envelope.required) >= CLOUDEVENTS_REQUIRED


def test_attribute_names_are_those_cloudevents_allows(sources: Sources) -> None:
    assert all(
        name.isascii() and name.isalnum() and name.islower() and len(name) <= 20
        for name in sources.envelope.properties
    )


def test_the_kit_knows_every_attribute_of_the_envelope_and_no_other(sources: Sources) -> None:
    assert set(Event.__struct_fields__) == set(sources.envelope.properties)


def test_every_service_that_owns_events_is_a_source(sources: Sources) -> None:
    owners = {topic.owner for topic in sources.topics.values() if topic.events}

    assert owners <= set(sources.envelope.properties["source"].enum)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_record_s_data_that_came_out_wrong_is_undecodable_and_never_another_error(
    data: st.DataObject, sources: Sources
) -> None:
    near: Json = data.draw(near_misses(sources, sources.events["offer.made"]))
    golden = json.loads(ENVELOPES[0].read_bytes())
    value = json.dumps({**golden, "type": "dk.brobyg.offer.made", "data": near}).encode()

    with suppress(UndecodableEvent):
        decode(value).read(EVENTS)


def test_an_offset_of_a_dead_letter_is_a_number_and_its_reason_is_bounded(sources: Sources) -> None:
    letter = sources.dead_letter

    assert letter.properties["origin"].properties["offset"].type == "integer"
    assert letter.properties["reason"].max_length
