"""A change that breaks is caught and says what, where and whom; a harmless one passes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, event as observed, given, settings
from hypothesis import strategies as st
from schemas.tools import compat
from schemas.tools.compat import Finding, findings, release
from schemas.tools.differences import Versions, differences
from schemas.tools.sources import SCHEMAS, Json, Schema, Sources

from .generation import values

Tree: TypeAlias = dict[str, "Tree"]
"""A JSON object on its way to be changed by a test; the leaves are whatever they are."""

Mutation: TypeAlias = Callable[[Path], None]


def edit(file: str, change: Callable[[Tree], object]) -> Mutation:
    """A change to one JSON or YAML file of the schemas folder."""

    def mutate(folder: Path) -> None:
        path = folder / file
        content: Tree = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content) if path.suffix == ".yaml" else json.dumps(content))

    return mutate


def event(name: str, change: Callable[[Tree], object]) -> Mutation:
    return edit(f"events/{name}.schema.json", change)


def shared(name: str, **keywords: object) -> Mutation:
    def change(schema: Tree) -> None:
        schema["$defs"][name].update(keywords)  # type: ignore[arg-type]  # any JSON is a leaf of the tree

    return edit("types.schema.json", change)


def topic(name: str, **entries: object) -> Mutation:
    return edit(f"topics/{name}.yaml", lambda content: content.update(entries))  # type: ignore[arg-type]  # any YAML is a leaf of the tree


def without(keyword: str, of: str) -> Mutation:
    return edit("types.schema.json", lambda schema: schema["$defs"][of].pop(keyword))


def prop(name: str, value: Json) -> Callable[[Tree], object]:
    return lambda schema: schema["properties"].update({name: value})  # type: ignore[dict-item]  # any JSON is a leaf of the tree


def required(name: str) -> Callable[[Tree], object]:
    return lambda schema: schema["required"].append(name)  # type: ignore[attr-defined]  # `required` is a list


def both(*changes: Callable[[Tree], object]) -> Callable[[Tree], object]:
    return lambda schema: [change(schema) for change in changes]


def renamed(old: str, new: str) -> Callable[[Tree], object]:
    def change(schema: Tree) -> None:
        schema["properties"][new] = schema["properties"].pop(old)
        schema["required"] = [new if name == old else name for name in schema["required"]]  # type: ignore[assignment]  # a list

    return change


NEW = {"type": "integer", "minimum": 0}
BREAKING: dict[str, tuple[Mutation, str, str]] = {
    "a new required property": (event("offer.made", both(prop("urgency", NEW), required("urgency"))), "offer.made", "urgency: new required"),
    "a property removed": (
        event("offer.made", both(lambda s: s["properties"].pop("rank"), lambda s: s["required"].remove("rank"))),  # type: ignore[attr-defined]  # a list
        "offer.made",
        "rank: property removed",
    ),
    "a property renamed": (event("offer.made", renamed("meet_at", "meeting_at")), "offer.made", "renamed to meeting_at?"),
    "a property no longer always there": (
        event("offer.made", lambda s: s["required"].remove("rank")),  # type: ignore[attr-defined]  # a list
        "offer.made",
        "rank: no longer required",
    ),
    "a type changed": (event("offer.made", prop("wave", {"type": "string"})), "offer.made", "type integer became string"),
    "a minimum raised": (event("offer.made", prop("wave", {"type": "integer", "minimum": 2})), "offer.made", "minimum 1 became 2"),
    "a maximum added": (event("offer.made", prop("wave", {"type": "integer", "minimum": 1, "maximum": 9})), "offer.made", "maximum (none)"),
    "a value of an enumeration removed": (shared("pathway", enum=["virtual_escort"]), "referral.created", "value 'escort' removed"),
    "a reason removed": (shared("withdrawal_reason", enum=["taken"]), "offer.withdrawn", "'escalated' removed"),
    "a pattern changed": (shared("municipality_code", pattern="^0[0-9]{3}$"), "referral.created", "pattern ^[0-9]{4}$ became"),
    "a length shortened": (shared("location_id", maxLength=8), "appointment.booked", "max length 64 became 8"),
    "a limit deep inside": (edit("types.schema.json", lambda s: s["$defs"]["needs"]["properties"]["languages"].update(maxItems=1)), "referral.created", "needs.languages: max items 16 became 1"),  # type: ignore[arg-type]  # any JSON
    "a null no longer allowed": (
        edit("types.schema.json", lambda s: s["$defs"]["needs"]["properties"].update(gender_wish={"$ref": "#/$defs/gender"})),  # type: ignore[dict-item]  # any JSON
        "referral.created",
        "needs.gender_wish",
    ),
    "keys of a map limited further": (
        event("match.escalated", lambda s: s["properties"]["excluded"]["propertyNames"].update(maxLength=4)),  # type: ignore[arg-type]  # any JSON
        "match.escalated",
        "excluded (keys): max length",
    ),
    "a format added": (shared("template", format="uri"), "notification.sent", "format (none) became uri"),
    "the schema's address changed": (event("offer.made", lambda s: s.update({"$id": "https://brobyg.dk/schemas/events/offer.sent.schema.json"})), "offer.made", "$id"),  # type: ignore[dict-item]  # any JSON
    "an event removed": (lambda folder: (folder / "events/offer.expired.schema.json").unlink(), "offer.expired", "event type removed"),
    "an event moved to another topic": (
        lambda folder: (
            edit("topics/brobyg.matching.v1.yaml", lambda t: t["events"].pop("offer.expired"))(folder),
            edit("topics/brobyg.notification.v1.yaml", lambda t: t["events"].update({"offer.expired": "referral_id"}))(folder),  # type: ignore[dict-item]  # a text
            None,
        )[-1],
        "offer.expired",
        "moved from topic brobyg.matching.v1 to brobyg.notification.v1",
    ),
    "an event keyed by something else": (
        edit("topics/brobyg.matching.v1.yaml", lambda t: t["events"].update({"offer.made": "volunteer_id"})),  # type: ignore[dict-item]  # a text
        "offer.made",
        "subject: referral_id became volunteer_id",
    ),
    "a topic removed": (lambda folder: (folder / "topics/hospital.appointment.v1.yaml").unlink(), "hospital.appointment.v1", "topic removed"),
    "a topic with other partitions": (topic("brobyg.matching.v1", partitions=24), "brobyg.matching.v1", "12 became 24"),
    "a retention shortened": (topic("brobyg.matching.v1", retention="30 days"), "brobyg.matching.v1", "forever became 30 days"),
    "a topic compacted": (topic("brobyg.matching.v1", cleanup_policy="compact"), "brobyg.matching.v1", "delete became compact"),
    "a topic with another owner": (topic("brobyg.matching.v1", owner="reporting"), "brobyg.matching.v1", "owner"),
    "a promise taken back": (topic("brobyg.matching.v1", compatibility="NONE"), "brobyg.matching.v1", "BACKWARD became NONE"),
    "a place removed": (edit("places.json", lambda p: p["postcodes"].pop("8900")), "places.json", "postcodes 8900: removed"),
    "an attribute of the envelope required": (edit("cloudevent.schema.json", required("traceparent")), "envelope", "traceparent: became required"),
}  # fmt: skip

HARMLESS: dict[str, Mutation] = {
    "nothing": lambda folder: None,
    "an optional property": event("offer.made", prop("urgency", NEW)),
    "another value of an enumeration": shared("pathway", enum=["escort", "virtual_escort"]),
    "a minimum lowered": event("offer.made", prop("wave", {"type": "integer", "minimum": 0})),
    "a minimum dropped": event("offer.made", prop("wave", {"type": "integer"})),
    "an integer that may be any number": event("offer.made", prop("wave", {"type": "number", "minimum": 1})),
    "a length extended": shared("location_id", maxLength=100),
    "a pattern dropped": without("pattern", of="location_id"),
    "a null allowed": event("volunteer.registered", prop("pool", {"anyOf": [{"$ref": "../types.schema.json#/$defs/pool"}, {"type": "null"}]})),
    "other words about it": shared("location_id", description="Where it is.", title="Where", examples=["viborg-hospital"]),
    "another order of properties": event("offer.made", lambda s: s.update(properties=dict(reversed(s["properties"].items())))),
    "another reader": topic("brobyg.notification.v1", consumers=["reporting", "matching"]),
    "a longer retention": topic("hospital.appointment.v1", retention="14 days"),
    "another place": edit("places.json", lambda p: p["postcodes"].update({"9000": p["postcodes"]["8900"]})),
    "another event": lambda folder: (
        (folder / "events/offer.seen.schema.json").write_text((folder / "events/offer.made.schema.json").read_text()),
        edit("topics/brobyg.matching.v1.yaml", lambda t: t["events"].update({"offer.seen": "referral_id"}))(folder),  # type: ignore[dict-item]  # a text
        None,
    )[-1],
}  # fmt: skip


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Mutation], list[Finding]]:
    """What is found when today's schemas are changed so."""

    def compare(mutation: Mutation) -> list[Finding]:
        folder = tmp_path / "schemas"
        shutil.copytree(SCHEMAS, folder, ignore=shutil.ignore_patterns("examples", "released", "tools", "__pycache__"))
        mutation(folder)
        return list(findings(Sources(SCHEMAS), Sources(folder)))

    return compare


