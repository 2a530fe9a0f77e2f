"""A change that breaks is caught and says what, where and whom; a harmless one passes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.tools import compat
from schemas.tools.compat import Finding, findings, release
from schemas.tools.sources import SCHEMAS, Json, Sources

from .mutations import (
    Mutation,
    copy_file,
    drop,
    put,
    release_from_duty,
    remove_file,
    rename,
    require,
    together,
)

TYPES, ENVELOPE = "types.schema.json", "cloudevent.schema.json"
OFFER, BOOKED = (f"events/{name}.schema.json" for name in ("offer.made", "appointment.booked"))
MATCHING, NOTIFICATION, HOSPITAL = (
    f"topics/{name}.yaml"
    for name in ("brobyg.matching.v1", "brobyg.notification.v1", "hospital.appointment.v1")
)
COUNT: Json = {"type": "integer", "minimum": 0}
GENDER: Json = {"$ref": "../types.schema.json#/$defs/gender"}
CODE_OR_NULL: Json = {
    "anyOf": [{"$ref": "../types.schema.json#/$defs/municipality_code"}, {"type": "null"}]
}

#: The change, what is found to break, and words that say how.
BREAKING: dict[str, tuple[Mutation, str, str]] = {
    "a new required property": (
        together(put(OFFER, "properties/urgency", COUNT), require(OFFER, "urgency")),
        "offer.made",
        "urgency: new required property",
    ),
    "an optional property that becomes required": (
        require(ENVELOPE, "traceparent"),
        "envelope",
        "traceparent: became required",
    ),
    "a property removed": (
        together(drop(OFFER, "properties/rank"), release_from_duty(OFFER, "rank")),
        "offer.made",
        "rank: property removed",
    ),
    "a property renamed": (
        rename(OFFER, "ends_at", "finishes_at"),
        "offer.made",
        "(renamed to finishes_at?)",
    ),
    "a property no longer always there": (
        release_from_duty(OFFER, "rank"),
        "offer.made",
        "rank: no longer required",
    ),
    "a type changed": (
        put(OFFER, "properties/wave", {"type": "string"}),
        "offer.made",
        "wave: type integer became string",
    ),
    "a minimum raised": (
        put(OFFER, "properties/wave/minimum", 2),
        "offer.made",
        "wave: minimum 1 became 2",
    ),
    "a maximum added": (
        put(OFFER, "properties/wave/maximum", 9),
        "offer.made",
        "wave: maximum (none) became 9",
    ),
    "a value of an enumeration removed": (
        put(TYPES, "$defs/mobility/enum", ["independent", "wheelchair"]),
        "citizen.recorded",
        "mobility: value 'walking_aid' removed",
    ),
    "a value of an enumeration renamed": (
        put(TYPES, "$defs/meeting/enum", ["house", "at_location"]),
        "citizen.recorded",
        "meeting: value 'home' removed",
    ),
    "a pattern changed": (
        put(TYPES, "$defs/municipality_code/pattern", "^0[0-9]{3}$"),
        "referral.created",
        "pattern ^[0-9]{4}$ became",
    ),
    "a length shortened": (
        put(TYPES, "$defs/location_id/maxLength", 8),
        "appointment.booked",
        "max length 64 became 8",
    ),
    "a limit deep inside": (
        put(TYPES, "$defs/seat_wanted/properties/wanted/minimum", 2),
        "need.opened",
        "seats[].wanted: minimum 1 became 2",
    ),
    "a null no longer allowed": (
        put("events/citizen.recorded.schema.json", "properties/gender_wish", GENDER),
        "citizen.recorded",
        "gender_wish",
    ),
    "keys of a map limited further": (
        put(TYPES, "$defs/rule_name/maxLength", 4),
        "match.escalated",
        "excluded (keys): max length",
    ),
    "values of a map limited further": (
        put(TYPES, "$defs/count/minimum", 1),
        "match.escalated",
        "excluded.*: minimum 0 became 1",
    ),
    "a format added": (
        put(TYPES, "$defs/template/format", "uri"),
        "notification.sent",
        "format (none) became uri",
    ),
    "the schema's address changed": (
        put(OFFER, "$id", "https://brobyg.dk/schemas/events/offer.sent.v2.schema.json"),
        "offer.made",
        "$id",
    ),
    "an event removed": (
        remove_file("events/offer.expired.schema.json"),
        "offer.expired",
        "event type removed",
    ),
    "an event moved to another topic": (
        together(
            drop(MATCHING, "events/offer.expired"),
            put(NOTIFICATION, "events/offer.expired", "need_id"),
        ),
        "offer.expired",
        "moved from topic brobyg.matching.v1 to brobyg.notification.v1",
    ),
    "an event keyed by something else": (
        put(MATCHING, "events/offer.made", "helper_id"),
        "offer.made",
        "subject: need_id became helper_id",
    ),
    "a topic removed": (remove_file(HOSPITAL), "hospital.appointment.v1", "topic removed"),
    "a topic with other partitions": (
        put(MATCHING, "partitions", 24),
        "brobyg.matching.v1",
        "12 became 24",
    ),
    "a retention shortened": (
        put(MATCHING, "retention", "30 days"),
        "brobyg.matching.v1",
        "forever became 30 days",
    ),
    "a topic compacted": (
        put(MATCHING, "cleanup_policy", "compact"),
        "brobyg.matching.v1",
        "delete became compact",
    ),
    "a topic with another owner": (
        put(MATCHING, "owner", "reporting"),
        "brobyg.matching.v1",
        "owner: matching became",
    ),
    "a promise taken back": (
        put(MATCHING, "compatibility", "NONE"),
        "brobyg.matching.v1",
        "BACKWARD became NONE",
    ),
}

HARMLESS: dict[str, Mutation] = {
    "nothing": together(),
    "an optional property": put(OFFER, "properties/urgency", COUNT),
    "another value of an enumeration": put(
        TYPES, "$defs/meeting/enum", ["home", "at_location", "at_clinic"]
    ),
    "a minimum lowered": put(OFFER, "properties/wave/minimum", 0),
    "a minimum dropped": drop(OFFER, "properties/wave/minimum"),
    "an integer that may be any number": put(OFFER, "properties/wave/type", "number"),
    "a length extended": put(TYPES, "$defs/location_id/maxLength", 100),
    "a pattern dropped": drop(TYPES, "$defs/location_id/pattern"),
    "a null allowed": put(
        "events/helper.registered.schema.json", "properties/municipality_code", CODE_OR_NULL
    ),
    "other words about it": together(
        put(TYPES, "$defs/location_id/description", "Where it is."),
        put(TYPES, "$defs/location_id/title", "Where"),
    ),
    "another reader": put(NOTIFICATION, "consumers", ["reporting", "matching"]),
    "a longer retention": put(HOSPITAL, "retention", "14 days"),
    "another event": together(
        copy_file(OFFER, "events/offer.seen.schema.json"),
        put(MATCHING, "events/offer.seen", "need_id"),
    ),
}


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Mutation], list[Finding]]:
    """What is found when today's schemas are changed so."""

    def compare(mutation: Mutation) -> list[Finding]:
        folder = tmp_path / "schemas"
        shutil.copytree(
            SCHEMAS,
            folder,
            ignore=shutil.ignore_patterns("examples", "released", "tools", "__pycache__"),
        )
        mutation(folder)
        return list(findings(Sources(SCHEMAS), Sources(folder)))

    return compare


