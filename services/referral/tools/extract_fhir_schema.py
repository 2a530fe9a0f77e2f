# ruff: noqa: INP001 - a script
"""Take what the referral service needs out of the FHIR R4 (4.0.1) JSON schema that HL7 publishes.

    python services/referral/tools/extract_fhir_schema.py <path of fhir.schema.json>

Writes `src/brobyg_referral/hospital/fhir/r4.schema.json`: Appointment, the Bundle envelope, and
every data type they use, as published, without the prose. Four things differ, all on the strict
side or because of size:

- a resource inside another (`contained`, `Bundle.entry.resource`) is any object with a
  `resourceType`; Bundle entries are checked one by one;
- numbers: the published schema gives them a text pattern, which JSON Schema ignores on a number;
  here they are integers with bounds;
- what has properties is an object: the published schema does not say so, and lets null or a number
  stand for any complex element;
- `Appointment.status` and `Appointment.participant.status` are required, as the standard's
  cardinality 1..1 says and the published schema does not.
"""

import json
import sys
from pathlib import Path
from typing import Any

_SOURCES = Path(__file__).parents[1] / "src" / "brobyg_referral"
TARGET = _SOURCES / "hospital" / "fhir" / "r4.schema.json"
ROOTS = ("Appointment", "Bundle")
ANY_RESOURCE = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string", "pattern": "^[A-Z][A-Za-z]{0,63}$"}},
}
INTEGERS = {
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 2147483647},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": 2147483647},
    "integer": {"type": "integer", "minimum": -2147483648, "maximum": 2147483647},
    "boolean": {"type": "boolean"},
}
REQUIRED = {"Appointment": ["status"], "Appointment_Participant": ["status"]}


def main(source: Path) -> None:
    """Write the extract of `source`."""
    published = json.loads(source.read_text(encoding="utf-8"))["definitions"]
    taken: dict[str, Any] = {"ResourceList": ANY_RESOURCE}
    for root in ROOTS:
        take(root, published, taken)
    for rule in taken.values():
        if "properties" in rule:
            rule["type"] = "object"
    taken |= {name: rule for name, rule in INTEGERS.items() if name in taken}
    for name, properties in REQUIRED.items():
        taken[name]["required"] = sorted({*taken[name].get("required", ()), *properties})
    schema = {
        "$schema": "http://json-schema.org/draft-06/schema#",
        "$comment": (
            "HL7 FHIR R4 (4.0.1) JSON schema, CC0, extracted by tools/extract_fhir_schema.py; see"
            " ORIGIN.md"
        ),
        "definitions": dict(sorted(taken.items())),
    }
    TARGET.write_text(
        json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )


def take(name: str, published: dict[str, Any], taken: dict[str, Any]) -> None:
    """Put the definition `name` and all it refers to into `taken`."""
    if name in taken:
        return
    taken[name] = without_prose(published[name])
    for reference in references(taken[name]):
        take(reference, published, taken)


def without_prose(node: Any) -> Any:
    """`node` without its descriptions (a property of that name stays)."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(value)
        for key, value in node.items()
        if not (key == "description" and isinstance(value, str))
    }


def references(node: Any) -> list[str]:
    """The names of the definitions that `node` refers to."""
    if isinstance(node, list):
        return [name for item in node for name in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rsplit("/", 1)[1]] if isinstance(node.get("$ref"), str) else []
    return own + [name for value in node.values() for name in references(value)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