@pytest.mark.parametrize("change", BREAKING)
def test_a_breaking_change_is_caught_with_its_place_and_its_readers(change: str, changed: Callable[[Mutation], list[Finding]]) -> None:
    mutation, subject, words = BREAKING[change]

    breaking = [finding for finding in changed(mutation) if finding.change.breaking]

    said = [str(finding) for finding in breaking if finding.subject == subject]
    assert any(words in text for text in said), breaking
    assert all("read by" in text for text in said)


@pytest.mark.parametrize("change", HARMLESS)
def test_a_harmless_change_passes(change: str, changed: Callable[[Mutation], list[Finding]]) -> None:
    assert [str(finding) for finding in changed(HARMLESS[change]) if finding.change.breaking] == []


def test_a_break_names_every_service_that_reads_the_event(changed: Callable[[Mutation], list[Finding]]) -> None:
    found = changed(event("appointment.booked", both(prop("urgency", NEW), required("urgency"))))

    assert [(finding.subject, finding.readers, finding.topic) for finding in found] == [
        ("appointment.booked", ("matching", "reporting"), "brobyg.referral.v1")
    ]


def test_a_shared_type_breaks_every_event_that_uses_it(changed: Callable[[Mutation], list[Finding]]) -> None:
    found = changed(shared("location_id", maxLength=8))

    assert {finding.subject for finding in found} == {
        "appointment.booked", "appointment.rescheduled", "offer.made", "volunteer.matched", "match.escalated",
    }  # fmt: skip


