"""Writes `events.py`: one frozen msgspec Struct an event type, from its JSON Schema."""

import textwrap

from schemas.tools.sources import BASE, Schema, Sources, type_name

HEADER = '''"""What the events say, one Struct a type. Generated from schemas/ by `python -m schemas.tools.generate`; don't edit.

A Struct checks when it decodes, not when it is built: `msgspec.json.Decoder(AppointmentBooked).decode(data)`.
Properties that a later version adds are ignored, so an old reader reads new events.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

'''


PACKAGE_HEADER = '''"""Facts on the wire. Generated from schemas/ by `python -m schemas.tools.generate`; don't edit.

- `events`: a Struct an event type; `EVENTS`, from type to Struct
- `topics`: `TOPICS`, who writes and reads them and how they are kept
- `places`: postcodes, places of care, departments, and distances
- `pathways`: the declared policy of each kind of help
"""

'''


def events_module(sources: Sources) -> str:
    """The text of `events.py`."""
    parts = [HEADER + "\n".join(_shared_type(sources, schema) for schema in sources.types.values())]
    parts += [_event(sources, name, schema) for name, schema in sources.events.items()]
    classes = [class_name(name) for name in sources.events]
    parts.append(
        "EventData: TypeAlias = (\n    "
        + "\n    | ".join(classes)
        + "\n)\n"
        + '"""Any of the events."""\n'
    )
    rows = "\n".join(f"        {name}," for name in classes)
    parts.append(
        f"EVENTS: dict[str, type[EventData]] = {{\n    kind.EVENT_TYPE: kind\n    for kind in (\n{rows}\n    )\n}}\n"
        '"""Event type (`dk.brobyg.appointment.booked`) to its Struct, topic by topic."""\n'
    )
    names = "".join(f"    {quoted(name)},\n" for name in public_names(sources))
    parts.append(f"__all__ = [\n{names}]\n")
    module = "\n\n".join(parts)
    return (
        module
        if "UnsetType = UNSET" in module
        else module.replace("UNSET, Meta, Struct, UnsetType", "Meta, Struct")
    )


def package_module(sources: Sources) -> str:
    """The text of `__init__.py`: the events and topics by their names, the rest by module."""
    names = public_names(sources)
    public = "".join(
        f"    {quoted(name)},\n" for name in sorted([*names, "TOPICS", "Topic"], key=_listed)
    )
    imported = "".join(f"    {name},\n" for name in names)
    return (
        f"{PACKAGE_HEADER}from brobyg_contracts.events import (\n{imported})\n"
        f"from brobyg_contracts.topics import TOPICS, Topic\n\n__all__ = [\n{public}]\n"
    )


def public_names(sources: Sources) -> list[str]:
    """What `events.py` offers: shared types, Structs and the table of them."""
    types = [title(schema) for schema in sources.types.values()]
    return sorted([*types, *map(class_name, sources.events), "EVENTS", "EventData"], key=_listed)


def _listed(name: str) -> tuple[bool, str]:
    """Constants first, as the linter sorts `__all__`."""
    return not name.isupper(), name


def class_name(event: str) -> str:
    """`appointment.booked` -> `AppointmentBooked`."""
    return "".join(word.capitalize() for word in event.split("."))


def event_type(event: str) -> str:
    """`appointment.booked` -> `dk.brobyg.appointment.booked`."""
    return f"dk.brobyg.{event}"


def title(schema: Schema) -> str:
    """The Python name of a shared type. Raises ValueError when the schema has none."""
    if schema.title is None:
        raise ValueError("a shared type needs a title")
    return schema.title


