"""A JSON Schema and its Struct accept and refuse the same data."""

import msgspec
import pytest
from brobyg_contracts import EVENTS
from brobyg_contracts.upcasters import major_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.tools.sources import BASE, Json, Sources, class_name

from .generation import near_misses, objects, whole_number_as_fraction
from .validators import ValidatorOf

QUICK = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)

#: What only the schema refuses. Readers check an id by its length (five patterns make reading an
#: offer 5.6 times slower), and take an instant with any offset, or with a space for the T.
LENIENT = {("id", "pattern"), ("instant", "pattern"), ("instant", "format"), ("id", "format")}


@QUICK
@given(data=st.data())
def test_what_the_schema_accepts_the_struct_reads_and_writes_back_valid(
    event: str, data: st.DataObject, sources: Sources, validator_of: ValidatorOf
) -> None:
    kind, validator = EVENTS[f"dk.brobyg.{event}"], validator_of(event)
    original = data.draw(objects(sources, sources.events[event]))
    validator.validate(original)

    read = msgspec.json.decode(msgspec.json.encode(original), type=kind)
    written = msgspec.json.encode(read)

    validator.validate(msgspec.json.decode(written))
    assert msgspec.json.decode(written, type=kind) == read


@QUICK
@given(data=st.data())
def test_what_the_schema_refuses_the_struct_refuses_but_for_two_named_leniencies(
    event: str, data: st.DataObject, sources: Sources, validator_of: ValidatorOf
) -> None:
    candidate = data.draw(near_misses(sources, sources.events[event]))
    assume(not whole_number_as_fraction(candidate))
    reasons = _refusals(validator_of, event, candidate)
    readable = _readable(event, candidate)

    if readable:
        assert reasons <= LENIENT, candidate
    else:
        assert reasons, f"only the struct refuses {candidate}"


@pytest.mark.parametrize("offset", ["+01:00", "-00:00", "+00:00"])
def test_an_instant_with_an_offset_is_refused_on_the_wire_and_read_as_the_instant_it_is(
    offset: str, sources: Sources, validator_of: ValidatorOf
) -> None:
    utc = sources.example("appointment.booked")
    assert isinstance(utc, dict)
    hour = "10" if offset == "+01:00" else "09"
    local = {**utc, "starts_at": f"2026-12-02T{hour}:30:00{offset}"}

    assert not validator_of("appointment.booked").is_valid(local)
    kind = EVENTS["dk.brobyg.appointment.booked"]
    assert msgspec.convert(local, kind) == msgspec.convert(utc, kind)


def test_a_struct_knows_its_type_topic_schema_and_subject(event: str, sources: Sources) -> None:
    kind = EVENTS[f"dk.brobyg.{event}"]
    assert kind.__name__ == class_name(event)
    assert f"dk.brobyg.{event}" == kind.EVENT_TYPE
    assert sources.topic_of(event) == kind.TOPIC
    assert sources.events[event].id == kind.DATASCHEMA
    assert kind.DATASCHEMA.startswith(f"{BASE}events/{event}.v")
    assert major_of(kind.DATASCHEMA) >= 2
    assert sources.subject_of(event) == kind.SUBJECT
    assert kind.SUBJECT in kind.__struct_fields__


def test_a_struct_can_not_be_changed_after_it_was_made(event: str, sources: Sources) -> None:
    read = msgspec.convert(sources.example(event), EVENTS[f"dk.brobyg.{event}"])

    with pytest.raises(AttributeError):
        setattr(read, read.SUBJECT, "another")


def _refusals(validator_of: ValidatorOf, event: str, data: Json) -> set[tuple[str, str]]:
    """For each refusal the shared type (or the property) that refused, and by which keyword."""
    found = set()
    for error in validator_of(event).iter_errors(data):
        path = (
            [str(part) for part in error.absolute_keyword_location.split("/")]
            if error.absolute_keyword_location
            else []
        )
        found.add((path[-2], path[-1]))
    return found


def _readable(event: str, data: Json) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(data), type=EVENTS[f"dk.brobyg.{event}"])
    except msgspec.ValidationError:
        return False
    return True
