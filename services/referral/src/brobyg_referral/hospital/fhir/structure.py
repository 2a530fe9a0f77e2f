"""Structure and required bindings, checked against HL7's JSON schema of FHIR R4 (ORIGIN.md)."""

import re
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias, cast

import jsonschema_rs
import msgspec

from brobyg_referral.hospital.fhir.outcome import Code, Issue

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | JsonObject | None"
JsonObject: TypeAlias = dict[str, "JsonValue"]

#: More issues than a reader would read.
_MAX_ISSUES = 20
_PROPERTY = re.compile(r"_?[a-z][A-Za-z]{0,39}")


@cache
def _validator(definition: Literal["Appointment", "Bundle"]) -> jsonschema_rs.Draft6Validator:
    schema = msgspec.json.decode((files(__package__) / "r4.schema.json").read_bytes())
    # Linear-time patterns: no body can make a pattern run long.
    return jsonschema_rs.Draft6Validator(
        schema | {"$ref": f"#/definitions/{definition}"},
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def structural_issues(
    resource: JsonObject, definition: Literal["Appointment", "Bundle"]
) -> list[Issue]:
    """What in `resource` breaks the published schema.

    Such as unknown properties, wrong types, malformed instants, codes outside a required binding.
    """
    validator = _validator(definition)
    if validator.is_valid(resource):
        return []
    issues: list[Issue] = []
    for error in validator.iter_errors(resource):
        issues.append(_issue(error, definition))
        if len(issues) == _MAX_ISSUES:
            break
    return issues


def _issue(error: jsonschema_rs.ValidationError, definition: str) -> Issue:
    path = definition + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path
    )
    code, text = _explained(error.kind.name, error.kind.as_dict())
    return Issue(code, text, path)


def _explained(rule: str, facts: dict[str, object]) -> tuple[Code, str]:
    """The issue's code and what would have been accepted.

    Of what was sent only property names that look like one are repeated.
    """
    if rule == "enum":
        return "code-invalid", f"One of {', '.join(_texts(facts['options']))} is expected."
    if rule == "required":
        return "required", f"{facts['property']} is required."
    if rule == "additionalProperties":
        shown = [name for name in _texts(facts["unexpected"]) if _PROPERTY.fullmatch(name)]
        return "structure", f"Unknown property{': ' + ', '.join(shown[:5]) if shown else ''}."
    if rule == "type":
        expected = ", ".join(_texts(facts["types"]))
        return "structure", f"Another type of value is expected: {expected}."
    if rule == "pattern":
        text = (
            "The form of the value is not that of its FHIR type (an instant has date, time and"
            " zone: 2026-12-01T09:15:00+01:00)."
        )
        return "value", text
    if rule in ("minItems", "minProperties"):
        return "required", "More is expected here."
    return "value", f"The value breaks the rule {rule} of the FHIR R4 schema."


def _texts(values: object) -> list[str]:
    """A list of the validator's, whose facts have no narrower type."""
    return list(map(str, cast("list[object]", values)))