@pytest.mark.parametrize("change", BREAKING)
def test_a_breaking_change_is_caught_with_its_place_and_its_readers(
    change: str, changed: Callable[[Mutation], list[Finding]]
) -> None:
    mutation, subject, words = BREAKING[change]

    breaking = [finding for finding in changed(mutation) if finding.change.breaking]

    said = [str(finding) for finding in breaking if finding.subject == subject]
    assert any(words in text for text in said), breaking
    assert all("read by" in text for text in said)


@pytest.mark.parametrize("change", HARMLESS)
def test_a_harmless_change_passes(
    change: str, changed: Callable[[Mutation], list[Finding]]
) -> None:
    assert [str(finding) for finding in changed(HARMLESS[change]) if finding.change.breaking] == []


def test_a_break_names_every_service_that_reads_the_event(
    changed: Callable[[Mutation], list[Finding]],
) -> None:
    found = changed(together(put(BOOKED, "properties/urgency", COUNT), require(BOOKED, "urgency")))

    assert [(finding.subject, finding.readers, finding.topic) for finding in found] == [
        ("appointment.booked", ("matching", "notification", "reporting"), "brobyg.referral.v1")
    ]


def test_a_break_names_who_reads_today_though_the_release_did_not_know_of_it(
    tmp_path: Path,
) -> None:
    before, today = tmp_path / "before", tmp_path / "today"
    for folder in (before, today):
        shutil.copytree(
            SCHEMAS,
            folder,
            ignore=shutil.ignore_patterns("examples", "released", "tools", "__pycache__"),
        )
    put("topics/brobyg.referral.v1.yaml", "consumers", ["reporting", "research"])(before)
    require(BOOKED, "location_id")(before)
    release_from_duty(BOOKED, "location_id")(today)

    [found] = findings(Sources(before), Sources(today))

    assert found.readers == ("matching", "notification", "reporting", "research")


def test_a_release_that_was_edited_afterwards_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    released = tmp_path / "released"
    release(released, SCHEMAS, "1.0.0")
    monkeypatch.setattr(compat, "RELEASED", released)
    assert compat.main([]) == 0
    put("topics/brobyg.referral.v1.yaml", "consumers", ["reporting"])(released)

    assert compat.main([]) == 1
    assert "not what was released as 1.0.0" in capsys.readouterr().out


