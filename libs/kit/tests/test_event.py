"""One reading of an event everywhere: what `decode` and `Event.read` accept and refuse."""

from datetime import UTC, datetime
from typing import ClassVar, Literal

import msgspec
import pytest
from brobyg_kit.event import Event, UndecodableEvent, UnknownWord, decode, encode


class Booked(msgspec.Struct):
    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.booked"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.booked.schema.json"

    starts_at: datetime
    kind: Literal["first", "control"] = "first"
    seats: dict[str, list[int]] = {}


TYPES = {Booked.EVENT_TYPE: Booked}
EVENT = Event(
    id="01980000-0000-7000-8000-000000000000",
    source="referral",
    type=Booked.EVENT_TYPE,
    subject="01980000-0000-7000-8000-000000000001",
    time=datetime(2026, 11, 30, tzinfo=UTC),
    dataschema=Booked.DATASCHEMA,
    correlationid="c",
    sequence=1,
    data=msgspec.Raw(b'{"starts_at":"2026-12-01T08:15:00Z"}'),
)
FIELDS: dict[str, object] = msgspec.json.decode(encode(EVENT))


def event_of(data: bytes, **changed: object) -> Event:
    return decode(encode(msgspec.structs.replace(EVENT, data=msgspec.Raw(data), **changed)))


def test_an_event_is_read_by_the_schema_of_its_type() -> None:
    assert decode(encode(EVENT)).read(TYPES) == Booked(datetime(2026, 12, 1, 8, 15, tzinfo=UTC))


def test_a_type_that_is_not_known_is_passed_over_whatever_it_says() -> None:
    assert event_of(b'"MARKER"', type="dk.brobyg.appointment.invented").read(TYPES) is None


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"starts_at":"MARKER"}', "data.starts_at is not as its schema says"),
        (b"{}", "data.starts_at is missing"),
        (b'"MARKER"', "data is not as its schema says"),
        (b'{"starts_at":"2026-12-01T08:15:00Z","seats":{"MARKER":["MARKER"]}}', "data.seats[...]"),
    ],
)
def test_data_that_breaks_its_schema_is_named_by_field_and_not_by_value(
    data: bytes, place: str
) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        event_of(data).read(TYPES)
    assert place in str(caught.value)
    assert "MARKER" not in str(caught.value)
    assert not isinstance(caught.value, UnknownWord)


def test_a_word_of_a_later_version_is_told_apart_from_data_that_is_wrong() -> None:
    with pytest.raises(UnknownWord, match=r"^dk\.brobyg\.appointment\.booked: data\.kind ") as told:
        event_of(b'{"starts_at":"2026-12-01T08:15:00Z","kind":"MARKER - at `$.MARKER`"}').read(
            TYPES
        )
    assert "MARKER" not in str(told.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "MARKER"},
        {"time": "2026-11-30T00:00:00"},
        {"time": "2026-13-30T00:00:00Z"},
        {"sequence": -1},
        {"sequence": 2**63},
        {"subject": "x" * 501},
        {"subject": "a\x00b"},
        {"correlationid": "a\nb"},
        {"data": {"a": "\x00"}},
        {"data": {"a\x00": 1}},
    ],
)
def test_an_envelope_that_no_service_could_keep_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        decode(msgspec.json.encode({**FIELDS, **changed}))
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("value", [b"", b"null", b"{", b"\xff", b"[" * 100_000])
def test_bytes_that_are_not_an_event_raise_nothing_else(value: bytes) -> None:
    with pytest.raises(UndecodableEvent):
        decode(value)


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UndecodableEvent):
        decode(encode(EVENT).replace(b'"data":{', b'"data":{"note":"\xff",'))


def test_escapes_and_spaces_in_the_data_mean_the_same_afterwards() -> None:
    value = encode(EVENT).replace(
        b'"data":{', b'"data":{\n\t"note": "\\u00e6 \\"quoted\\" \\\\ back",'
    )
    assert msgspec.json.decode(decode(value).data)["note"] == 'æ "quoted" \\ back'


def test_an_id_in_capitals_is_the_same_id() -> None:
    value = encode(EVENT).replace(b"01980000-0000-7000", b"0198ABCD-0000-7000")
    assert decode(value).id == "0198abcd-0000-7000-8000-000000000000"
