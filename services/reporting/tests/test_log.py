"""What is taken for an event, and that the rebuild's quick way and the consumer's way agree on it."""

from random import Random

import msgspec
import pytest
from brobyg_kit.event import UndecodableEvent, encode
from brobyg_reporting.domain.log import read_event, read_line
from brobyg_reporting.testing import make_history
from hypothesis import given
from hypothesis import strategies as st

EVENT = encode(make_history(Random(5), 1).events()[0])
FIELDS: dict[str, object] = msgspec.json.decode(EVENT)

texts = st.text(max_size=12) | st.sampled_from(
    ["\x00", "\ud800", "æ", "a\tb", "a\\b", "2026-11-30T00:00:00Z", ""]
)
odd_values = (
    texts
    | st.none()
    | st.integers()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(texts, texts, max_size=2)
)


def outcome(value: bytes) -> tuple[object, ...]:
    try:
        event = read_event(value)
    except UndecodableEvent:
        return ("refused",)
    return (
        event.id,
        event.type,
        event.subject,
        event.sequence,
        event.time,
        event.correlationid,
        event.causationid,
        bytes(event.data),
    )


def quick_outcome(value: bytes) -> tuple[object, ...]:
    try:
        line, time = read_line(value)
    except UndecodableEvent:
        return ("refused",)
    return (
        line.id,
        line.type,
        line.subject,
        line.sequence,
        time,
        line.correlationid,
        line.causationid,
        bytes(line.data),
    )


@given(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), odd_values, max_size=3),
    st.sets(st.sampled_from(sorted(FIELDS)), max_size=1),
)
def test_the_quick_way_takes_and_refuses_the_same_records_as_the_consumer_s(
    changed: dict[str, object], missing: set[str]
) -> None:
    fields = {name: value for name, value in {**FIELDS, **changed}.items() if name not in missing}
    try:
        value = msgspec.json.encode(fields)
    except UnicodeEncodeError:
        value = str(fields).encode(errors="replace")
    assert quick_outcome(value) == outcome(value)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_event_are_refused_by_both_and_raise_nothing_else(value: bytes) -> None:
    assert quick_outcome(value) == outcome(value) == ("refused",)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-30T00:00:00Z",
        "2026-11-30T00:00:00.5Z",
        "2026-11-30T00:00:00.123456Z",
        "2026-11-30T00:00:00.123456789Z",
        "2026-11-30T01:00:00+01:00",
        "2026-13-30T00:00:00Z",
    ],
)
def test_a_time_is_read_alike_however_it_is_written(time: str) -> None:
    value = msgspec.json.encode({**FIELDS, "time": time})
    assert quick_outcome(value) == outcome(value)


@pytest.mark.parametrize("data", [{"a": "\x00"}, {"a\x00": 1}])
def test_text_that_postgresql_can_t_keep_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(UndecodableEvent):
        read_event(msgspec.json.encode({**FIELDS, "data": data}))


def test_escapes_and_spaces_in_the_data_are_normalised_and_mean_the_same() -> None:
    value = EVENT.replace(b'"data":{', b'"data":{\n\t"note": "\\u00e6 \\"quoted\\" \\\\ back",')
    assert msgspec.json.decode(read_event(value).data)["note"] == 'æ "quoted" \\ back'