def test_today_breaks_nothing_that_is_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert compat.main([]) == 0, capsys.readouterr().out


def test_the_check_fails_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns("tools", "released"))
    BREAKING["a new required property"][0](tmp_path / "schemas")
    monkeypatch.setattr(compat, "SCHEMAS", tmp_path / "schemas")

    assert compat.main([]) == 1

    said = capsys.readouterr().out
    assert "BREAKS  offer.made: urgency: new required property" in said
    assert "read by notification, reporting (brobyg.matching.v1)" in said
    assert "beside the old" in said


def test_a_release_is_refused_while_something_breaks_and_the_released_stays(tmp_path: Path) -> None:
    today, released = tmp_path / "schemas", tmp_path / "released"
    shutil.copytree(SCHEMAS, today, ignore=shutil.ignore_patterns("tools", "released"))
    release(released, today, "1.0.0")
    BREAKING["a property renamed"][0](today)

    with pytest.raises(ValueError, match="can't break"):
        release(released, today, "1.1.0")

    assert (released / "VERSION").read_text() == "1.0.0\n"
    assert not any(finding.change.breaking for finding in findings(Sources(released), Sources(SCHEMAS)))


def limits(lower: str, upper: str) -> st.SearchStrategy[dict[str, Json]]:
    return st.fixed_dictionaries({}, optional={lower: st.integers(0, 2), upper: st.integers(2, 4)})


SCALARS: st.SearchStrategy[dict[str, Json]] = st.one_of(
    st.builds(lambda more: {"type": "string", **more}, limits("minLength", "maxLength")),
    st.builds(lambda more: {"type": "integer", **more}, limits("minimum", "maximum")),
    st.builds(lambda words: {"enum": sorted(words)}, st.sets(st.sampled_from("abc"), min_size=1)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "string", "pattern": "^[ab]{1,2}$"}]),
)
ANY_OF = st.builds(lambda options: {"anyOf": options}, st.lists(SCALARS, min_size=1, max_size=3))
LISTS = st.builds(lambda items, more: {"type": "array", "items": items, **more}, SCALARS, limits("minItems", "maxItems"))
MAPS = st.builds(lambda inner: {"type": "object", "additionalProperties": inner}, SCALARS)
VALUES = st.one_of(SCALARS, ANY_OF, LISTS, MAPS)


@st.composite
def objects_of(draw: st.DrawFn, names: str = "ab") -> dict[str, Json]:
    properties = draw(st.dictionaries(st.sampled_from(names), VALUES))
    needed = draw(st.sets(st.sampled_from(sorted(properties)))) if properties else set()
    return {"type": "object", "properties": properties, "required": sorted(needed)}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=objects_of(), new=objects_of(), keep=st.sets(st.sampled_from("ab")), data=st.data())
def test_when_nothing_breaks_everything_that_was_valid_stays_valid(
    old: dict[str, Json], new: dict[str, Json], keep: set[str], data: st.DataObject
) -> None:
    before = msgspec.convert(old, Schema)
    kept = {name: value for name, value in before.properties.items() if name in keep}
    drawn = msgspec.convert(new, Schema)
    after = msgspec.structs.replace(drawn, properties={**drawn.properties, **kept})
    today = Sources(SCHEMAS)
    breaks = any(change.breaking for change in differences(Versions(today, today), before, after))
    observed("breaks" if breaks else "harmless")
    assume(not breaks)

    record = data.draw(values(today, before) if before.properties else st.just({}))

    jsonschema_rs.Draft202012Validator(msgspec.to_builtins(after)).validate(record)
