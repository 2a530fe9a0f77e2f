"""What is taken for an event, and what of it is folded."""

from random import Random

import msgspec
import pytest
from brobyg_contracts import EVENTS, AppointmentBooked
from brobyg_kit.event import Event, UndecodableEvent, encode
from brobyg_reporting.domain.log import read_logged
from brobyg_reporting.testing import interleave, make_history, new_uuid, unknown_event

EVENT = next(
    event
    for event in make_history(Random(5), 30).events()
    if event.type == AppointmentBooked.EVENT_TYPE
)


def changed(**fields: object) -> bytes:
    """The event with other data."""
    data = msgspec.json.decode(EVENT.data) | fields
    return encode(msgspec.structs.replace(EVENT, data=msgspec.Raw(msgspec.json.encode(data))))


def test_an_event_is_read_with_its_place_and_what_it_says() -> None:
    [event] = read_logged("brobyg.referral.v1", 3, 17, encode(EVENT))
    assert (event.topic, event.partition, event.offset) == ("brobyg.referral.v1", 3, 17)
    assert event.decoded == EVENT.decode(AppointmentBooked)
    assert encode(event) != encode(EVENT)


@pytest.mark.parametrize(
    "value",
    [
        b"no event",
        b"{}",
        changed(starts_at="MARKER"),
        changed(starts_at=None),
        changed(note="\x00"),
    ],
)
def test_a_record_that_is_no_event_or_breaks_its_schema_is_refused(value: bytes) -> None:
    with pytest.raises(UndecodableEvent) as refused:
        read_logged("brobyg.referral.v1", 0, 0, value)
    assert "MARKER" not in str(refused.value)


def test_an_unknown_type_or_word_is_an_event_that_says_nothing_yet() -> None:
    unknown: Event = unknown_event(Random(1), new_uuid(Random(2)), 1)
    [event] = read_logged("brobyg.referral.v1", 0, 0, encode(unknown))
    assert event.decoded is None


def test_an_event_of_a_later_major_version_says_nothing_yet_even_where_it_looks_as_today() -> None:
    later = msgspec.structs.replace(EVENT, dataschema=EVENT.dataschema.replace(".v2.", ".v3."))
    [event] = read_logged("brobyg.referral.v1", 0, 0, encode(later))
    assert later.dataschema != EVENT.dataschema
    assert (event.id, event.decoded) == (EVENT.id, None)


def test_what_an_event_says_is_decoded_once_whoever_reads_it() -> None:
    random = Random(1)
    topic, event = interleave(random, make_history(random, 1))[0]
    [logged] = read_logged(topic, 0, 0, encode(event))
    unreadable = msgspec.structs.replace(logged, data=msgspec.Raw(b"no JSON"))
    assert unreadable.read(EVENTS) is logged.decoded
    assert logged.decoded == event.read(EVENTS)