def test_a_shared_type_breaks_every_event_that_uses_it(
    changed: Callable[[Mutation], list[Finding]],
) -> None:
    found = changed(put(TYPES, "$defs/location_id/maxLength", 8))

    using = {
        file.name.removesuffix(".schema.json")
        for file in SCHEMAS.glob("events/*.json")
        if "$defs/location_id" in file.read_text()
    }
    assert {"appointment.booked", "need.opened"} <= using
    assert {finding.subject for finding in found} == using


def test_today_breaks_nothing_that_is_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert compat.main([]) == 0, capsys.readouterr().out


def test_the_check_fails_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(
        SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns("tools", "released")
    )
    BREAKING["a new required property"][0](tmp_path / "schemas")
    monkeypatch.setattr(compat, "SCHEMAS", tmp_path / "schemas")

    assert compat.main([]) == 1

    said = capsys.readouterr().out
    assert "BREAKS  offer.made: urgency: new required property" in said
    assert "read by notification, referral, reporting (brobyg.matching.v1)" in said
    assert "beside the old" in said


def test_a_release_is_refused_while_something_breaks_and_the_released_stays(tmp_path: Path) -> None:
    today, released = tmp_path / "schemas", tmp_path / "released"
    shutil.copytree(SCHEMAS, today, ignore=shutil.ignore_patterns("tools", "released"))
    release(released, today, "1.0.0")
    BREAKING["a property renamed"][0](today)

    with pytest.raises(ValueError, match="can't break"):
        release(released, today, "1.1.0")

    assert (released / "VERSION").read_text().startswith("1.0.0 ")
    assert not any(
        finding.change.breaking for finding in findings(Sources(released), Sources(SCHEMAS))
    )


NEXT = put(OFFER, "$id", "https://brobyg.dk/schemas/events/offer.made.v3.schema.json")
TELLS_THE_OLD = {("dk.brobyg.offer.made", 2)}


@pytest.mark.parametrize(
    ("mutation", "upcasters", "breaks"),
    [
        pytest.param(rename(OFFER, "ends_at", "finishes_at"), set(), True, id="nothing"),
        pytest.param(together(rename(OFFER, "ends_at", "finishes_at"), NEXT), set(), True, id="id"),
        pytest.param(
            rename(OFFER, "ends_at", "finishes_at"), TELLS_THE_OLD, True, id="upcaster without id"
        ),
        pytest.param(
            together(rename(OFFER, "ends_at", "finishes_at"), NEXT),
            {("dk.brobyg.offer.made", 1), ("dk.brobyg.offer.expired", 2)},
            True,
            id="others' upcasters",
        ),
        pytest.param(
            together(
                rename(OFFER, "ends_at", "finishes_at"),
                put(OFFER, "$id", "https://brobyg.dk/schemas/events/offer.sent.v3.schema.json"),
            ),
            TELLS_THE_OLD,
            True,
            id="another event's address",
        ),
        pytest.param(
            together(rename(OFFER, "ends_at", "finishes_at"), NEXT),
            TELLS_THE_OLD,
            False,
            id="both",
        ),
        pytest.param(
            together(put(MATCHING, "events/offer.made", "helper_id"), NEXT),
            TELLS_THE_OLD,
            False,
            id="another subject",
        ),
        pytest.param(
            together(remove_file(OFFER), drop(MATCHING, "events/offer.made")),
            TELLS_THE_OLD,
            False,
            id="removed",
        ),
        pytest.param(
            together(
                NEXT,
                drop(MATCHING, "events/offer.made"),
                put(NOTIFICATION, "events/offer.made", "need_id"),
            ),
            TELLS_THE_OLD,
            True,
            id="on another topic",
        ),
    ],
)
def test_a_break_needs_the_next_major_version_and_an_upcaster_from_the_old(
    mutation: Mutation, upcasters: set[tuple[str, int]], breaks: bool, tmp_path: Path
) -> None:
    today = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, today, ignore=shutil.ignore_patterns("examples", "released", "tools"))
    mutation(today)

    found = list(findings(Sources(SCHEMAS), Sources(today), upcasters))

    assert any(one.change.breaking for one in found) == breaks
    assert breaks or any("upcast " in str(one) for one in found)


def test_an_upcaster_excuses_no_other_event(tmp_path: Path) -> None:
    today = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, today, ignore=shutil.ignore_patterns("examples", "released", "tools"))
    together(NEXT, put(TYPES, "$defs/location_id/maxLength", 8))(today)

    found = list(findings(Sources(SCHEMAS), Sources(today), TELLS_THE_OLD))

    broken = {one.subject for one in found if one.change.breaking}
    assert {"appointment.booked", "need.opened"} <= broken
    assert "offer.made" not in broken