def type_expression(sources: Sources, schema: Schema) -> str:
    """The Python type of values that `schema` describes. Raises ValueError for a shape the generator does not know."""
    if schema.ref is not None:
        return title(sources.types[type_name(schema.ref)])
    if schema.any_of:
        return " | ".join(type_expression(sources, option) for option in schema.any_of)
    if schema.enum:
        return f"Literal[{', '.join(quoted(value) for value in schema.enum)}]"
    if schema.format == "date-time":
        return "Annotated[datetime, Meta(tz=True)]"
    match schema.type:
        case "string":
            return _constrained(
                "str",
                min_length=schema.min_length,
                max_length=schema.max_length,
                pattern=_pattern(schema),
            )
        case "integer":
            return _constrained("int", ge=schema.minimum, le=schema.maximum)
        case "boolean":
            return "bool"
        case "null":
            return "None"
        case "array" if schema.items is not None:
            item = type_expression(sources, schema.items)
            return _constrained(
                f"tuple[{item}, ...]", min_length=schema.min_items, max_length=schema.max_items
            )
        case "object" if schema.additional_properties is not None:
            key = (
                type_expression(sources, schema.property_names) if schema.property_names else "str"
            )
            return f"dict[{key}, {type_expression(sources, schema.additional_properties)}]"
    raise ValueError(f"no Python type for {schema}")


def quoted(text: str) -> str:
    """A Python string literal in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(schema: Schema) -> str | None:
    """The pattern that a reader checks. Ids go by length alone: five patterns made decoding an offer 5.6 times slower (2.24 against
    0.40 µs), and what they refuse is refused where events are written, by the schema.
    """
    if schema.pattern is None or schema.format == "uuid":
        return None
    # `$` of the schema is the end of the text; Python's also stands before a last line feed.
    return (
        schema.pattern.removesuffix("$") + r"\Z" if schema.pattern.endswith("$") else schema.pattern
    )


def _constrained(kind: str, **constraints: str | int | None) -> str:
    given = [
        f"{name}={'r' + quoted(value).replace(chr(92) * 2, chr(92)) if isinstance(value, str) else value}"
        for name, value in constraints.items()
        if value is not None
    ]
    return f"Annotated[{kind}, Meta({', '.join(given)})]" if given else kind


def _shared_type(sources: Sources, schema: Schema) -> str:
    name = title(schema)
    if schema.properties:
        return f"\n\nclass {name}(Struct, frozen=True, kw_only=True):\n{_body(sources, schema, [])}"
    return f"{name}: TypeAlias = {type_expression(sources, schema)}\n{_docstring(schema.description or '', '')}"


def _event(sources: Sources, name: str, schema: Schema) -> str:
    topic = sources.topic_of(name)
    constants = [
        f"    EVENT_TYPE: ClassVar[str] = {quoted(event_type(name))}",
        f"    TOPIC: ClassVar[str] = {quoted(topic)}",
        f"    DATASCHEMA: ClassVar[str] = {quoted(f'{BASE}events/{name}.schema.json')}",
        f"    SUBJECT: ClassVar[str] = {quoted(sources.topics[topic].events[name])}",
        "",
    ]
    return f"class {class_name(name)}(Struct, frozen=True, kw_only=True):\n{_body(sources, schema, constants)}"


def _body(sources: Sources, schema: Schema, constants: list[str]) -> str:
    lines = [
        _docstring(
            f"{schema.title}. {schema.description}" if constants else schema.description or "",
            "    ",
        ),
        *constants,
    ]
    for name, value in schema.properties.items():
        expression = type_expression(sources, value)
        lines.append(
            f"    {name}: {expression}"
            + ("" if name in schema.required else " | UnsetType = UNSET")
        )
        if value.description:
            lines.append(_docstring(value.description, "    ").rstrip("\n"))
    return "\n".join(lines) + "\n"


def _docstring(text: str, indent: str) -> str:
    one_line = f'{indent}"""{text}"""'
    if len(one_line) <= 118:
        return one_line + "\n"
    wrapped = textwrap.wrap(
        text, 116 - len(indent), initial_indent=f'{indent}"""', subsequent_indent=indent
    )
    return "\n".join(wrapped) + f'\n{indent}"""\n'
