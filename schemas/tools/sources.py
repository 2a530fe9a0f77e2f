"""What is written under `schemas/`, read into typed values.

A keyword that the tools do not know is refused (`forbid_unknown_fields`), so nothing that a schema
says is silently dropped.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

SCHEMAS = Path(__file__).resolve().parent.parent
BASE = "https://brobyg.dk/schemas/"
TYPES_FILE = "types.schema.json"
ENVELOPE_FILE = "cloudevent.schema.json"
DEAD_LETTER_FILE = "dead-letter.schema.json"
#: The topic of an event that several services emit, each on its own.
OWN_TOPIC = "brobyg.{source}.v1"

Scalar: TypeAlias = str | int | float | bool | None
#: A JSON value.
Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | Scalar"


class Schema(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """The part of JSON Schema 2020-12 that is used here; the names are the standard's."""

    dialect: str | None = msgspec.field(name="$schema", default=None)
    id: str | None = msgspec.field(name="$id", default=None)
    ref: str | None = msgspec.field(name="$ref", default=None)
    defs: dict[str, "Schema"] = msgspec.field(name="$defs", default_factory=dict)
    title: str | None = None
    description: str | None = None
    examples: tuple[Scalar, ...] = ()
    type: str | None = None
    format: str | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    enum: tuple[str, ...] = ()
    const: str | None = None
    any_of: tuple["Schema", ...] = ()
    items: "Schema | None" = None
    min_items: int | None = None
    max_items: int | None = None
    properties: dict[str, "Schema"] = {}
    required: tuple[str, ...] = ()
    property_names: "Schema | None" = None
    additional_properties: "Schema | None" = None


class TopicFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of `schemas/topics`: who writes, who reads, and how the broker keeps it."""

    description: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    partitions: int
    retention: str
    cleanup_policy: str
    compression: str
    compatibility: str
    content: str
    #: Event name (`appointment.booked`) to the property that is its subject and the record's key.
    events: dict[str, str]
    #: Who stamps a record: the broker (`append`). Not in the files released before it was said.
    timestamp_type: Literal["append"] = "append"
    #: Consumer to the events it handles, for those that do not handle them all.
    reads: dict[str, tuple[str, ...]] = {}


class Sources(msgspec.Struct, frozen=True, dict=True):
    """Everything under one schemas folder: today's, or a released one."""

    folder: Path

    @cached_property
    def types(self) -> Mapping[str, Schema]:
        """The shared types by their name in `$defs`."""
        return _schema(self.folder / TYPES_FILE).defs

    @cached_property
    def envelope(self) -> Schema:
        """The schema of a whole record: the CloudEvent around the data."""
        return _schema(self.folder / ENVELOPE_FILE)

    @cached_property
    def dead_letter(self) -> Schema:
        """The schema of a record in a dead-letter topic."""
        return _schema(self.folder / DEAD_LETTER_FILE)

    @cached_property
    def events(self) -> Mapping[str, Schema]:
        """Event name (`appointment.booked`) to the schema of its data, in topic order."""
        found = {
            path.name.removesuffix(".schema.json"): path
            for path in sorted(self.folder.glob("events/*.schema.json"))
        }
        in_topic_order = [name for topic in self.topics.values() for name in topic.events]
        order = {name: place for place, name in enumerate(in_topic_order)}
        return {
            name: _schema(found[name])
            for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))
        }

    @cached_property
    def topics(self) -> Mapping[str, TopicFile]:
        """Topic name to what its file says."""
        files = sorted(self.folder.glob("topics/*.yaml"))
        return {
            path.name.removesuffix(".yaml"): msgspec.yaml.decode(path.read_bytes(), type=TopicFile)
            for path in files
        }

    def topics_of(self, event: str) -> Sequence[str]:
        """The topics that carry `event`, all with the same subject.

        Raises LookupError when it is in none.
        """
        topics = [name for name, topic in self.topics.items() if event in topic.events]
        if not topics:
            raise LookupError(f"{event} has to be in a topic file, and is in none")
        return topics

    def topic_of(self, event: str) -> str:
        """The topic that carries `event`; where each owner has one, with `{source}` for its name.

        Raises LookupError when it is in none, or in several that are named otherwise.
        """
        topics = self.topics_of(event)
        if len(topics) == 1:
            return topics[0]
        if topics != [OWN_TOPIC.format(source=self.topics[name].owner) for name in topics]:
            raise LookupError(f"{event}: each of {topics} has to be {OWN_TOPIC}")
        return OWN_TOPIC

    def subject_of(self, event: str) -> str:
        """The property that is the event's subject and the record's key."""
        return self.topics[self.topics_of(event)[0]].events[event]

    def resolved(self, schema: Schema) -> Schema:
        """`schema`, or the shared type it refers to.

        Raises LookupError for an unknown one, and ValueError for a constraint beside the `$ref`,
        which the generated Structs would not have.
        """
        if schema.ref is None:
            return schema
        words = {"ref": None, "title": None, "description": None, "examples": ()}
        if msgspec.structs.replace(schema, **words) != Schema():
            raise ValueError(f"{schema.ref}: put the constraint into a shared type of its own")
        return self.types[type_name(schema.ref)]

    def example(self, event: str) -> Json:
        """The typical example of an event's data."""
        value: Json = msgspec.json.decode(
            (self.folder / "examples" / event / "valid-typical.json").read_bytes()
        )
        return value


def type_name(ref: str) -> str:
    """The name in `$defs` that a `$ref` points at."""
    return ref.rpartition("#/$defs/")[2]


def class_name(event: str) -> str:
    """The name of an event's Struct and message: `appointment.booked` -> `AppointmentBooked`."""
    return "".join(word.capitalize() for word in event.split("."))


def event_type(event: str) -> str:
    """`appointment.booked` -> `dk.brobyg.appointment.booked`."""
    return f"dk.brobyg.{event}"


def title(schema: Schema) -> str:
    """The name of a shared type. Raises ValueError when the schema has none."""
    if schema.title is None:
        raise ValueError("a shared type needs a title")
    return schema.title


def _schema(path: Path) -> Schema:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Schema)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
