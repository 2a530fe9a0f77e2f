"""Where the compatibility check finds no break, old records are valid under the new schema."""

import jsonschema_rs
import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.tools.differences import SchemaVersions, differences
from schemas.tools.sources import SCHEMAS, Json, Schema, Sources

from .generation import values

TODAY = Sources(SCHEMAS)


def limits(lower: str, upper: str) -> st.SearchStrategy[dict[str, Json]]:
    return st.fixed_dictionaries({}, optional={lower: st.integers(0, 2), upper: st.integers(2, 4)})


SCALARS: st.SearchStrategy[dict[str, Json]] = st.one_of(
    st.builds(lambda more: {"type": "string", **more}, limits("minLength", "maxLength")),
    st.builds(lambda more: {"type": "integer", **more}, limits("minimum", "maximum")),
    st.builds(lambda words: {"enum": sorted(words)}, st.sets(st.sampled_from("abc"), min_size=1)),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": "string", "pattern": "^[ab]{1,2}$"}]
    ),
)
ANY_OF = st.builds(lambda options: {"anyOf": options}, st.lists(SCALARS, min_size=1, max_size=3))
LISTS = st.builds(
    lambda items, more: {"type": "array", "items": items, **more},
    SCALARS,
    limits("minItems", "maxItems"),
)
MAPS = st.builds(lambda inner: {"type": "object", "additionalProperties": inner}, SCALARS)
VALUES = st.one_of(SCALARS, ANY_OF, LISTS, MAPS)


@st.composite
def objects_of(draw: st.DrawFn, names: str = "ab") -> dict[str, Json]:
    properties = draw(st.dictionaries(st.sampled_from(names), VALUES))
    needed = draw(st.sets(st.sampled_from(sorted(properties)))) if properties else set()
    return {"type": "object", "properties": properties, "required": sorted(needed)}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=objects_of(), new=objects_of(), keep=st.sets(st.sampled_from("ab")), data=st.data())
def test_when_nothing_breaks_everything_that_was_valid_stays_valid(
    old: dict[str, Json], new: dict[str, Json], keep: set[str], data: st.DataObject
) -> None:
    before = msgspec.convert(old, Schema)
    kept = {name: value for name, value in before.properties.items() if name in keep}
    drawn = msgspec.convert(new, Schema)
    after = msgspec.structs.replace(drawn, properties={**drawn.properties, **kept})
    assume(
        not any(
            change.breaking for change in differences(SchemaVersions(TODAY, TODAY), before, after)
        )
    )

    record = data.draw(values(TODAY, before) if before.properties else st.just({}))

    jsonschema_rs.Draft202012Validator(msgspec.to_builtins(after)).validate(record)
