"""The envelope: CloudEvents 1.0.2 in Kafka's structured mode, one JSON document a record.

An event is read in one way everywhere: `decode` reads the envelope, `Event.read` or `Event.decode`
the data, and what they refuse is refused by every service.
"""

import builtins
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

import msgspec
from msgspec import Meta

from brobyg_kit.domain import domain
from brobyg_kit.errors import KitError

EVENT_CONTENT_TYPE = "application/cloudevents+json"
#: The type of an event that stands for a record without a value on a compacted topic: what its
#: subject had is deleted. It has no data.
TOMBSTONE = "tombstone"
#: The type of an event that stands for a record that is none.
UNDECODABLE = "undecodable"


@runtime_checkable
class EventData(Protocol):
    """What an event says, as a generated `msgspec.Struct`."""

    EVENT_TYPE: ClassVar[str]
    #: `{source}` in it stands for the service that emits the event, see `topic_of`.
    TOPIC: ClassVar[str]
    DATASCHEMA: ClassVar[str]


DataT = TypeVar("DataT")


class UndecodableEvent(KitError):
    """The bytes are not an event, or its data breaks its schema.

    The message names the field (`data.starts_at`) and holds no value of the event.
    """


class UnknownWord(UndecodableEvent):
    """The data holds a word that this version's schema does not list, as a later version may."""


class LaterVersion(UndecodableEvent):
    """The data is of a later major version than this code reads."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact: CloudEvents attributes, the extensions used here, and the data still undecoded.

    `sequence` counts the events of one `subject` from one `source`, from 1 and without gaps.
    """

    id: str
    source: str
    type: Annotated[str, Meta(max_length=200)]
    subject: Annotated[str, Meta(max_length=500)]
    time: Annotated[datetime, Meta(tz=True)]
    dataschema: str
    correlationid: str
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    causationid: str | None = None
    traceparent: str | None = None
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    data: msgspec.Raw

    def decode(self, kind: builtins.type[DataT]) -> DataT:
        """The data as `kind`. Raises UndecodableEvent when it breaks the schema.

        LaterVersion when it is of a later major version, whether or not it looks as of this one.
        """
        schema = getattr(kind, "DATASCHEMA", "")
        if self.dataschema != schema and schema:
            major_of = domain().major_of
            if major_of(self.dataschema) > major_of(schema):
                raise LaterVersion(f"{self.type}: data is of a later major version")
        try:
            return _decoder(kind).decode(self.data)
        except _UNREADABLE as error:
            wrong = UnknownWord if str(error).startswith(_NO_SUCH_WORD) else UndecodableEvent
            raise wrong(f"{self.type}: {_place('data', error)}") from error

    def read(self, types: Mapping[str, builtins.type[DataT]]) -> DataT | None:
        """The data as the Struct of the event's type; None for a type not in `types`.

        `types` maps event types to Structs, as `brobyg_contracts.EVENTS` does. Raises
        UndecodableEvent when the data breaks the schema, UnknownWord when only a later schema
        could list one of its words, LaterVersion as `decode`.
        """
        kind = types.get(self.type)
        return None if kind is None else self.decode(kind)


#: RecursionError: brackets within brackets, thousands deep.
_UNREADABLE = (msgspec.ValidationError, msgspec.DecodeError, RecursionError)
_NO_SUCH_WORD = "Invalid enum value"
_MISSING = re.compile(r"Object missing required field `(\w+)`").match
_PATH = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$").search
_PLAIN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_envelope_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


def _place(part: str, error: Exception) -> str:
    """The field that is wrong, as `data.starts_at`.

    How it is wrong is left out: msgspec quotes the value of an enumeration it does not know.
    """
    text = str(error)
    path = _PATH(text)
    place = part + (path[1] if path else "")
    if missing := _MISSING(text):
        return f"{place}.{missing[1]} is missing"
    if isinstance(error, msgspec.ValidationError):
        return f"{place} is not as its schema says"
    return f"{place} is not JSON"


def _decoder(kind: type[DataT]) -> msgspec.json.Decoder[DataT]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


def encode(event: Event) -> bytes:
    """The event as a record's value."""
    return _encoder.encode(event)


def topic_of(kind: EventData | builtins.type[EventData], source: str) -> str:
    """The topic on which the service `source` emits events of this kind."""
    return kind.TOPIC.replace("{source}", source)


def unencoded(data: EventData) -> msgspec.Raw:
    """The data for an envelope that is only encoded: both are written in one go, which costs less.

    It must not be read from such an envelope.
    """
    return cast("msgspec.Raw", data)


def encode_data(data: EventData) -> msgspec.Raw:
    """The data as JSON, ready to stand in an envelope."""
    return msgspec.Raw(_encoder.encode(data))


def decode(value: bytes) -> Event:
    """The event in a record's value, in a form that PostgreSQL can store whole.

    Raises UndecodableEvent when it is not one: no envelope, an id that is not a UUID, a time
    without a zone, a sequence out of range, or text that jsonb cannot hold (NUL and other control
    characters, lone surrogates, bytes that are not UTF-8). The data is not validated, see
    `Event.read`.
    """
    try:
        event = _envelope_decoder.decode(value)
    except _UNREADABLE as error:
        raise UndecodableEvent(_place("envelope", error)) from error
    # By number, as `bytes.__contains__` finds an int three times faster than a text of one byte.
    if 92 in value or 10 in value or 13 in value or 9 in value or not value.isascii():
        event = _normalised(event)
    return event if _PLAIN_ID(event.id) else _with_plain_id(event)


def _normalised(event: Event) -> Event:
    """Decode and encode the data once: PostgreSQL and COPY take the result as it is."""
    try:
        data = _encoder.encode(msgspec.json.decode(event.data))
        texts = (
            event.type,
            event.subject,
            event.dataschema,
            event.correlationid,
            event.causationid or "",
        )
        whole = data + "".join(texts).encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UndecodableEvent("data is not JSON in UTF-8") from error
    if b"\\u0000" in whole or any(
        character < " " or character == "\\" for text in texts for character in text
    ):
        raise UndecodableEvent("envelope or data holds a control character")
    return msgspec.structs.replace(event, data=msgspec.Raw(data))


def _with_plain_id(event: Event) -> Event:
    try:
        return msgspec.structs.replace(event, id=str(uuid.UUID(event.id)))
    except ValueError as error:
        raise UndecodableEvent("envelope.id is not a UUID") from error


def storable(text: str) -> bool:
    """Whether `text` fits an indexed column: no NUL, and at most 500 characters."""
    return len(text) <= 500 and "\0" not in text
