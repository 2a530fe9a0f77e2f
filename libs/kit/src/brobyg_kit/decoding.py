"""From records to events, as FastStream's parser and decoder. Nothing here raises.

FastStream drops a batch whose parser or decoder raises, and goes on with the next. So a record
that can't be read becomes a placeholder with the error, which is parked in its order.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from faststream.kafka import KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.message import StreamMessage

from brobyg_kit.event import TOMBSTONE, Event, UndecodableEvent, decode, storable
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin, Received
from brobyg_kit.subscription import Subscription

UNDECODABLE = "undecodable"
#: A record as aiokafka gives it.
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"


async def parse_batch(records: tuple[Record, ...]) -> KafkaMessage:
    """FastStream's message of a batch, without headers.

    It acknowledges nothing: the lane commits the offsets. FastStream's own parser decodes every
    header of every record and raises for one that is null or not UTF-8.
    """
    return KafkaMessage(
        records, records, message_id="", correlation_id="batch", consumer=FAKE_CONSUMER
    )


def batch_decoder(
    subscription: Subscription,
) -> Callable[[StreamMessage[Any]], Awaitable[list[Received]]]:
    """FastStream's decoder for batches of `subscription`: each record as an event, in order."""

    async def decode_batch(message: StreamMessage[Any]) -> list[Received]:
        return [
            read(
                subscription,
                Origin(record.topic, record.partition, record.offset),
                record.key,
                record.value,
            )
            for record in message.raw_message
        ]

    return decode_batch


def read(
    subscription: Subscription, origin: Origin, key: bytes | None, value: bytes | None
) -> Received:
    """The record at `origin` as an event, or as a placeholder with the error.

    On a compacted topic the key says what a record replaces, so the event's subject must be it.
    """
    compacted = origin.topic in subscription.compacted
    if value is None and key and compacted:
        return Received(_placeholder(origin, key, TOMBSTONE), origin)
    decoder = subscription.decoders.get(origin.topic)
    value = value or b""
    try:
        event = decoder(origin, key, value) if decoder else decode(value)
        if compacted and event.subject.encode() != key:
            raise UndecodableEvent("subject is not the record's key")
        return Received(event, origin)
    except Exception as error:  # noqa: BLE001 - nor may a bug in a decoder, see above
        return Received(_placeholder(origin, key), origin, error)


def _placeholder(origin: Origin, key: bytes | None, type: str = UNDECODABLE) -> Event:
    """What stands for a record that is no event; its subject is the record's key."""
    text = key.decode(errors="replace") if key and origin.topic.startswith("brobyg.") else ""
    event_id = derived_id(origin.topic, str(origin.partition), str(origin.offset))
    return Event(
        id=event_id,
        source=origin.topic,
        type=type,
        subject=text if text and storable(text) else derived_id("key", repr(key)),
        time=datetime.fromtimestamp(0, UTC),
        dataschema="",
        correlationid=event_id,
        sequence=0,
        data=msgspec.Raw(b"null"),
    )
