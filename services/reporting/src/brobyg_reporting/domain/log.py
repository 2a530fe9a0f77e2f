"""What the event log keeps of a record, and which records it can't keep."""

import re
from datetime import datetime
from uuid import UUID

import msgspec
from brobyg_kit.event import Event, UndecodableEvent, decode

_PLAIN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_LARGEST_SEQUENCE = 2**63 - 1


class LoggedEvent(Event, frozen=True, kw_only=True):
    """An event and where it stands in Kafka."""

    topic: str
    partition: int
    offset: int


def read_event(value: bytes) -> Event:
    """The event in a record's value, in a form that PostgreSQL can keep whole.

    Live, catch-up and rebuild read records by this function alone, so they agree on what is an event. Raises UndecodableEvent when it is
    none, or when its id is no UUID or its text holds what a jsonb can't (NUL, a lone surrogate, bytes that are no UTF-8).
    """
    event = decode(value)
    if b"\\" in value or b"\n" in value or b"\r" in value or b"\t" in value or not value.isascii():
        event = _normalised(event)
    if not _PLAIN_ID(event.id):
        event = _with_plain_id(event)
    if not 0 <= event.sequence <= _LARGEST_SEQUENCE or event.time.tzinfo is None:
        raise UndecodableEvent("envelope: sequence or time out of range")
    return event


class LogLine(msgspec.Struct, kw_only=True, gc=False):
    """What the event log keeps of an event, read as a rebuild needs it: the same attributes as `Event`, the time as it was written."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str
    correlationid: str
    sequence: int
    causationid: str | None = None
    traceparent: str | None = None
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    data: msgspec.Raw


_decode_line = msgspec.json.Decoder(LogLine).decode
_UTC_LENGTHS = range(
    20, 28
)  # from whole seconds to microseconds, with the Z; finer would be rounded twice


def read_line(value: bytes) -> tuple[LogLine, datetime]:
    """As `read_event`, several times cheaper for what our own services write; anything unusual takes the way through `read_event`.

    Accepts and refuses the same records (property-tested). Raises UndecodableEvent.
    """
    if (
        b"\\" not in value
        and b"\n" not in value
        and b"\r" not in value
        and b"\t" not in value
        and value.isascii()
    ):
        try:
            line = _decode_line(value)
            written = line.time
            usual = len(written) in _UTC_LENGTHS and written[-1] == "Z" and written[10] == "T"
            if usual and _PLAIN_ID(line.id) and 0 <= line.sequence <= _LARGEST_SEQUENCE:
                return line, datetime.fromisoformat(written)
        except (msgspec.DecodeError, ValueError):
            pass  # the long way says what it is, or what is wrong with it
    event = read_event(value)
    return (
        LogLine(
            id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time.isoformat(),
            dataschema=event.dataschema,
            correlationid=event.correlationid,
            sequence=event.sequence,
            causationid=event.causationid,
            data=event.data,
        ),
        event.time,
    )


def place(event: Event, topic: str, partition: int, offset: int) -> LoggedEvent:
    """The event together with its place in Kafka."""
    return LoggedEvent(
        id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
        time=event.time,
        dataschema=event.dataschema,
        correlationid=event.correlationid,
        sequence=event.sequence,
        causationid=event.causationid,
        traceparent=event.traceparent,
        data=event.data,
        topic=topic,
        partition=partition,
        offset=offset,
    )


def _normalised(event: Event) -> Event:
    """Decode and encode once: escapes and spaces become the ones PostgreSQL and COPY take as they are, or the event is refused."""
    try:
        data = msgspec.json.encode(msgspec.json.decode(event.data))
        texts = (event.type, event.subject, event.correlationid, event.causationid or "")
        whole = data + "".join(texts).encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UndecodableEvent(f"data: {type(error).__name__}") from error
    if b"\\u0000" in whole or any(
        character < " " or character == "\\" for text in texts for character in text
    ):
        raise UndecodableEvent("envelope or data holds a control character")
    return msgspec.structs.replace(event, data=msgspec.Raw(data))


def _with_plain_id(event: Event) -> Event:
    try:
        return msgspec.structs.replace(event, id=str(UUID(event.id)))
    except ValueError as error:
        raise UndecodableEvent("envelope: id is no UUID") from error
