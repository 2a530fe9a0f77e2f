"""The envelope: CloudEvents 1.0.2 in Kafka's structured mode, one JSON document a record."""

import builtins
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import msgspec

EVENT_CONTENT_TYPE = "application/cloudevents+json"


@runtime_checkable
class EventData(Protocol):
    """What an event says, as a generated `msgspec.Struct`."""

    EVENT_TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    DATASCHEMA: ClassVar[str]


DataT = TypeVar("DataT")


class UndecodableEvent(ValueError):
    """The bytes are not an event of ours, or its data breaks its schema. The message holds no value of it."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact: CloudEvents attributes, the extensions this system uses, and the data still undecoded.

    `sequence` counts the events of one `subject` from one `source`, from 1 and without gaps.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    correlationid: str
    sequence: int
    causationid: str | None = None
    traceparent: str | None = None
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    data: msgspec.Raw

    def decode(self, kind: builtins.type[DataT]) -> DataT:
        """The data as `kind`. Raises UndecodableEvent when it breaks the schema."""
        try:
            return _decoder(kind).decode(self.data)
        except _UNREADABLE as error:
            raise UndecodableEvent(f"{self.type} data{_place(error)}") from error


#: RecursionError: brackets within brackets, thousands deep.
_UNREADABLE = (msgspec.ValidationError, msgspec.DecodeError, RecursionError)
_envelope_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


def _place(error: Exception) -> str:
    """Where it went wrong. What went wrong is left out: msgspec quotes the value of an enumeration it does not know."""
    return (
        f" at {str(error).rpartition(' - at ')[2]}"
        if " - at " in str(error)
        else " is not JSON of the right form"
    )


def _decoder(kind: type[DataT]) -> msgspec.json.Decoder[DataT]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


def encode(event: Event) -> bytes:
    """The event as a record's value."""
    return _encoder.encode(event)


def encode_data(data: EventData) -> msgspec.Raw:
    """The data as JSON, ready to stand in an envelope."""
    return msgspec.Raw(_encoder.encode(data))


def decode(value: bytes) -> Event:
    """The event in a record's value. Raises UndecodableEvent when it isn't one, or when its subject and type could not be kept (see `storable`)."""
    try:
        event = _envelope_decoder.decode(value)
    except _UNREADABLE as error:
        raise UndecodableEvent(f"envelope{_place(error)}") from error
    both = event.subject + event.type  # one look at both: this is done for every event
    if len(both) > 500 or "\0" in both:
        raise UndecodableEvent("envelope at `$.subject` or `$.type` can't be kept")
    return event


def storable(text: str) -> bool:
    """Whether PostgreSQL can keep `text` in an indexed column: without NUL, and not longer than 500 characters."""
    return len(text) <= 500 and "\0" not in text
