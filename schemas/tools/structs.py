"""Writes `events.py`: one frozen msgspec Struct for each event type, from its JSON Schema.

datamodel-code-generator writes the types. The two templates beside this file add what it does not
know: the event's constants and the comments.
"""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from datamodel_code_generator import InputFileType, LiteralType, PythonVersion, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import DatetimeClassType, Formatter

from schemas.tools.asyncapi import embedded
from schemas.tools.sources import Schema, Sources, class_name, event_type, title

HEADER = '''"""What the events say, one Struct for each type.

Generated from schemas/ by `python -m schemas.tools.generate`; do not edit.

A Struct validates when it is decoded, not when it is built. Properties that a later version adds
are ignored, so an old reader reads new events.
"""
'''


def events_module(sources: Sources) -> str:
    """The text of `events.py`. Raises ValueError for a schema without a Python type."""
    named = {title(schema): schema for schema in sources.types.values()}
    named |= {class_name(event): schema for event, schema in sources.events.items()}
    schemas = {name: embedded(sources, _readable(schema)) for name, schema in named.items()}
    module = generate(
        json.dumps({"asyncapi": "3.0.0", "components": {"schemas": schemas}}),
        input_file_type=InputFileType.AsyncAPI,
        output_model_type=DataModelType.MsgspecStruct,
        target_python_version=PythonVersion.PY_311,
        enum_field_as_literal=LiteralType.All,
        output_datetime_class=DatetimeClassType.Datetime,
        use_annotated=True,
        use_type_alias=True,
        use_single_dict_for_object_maps=True,
        strict_refs=True,
        disable_future_imports=True,
        base_class_map=dict.fromkeys(
            map(class_name, sources.events), "brobyg_contracts.event.EventData"
        ),
        custom_template_dir=Path(__file__).parent / "templates",
        extra_template_data=defaultdict(dict, {**_shared(sources), **_events(sources)}),
        additional_imports=["typing.ClassVar", "msgspec.UNSET"],
        custom_file_header=HEADER,
        formatters=[Formatter.RUFF_CHECK, Formatter.RUFF_FORMAT],
    )
    # A frozen Struct holds no list, which could be changed.
    types = re.sub(r"\blist\[(\w+)\]", r"tuple[\1, ...]", str(module))
    return f"{types}\n\n__all__ = {json.dumps(sorted(named), indent=4)}\n".replace('"\n]', '",\n]')


def _readable(schema: Schema) -> Schema:
    """What of `schema` a reader checks; its words are left to the templates.

    Ids are checked by length alone: five patterns made decoding an offer 5.6 times slower (2.24
    against 0.40 µs), and events are validated by the schema where they are written.
    """
    pattern = None if schema.format in ("uuid", "date-time") else schema.pattern
    return msgspec.structs.replace(
        schema,
        title=None,
        description=None,
        examples=(),
        format=None if schema.format == "uuid" else schema.format,
        # `$` of the schema is the end of the text; Python's also matches before a last line feed.
        pattern=re.sub(r"\$$", r"\\Z", pattern) if pattern else None,
        any_of=tuple(map(_readable, schema.any_of)),
        properties={name: _readable(value) for name, value in schema.properties.items()},
        items=_readable(schema.items) if schema.items else None,
    )


def _shared(sources: Sources) -> dict[str, dict[str, Any]]:
    return {
        title(schema): {
            **_words(schema.description or "", schema),
            # The one constraint that JSON Schema has no keyword for: an instant has a zone.
            "annotation": "Annotated[datetime, Meta(tz=True)]"
            if schema.format == "date-time"
            else None,
        }
        for schema in sources.types.values()
    }


def _events(sources: Sources) -> dict[str, dict[str, Any]]:
    return {
        class_name(event): {
            **_words(f"{schema.title}. {schema.description}", schema),
            "constants": {
                "EVENT_TYPE": event_type(event),
                "TOPIC": sources.topic_of(event),
                "DATASCHEMA": schema.id or "",
                "SUBJECT": sources.subject_of(event),
            },
        }
        for event, schema in sources.events.items()
    }


def _words(docstring: str, schema: Schema) -> dict[str, Any]:
    return {
        "docstring": docstring,
        "constants": {},
        "comments": {name: value.description for name, value in schema.properties.items()},
    }
