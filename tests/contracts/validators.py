"""The schemas as the standard's own rules read them, for whoever wants to hold a record to them."""

import json
from collections.abc import Callable

import jsonschema_rs

from schemas.tools.sources import BASE, SCHEMAS

#: From "appointment.booked", or "cloudevent", to its validator.
ValidatorOf = Callable[[str], jsonschema_rs.Validator]


def validators() -> ValidatorOf:
    """Validators of today's schemas, formats checked, each made when it is first asked for."""
    files = [
        SCHEMAS / "types.schema.json",
        SCHEMAS / "cloudevent.schema.json",
        *SCHEMAS.glob("events/*.json"),
    ]
    documents = {
        document["$id"]: document for document in (json.loads(file.read_bytes()) for file in files)
    }
    registry = jsonschema_rs.Registry(list(documents.items()))
    made: dict[str, jsonschema_rs.Validator] = {}

    def validator(name: str) -> jsonschema_rs.Validator:
        if name not in made:
            path = (
                f"{BASE}{name}.schema.json"
                if name == "cloudevent"
                else f"{BASE}events/{name}.schema.json"
            )
            made[name] = jsonschema_rs.Draft202012Validator(
                documents[path], registry=registry, validate_formats=True
            )
        return made[name]

    return validator
