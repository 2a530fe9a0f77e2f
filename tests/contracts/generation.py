"""Hypothesis strategies of what a schema describes, and of what comes near to it."""

from datetime import UTC, datetime
from typing import TypeAlias

from hypothesis import strategies as st

from schemas.tools.sources import Json, Schema, Sources

Object: TypeAlias = dict[str, Json]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANYTHING: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)


def values(sources: Sources, schema: Schema) -> st.SearchStrategy[Json]:
    """Values that the schema accepts. Raises ValueError for a shape that no schema here has."""
    schema = sources.resolved(schema)
    if schema.any_of:
        return st.one_of([values(sources, option) for option in schema.any_of])
    if schema.enum:
        return st.sampled_from(schema.enum)
    if schema.format == "date-time":
        # Hypothesis adds the zone.
        first, last = datetime(1900, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - see above
        return st.datetimes(first, last, timezones=st.just(UTC)).map(instant)
    if schema.format == "uuid":
        return st.uuids().map(str)
    match schema.type:
        case "string":
            return _texts(schema)
        case "integer" | "number":
            return _numbers(schema)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array" if schema.items is not None:
            return st.lists(
                values(sources, schema.items),
                min_size=schema.min_items or 0,
                max_size=schema.max_items or 8,
            )
        case "object" if schema.additional_properties is not None:
            names = schema.property_names
            keys = _texts(sources.resolved(names)) if names else TEXT
            return st.dictionaries(keys, values(sources, schema.additional_properties), max_size=5)
        case "object":
            return objects(sources, schema)
    raise ValueError(f"no strategy for {schema}")


def objects(sources: Sources, schema: Schema) -> st.SearchStrategy[Json]:
    """Objects with all required properties and some of the others."""
    properties = {name: values(sources, value) for name, value in schema.properties.items()}
    required = {name: value for name, value in properties.items() if name in schema.required}
    optional = {name: value for name, value in properties.items() if name not in schema.required}
    return st.fixed_dictionaries(required, optional=optional)


@st.composite
def near_misses(draw: st.DrawFn, sources: Sources, schema: Schema) -> Json:
    """A valid object with one property taken away, replaced by anything, or added."""
    data = draw(objects(sources, schema))
    assert isinstance(data, dict)
    name = draw(st.sampled_from([*schema.properties, "added_later"]))
    if draw(st.booleans()) and name in data:
        return {key: value for key, value in data.items() if key != name}
    return {
        **data,
        name: draw(
            ANYTHING
            | st.sampled_from(["", "da", "4711", "2026-12-01T09:15:00+01:00", "0730\n", -1, 0])
        ),
    }


def whole_number_as_fraction(data: Json) -> bool:
    """Whether a number such as `1.0` is in it: an integer to JSON Schema, but not to a Struct."""
    if isinstance(data, dict):
        return any(map(whole_number_as_fraction, data.values()))
    if isinstance(data, list):
        return any(map(whole_number_as_fraction, data))
    return isinstance(data, float) and data.is_integer()


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, as it is on the wire."""
    return moment.isoformat().replace("+00:00", "Z")


def _numbers(schema: Schema) -> st.SearchStrategy[Json]:
    if schema.type == "number":
        return st.floats(schema.minimum, schema.maximum, allow_nan=False, allow_infinity=False)
    return st.integers(schema.minimum, 10_000 if schema.maximum is None else schema.maximum)


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if schema.pattern is None:
        return st.text(min_size=schema.min_length or 0, max_size=schema.max_length)
    shortest, longest = schema.min_length or 0, schema.max_length or 1_000
    return st.from_regex(schema.pattern.removesuffix("$") + r"\Z").filter(
        lambda text: shortest <= len(text) <= longest
    )
