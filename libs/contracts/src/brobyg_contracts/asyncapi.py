"""What each service sends and receives, as AsyncAPI 3.0.

The document of the whole system is schemas/asyncapi.yaml; `data/asyncapi.json` is the same.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any


def part_of(service: str) -> dict[str, Any]:
    """The document with only the operations of `service` and what they refer to.

    It is valid by itself. A service without operations, or an unknown one, gets a document without
    channels.
    """
    whole = _document()
    operations = {
        name: operation
        for name, operation in whole["operations"].items()
        if {"name": service} in operation["tags"]
    }
    mentioned = set(_references(operations))
    channels = {
        name: {
            **channel,
            "messages": {
                message: place
                for message, place in channel["messages"].items()
                if f"#/channels/{name}/messages/{message}" in mentioned
            },
        }
        for name, channel in whole["channels"].items()
        if f"#/channels/{name}" in mentioned
    }
    info = {**whole["info"], "title": f"Brobyg {service}", "tags": [{"name": service}]}
    components = _needed(whole["components"], channels)
    changed = {
        "info": info,
        "channels": channels,
        "operations": operations,
        "components": components,
    }
    return {**whole, **changed}


@lru_cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        files(__package__).joinpath("data/asyncapi.json").read_bytes()
    )
    return document


def _needed(components: dict[str, Any], by: object) -> dict[str, Any]:
    """The messages and schemas that `by` refers to, and what those refer to."""
    found: set[str] = set()
    pending = set(_references(by))
    while pending:
        found |= pending
        places = (place.split("/")[2:] for place in pending)
        met = {one for kind, name in places for one in _references(components[kind][name])}
        pending = met - found
    return {
        kind: kept
        for kind, named in components.items()
        if (
            kept := {
                name: one for name, one in named.items() if f"#/components/{kind}/{name}" in found
            }
        )
    }


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
