"""The golden history of 1.x is today's events: valid, each with an id of its own, the same anew."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from brobyg_contracts import EVENTS
from brobyg_contracts.upcasters import NOT_TOLD, UPCASTERS, major_of
from brobyg_kit import upcasting
from brobyg_kit.event import Event, UndecodableEvent, encode
from brobyg_kit.upcasting import events_in

from .validators import ValidatorOf

GOLDEN = Path(__file__).parents[1] / "golden/1.1.0/events.ndjson.gz"
RECORDS = [json.loads(line) for line in gzip.decompress(GOLDEN.read_bytes()).splitlines()]
#: What 1.x told of home, language and the way, and no event tells today.
GONE = {"needs", "distance_metres", "meeting", "meet_at", "home_at", "minutes", "language"}


@pytest.fixture(autouse=True)
def history_of_1x(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The installation's history began under 1.x."""
    monkeypatch.setenv("BROBYG_UNVERSIONED_MAJOR", "1")
    upcasting.unversioned_major.cache_clear()
    yield
    upcasting.unversioned_major.cache_clear()


def told(record: Mapping[str, Any]) -> tuple[Event, ...]:
    return events_in(record["value"].encode())


def test_every_record_is_events_that_today_s_schemas_allow(validator_of: ValidatorOf) -> None:
    for event in (one for record in RECORDS for one in told(record)):
        written = json.loads(encode(event))
        validator_of("cloudevent").validate(written)
        validator_of(event.type.removeprefix("dk.brobyg.")).validate(written["data"])
        said = event.read(EVENTS)
        assert said is not None
        assert event.subject == getattr(said, EVENTS[event.type].SUBJECT)
        assert not GONE & written["data"].keys()


def test_ids_are_the_same_at_each_reading_and_no_two_are_alike() -> None:
    ids = [event.id for record in RECORDS for event in told(record)]

    assert ids == [event.id for record in RECORDS for event in told(record)]
    assert len(ids) == len(set(ids)) > len(RECORDS)
    assert set(ids) > {json.loads(record["value"])["id"] for record in RECORDS}


def test_what_an_event_is_told_as_has_its_time_and_chain_and_was_caused_by_it() -> None:
    for record in RECORDS:
        old = json.loads(record["value"])
        first, *others = told(record)
        assert (first.id, first.causationid) == (old["id"], old["causationid"])
        for one in others:
            assert one.causationid == old["id"]
        for one in (first, *others):
            assert (one.correlationid, one.sequence) == (old["correlationid"], old["sequence"])
            assert one.time == first.time


def test_what_a_subject_is_told_comes_in_the_order_of_its_sequence() -> None:
    last: dict[tuple[str, str], int] = {}
    for event in (one for record in RECORDS for one in told(record)):
        subject = event.source, event.subject
        assert event.sequence > last.get(subject, 0)
        last[subject] = event.sequence


def test_an_appointment_of_1x_is_a_need_of_the_same_id_in_all_that_is_told_of_it() -> None:
    booked = {
        json.loads(record["value"])["data"]["appointment_id"]
        for record in RECORDS
        if "appointment.booked" in record["value"]
    }
    needs = Counter(
        getattr(event.read(EVENTS), "need_id", None) for record in RECORDS for event in told(record)
    )
    assert booked == needs.keys() - {None}


def test_every_row_is_used_or_said_not_to_be_in_the_golden_history() -> None:
    used = {json.loads(record["value"])["type"] for record in RECORDS}

    assert {name for name, _ in UPCASTERS} - used == {"dk.brobyg.volunteer.paused"}
    [paused] = events_in(changed("volunteer.activated", type="dk.brobyg.volunteer.paused"))
    assert paused.type == "dk.brobyg.helper.paused"


def changed(name: str, **attributes: object) -> bytes:
    record = next(one for one in RECORDS if f"dk.brobyg.{name}" in one["value"])
    return json.dumps({**json.loads(record["value"]), **attributes}).encode()


@pytest.mark.parametrize("data", [{}, [], None, "MARKER", {"appointment_id": 1}])
def test_old_data_that_breaks_its_schema_is_undecodable_and_not_quoted(data: object) -> None:
    for name in ("offer.made", "volunteer.matched", "notification.sent", "appointment.missed"):
        with pytest.raises(UndecodableEvent) as refused:
            events_in(changed(name, data=data))
        assert "MARKER" not in str(refused.value)


def test_without_the_setting_an_event_without_a_version_is_of_two_point_nought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BROBYG_UNVERSIONED_MAJOR")
    upcasting.unversioned_major.cache_clear()

    [event] = events_in(changed("appointment.booked"))
    assert event.type == "dk.brobyg.appointment.booked"


def test_the_setting_does_not_matter_to_an_event_that_says_its_version() -> None:
    schema = EVENTS["dk.brobyg.appointment.booked"].DATASCHEMA

    [event] = events_in(changed("appointment.booked", dataschema=schema))
    assert (event.type, major_of(schema)) == ("dk.brobyg.appointment.booked", 2)


def test_what_1x_does_not_tell_is_said_to_be_unknown() -> None:
    _, opened = events_in(changed("appointment.booked"))
    said = opened.read(EVENTS)
    assert said is not None
    assert (opened.type, said.department) == ("dk.brobyg.need.opened", NOT_TOLD)  # type: ignore[attr-defined]
