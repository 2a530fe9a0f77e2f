"""The schemas as the standard's own rules read them, for whoever wants to hold a record to them."""

import json
from collections.abc import Callable

import jsonschema_rs

from schemas.tools.sources import SCHEMAS

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
        file.name.removesuffix(".schema.json"): json.loads(file.read_bytes()) for file in files
    }
    registry = jsonschema_rs.Registry([(one["$id"], one) for one in documents.values()])
    made: dict[str, jsonschema_rs.Validator] = {}

    def validator(name: str) -> jsonschema_rs.Validator:
        if name not in made:
            made[name] = jsonschema_rs.Draft202012Validator(
                documents[name], registry=registry, validate_formats=True
            )
        return made[name]

    return validator
