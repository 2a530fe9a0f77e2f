"""Clocks agree, ids are ordered by the clock, logs keep nothing about a person."""

import io
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from brobyg_kit import logs
from brobyg_kit.clock import AcceleratedClock, ManualClock, WallClock, parse_clock
from brobyg_kit.event import Event, UndecodableEvent, decode, encode
from brobyg_kit.ids import derived_id, new_id
from brobyg_kit.topics import load_topics
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 30, tzinfo=UTC)
ANCHOR = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def test_an_accelerated_clock_stands_until_its_anchor_and_then_runs_its_factor() -> None:
    wall = ANCHOR.timestamp() - 5
    clock = AcceleratedClock(START, 5040, ANCHOR, lambda: wall)
    assert clock.now() == START
    wall += 5 + 120
    assert clock.now() == START + timedelta(days=7)


async def test_sleeping_on_an_accelerated_clock_takes_a_fraction_of_the_time() -> None:
    clock = AcceleratedClock(START, 100_000, datetime.now(UTC))
    before = clock.now()
    await clock.sleep(timedelta(hours=1))
    assert clock.now() - before >= timedelta(hours=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026",
        "a;b;c",
        "2026-11-30;5;2026-11-23T20:00:00",
        "2026-11-30T00:00:00Z;0;2026-11-23T20:00:00Z",
    ],
)
def test_a_wrong_clock_setting_says_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="expected nothing, or"):
        parse_clock(text)


def test_an_empty_clock_setting_is_the_wall() -> None:
    assert isinstance(parse_clock(""), WallClock)


def test_ids_are_ordered_by_the_clock() -> None:
    clock = ManualClock(START)
    ids = []
    for _ in range(50):
        ids.append(new_id(clock))
        clock.advance(timedelta(milliseconds=2))
    assert ids == sorted(ids)
    assert all(one[14] == "7" for one in ids)


def test_the_same_parts_give_the_same_id_and_others_another() -> None:
    assert derived_id("a", "bc") == derived_id("a", "bc") != derived_id("ab", "c")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_event_are_told_apart_whatever_they_are(value: bytes) -> None:
    with pytest.raises(UndecodableEvent):
        decode(value)


EVENT = Event(
    id=derived_id("x"),
    source="test",
    type="dk.brobyg.thing.counted",
    subject="s",
    time=START,
    dataschema="about:blank",
    correlationid="c",
    sequence=1,
    data=msgspec.Raw(b'{"number":1}'),
)


def test_an_event_survives_its_own_wire_form() -> None:
    assert decode(encode(EVENT)) == EVENT


def captured(write: "list[str]", **facts: object) -> str:
    """What the pipeline prints for an event with these facts, and for a library's own log line."""
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        logs.configure("test")
        logs.get_logger("test").info("thing.happened", **facts)
        for line in write:
            logging.getLogger("library").warning(line)
        return sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
        logging.getLogger().handlers.clear()


@pytest.mark.parametrize(
    "key",
    [
        "cpr",
        "name",
        "familyName",
        "display",
        "recipient",
        "telecom",
        "phone_number",
        "anything_new",
    ],
)
def test_a_fact_that_nobody_has_declared_harmless_is_not_logged(key: str) -> None:
    assert "Lauridsen" not in captured([], **{key: "Lauridsen"})
    assert "Lauridsen" not in captured([], checks={"code": [{key: "Lauridsen"}]})


def test_declared_facts_are_logged() -> None:
    line = json.loads(captured([], notification_id=derived_id("one"), attempts=3))
    assert (line["notification_id"], line["attempts"]) == (derived_id("one"), 3)


@pytest.mark.parametrize(
    "value",
    [
        "0201609995",
        "020160-9995",
        "020160 9995",
        "cpr_0201609995",
        "CPR0201609995x",
        "020160tbx1",
        "12 34 56 78",
        "lonni@example.org",
        "+4512345678",
        "+45 12 34 56 78",
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "/answer/abc.def-1",
    ],
)
def test_what_looks_personal_is_not_logged_wherever_it_stands(value: str) -> None:
    printed = captured([f"library says {value}"], code=f"see {value}", checks=[{"code": value}])
    assert value not in printed


def test_an_errors_message_is_left_out_and_its_place_kept() -> None:
    try:
        raise ValueError("Lonni Lauridsen")
    except ValueError as error:
        printed = captured([], error=error)
    assert "Lonni" not in printed
    line = json.loads(printed)
    assert line["error_type"] == "ValueError"
    assert line["at"].startswith("test_time_and_logs") or "test_time_and_logs" in line["at"]


def test_a_librarys_traceback_keeps_its_place_and_loses_its_message() -> None:
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        logs.configure("test")
        try:
            raise KeyError("DETAIL: Lonni Lauridsen")
        except KeyError:
            logging.getLogger("library").exception("a request failed")
            logs.get_logger("test").exception("thing.failed")
        printed = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
        logging.getLogger().handlers.clear()
    assert "Lonni" not in printed
    assert [json.loads(line)["error_type"] for line in printed.splitlines()] == [
        "KeyError",
        "KeyError",
    ]


def test_a_wrong_topic_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.v1.yaml").write_text(
        "partitions: 3\nretention: a while\ncleanup_policy: delete\ntimestamp_type: append\n"
        "compression: zstd\n"
    )
    with pytest.raises(ValueError, match=r"x\.v1\.yaml.*a while"):
        load_topics(tmp_path)


def test_what_breaks_a_schema_is_named_by_its_place_and_not_by_its_value() -> None:
    class Thing(msgspec.Struct):
        reason: Literal["good"]

    raw = msgspec.Raw(b'{"reason":"Ane Hansen"}')
    event = msgspec.structs.replace(decode(encode(EVENT)), data=raw)
    with pytest.raises(
        UndecodableEvent, match=r"data\.reason is not as its schema says$"
    ) as caught:
        event.decode(Thing)
    assert "Ane" not in str(caught.value)
