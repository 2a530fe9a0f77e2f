"""Events are facts about ids: no property can say who somebody is, or hold free text."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.tools.sources import Schema, Sources

#: A property whose name has one of these among its words is refused.
PERSONAL_WORDS = frozenset(
    [
        "name", "names", "surname", "firstname", "lastname", "given", "family", "cpr", "ssn",
        "phone", "telephone", "mobile", "email", "mail", "address", "addresses", "street", "line",
        "door", "floor", "house", "birthdate", "birthday", "birth", "born", "age", "note", "notes",
        "text", "comment", "comments", "remark", "message", "subject", "body", "title", "diagnosis",
        "description", "free", "freetext", "content", "contact", "ip", "url", "link", "token",
        "photo", "picture", "latitude", "longitude",
    ]
)  # fmt: skip

#: Which text of `schemas/consent` was agreed to; its own words are in no event.
OF_A_TEXT = frozenset({"text_id", "text_version"})

BOUNDED_KEYWORDS = ("enum", "pattern", "format", "const")


#: Reference data is about places and organisations, which have names and coordinates.
REFERENCE = "brobyg.reference.v1"


def test_no_property_of_an_event_is_named_for_something_personal(
    event: str, sources: Sources
) -> None:
    if sources.topic_of(event) == REFERENCE:
        return
    named = {name for name, _ in properties(sources, sources.events[event])} - OF_A_TEXT
    assert not [name for name in named if PERSONAL_WORDS & set(name.split("_"))]


#: What is said of a citizen is on a topic of its own, which forgets.
OF_CITIZENS = "brobyg.citizen.v1"
#: What is said of a citizen, and what tells where helper and citizen meet or how they travel.
TELLING_WORDS = frozenset(
    [
        "language", "languages", "gender", "mobility", "meeting", "meet", "postcode", "home",
        "leave", "travel", "distance", "metres", "minutes", "duration", "near", "pace", "wish",
    ]
)  # fmt: skip


def test_no_property_of_the_history_tells_what_is_said_of_a_citizen(
    event: str, sources: Sources
) -> None:
    if sources.topic_of(event) in (REFERENCE, OF_CITIZENS):
        return
    named = [name for name, _ in properties(sources, sources.events[event])]

    assert not [name for name in named if TELLING_WORDS & set(name.split("_"))]


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "given_name",
        "cpr",
        "phone_number",
        "email",
        "home_address",
        "note",
        "text",
        "birth_date",
        "citizen_cpr",
    ],
)
def test_the_privacy_check_would_refuse(name: str) -> None:
    assert PERSONAL_WORDS & set(name.split("_"))


def test_no_property_of_an_event_takes_free_text(event: str, sources: Sources) -> None:
    if sources.topic_of(event) == REFERENCE:
        return
    for name, schema in properties(sources, sources.events[event]):
        if schema.type == "string":
            assert any(getattr(schema, keyword) for keyword in BOUNDED_KEYWORDS), (
                f"{name} takes any text"
            )
            assert (
                schema.format == "date-time" or schema.enum or (schema.max_length or 1_000) <= 64
            ), f"{name} is long enough for a sentence"
            assert schema.pattern is None or " " not in schema.pattern, f"{name} takes words"


def test_no_example_holds_ten_digits_that_could_be_a_cpr_number(
    valid_event_example: Path, sources: Sources
) -> None:
    if sources.topic_of(valid_event_example.parent.name) == REFERENCE:
        return  # identifiers of organisations are as long
    text = re.sub(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", "", valid_event_example.read_text())

    assert not re.search(r"\d{6}-?\d{4}", text)


def properties(sources: Sources, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every property at any depth, with the schema of its values; lists and maps by their items."""
    for name, value in schema.properties.items():
        yield from _below(sources, name, value)


def _below(sources: Sources, name: str, value: Schema) -> Iterator[tuple[str, Schema]]:
    value = sources.resolved(value)
    yield name, value
    yield from properties(sources, value)
    inner = [*value.any_of, value.items, value.property_names, value.additional_properties]
    for part in inner:
        if part is not None:
            yield from _below(sources, name, part)
