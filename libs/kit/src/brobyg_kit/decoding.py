"""From records to events, in the places FastStream has for it. Nothing here raises.

FastStream drops a batch whose parser or decoder raises, and goes on with the next. So a record
that can't be read becomes a placeholder with the error, which is parked when its turn comes.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from faststream.kafka import KafkaMessage
from faststream.message import StreamMessage

from brobyg_kit.event import TOMBSTONE, Event, decode, storable
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin, Received
from brobyg_kit.subscription import Subscription

UNDECODABLE = "undecodable"
#: A record as aiokafka gives it.
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
Parser = Callable[[tuple[Record, ...]], Awaitable[StreamMessage[Any]]]


async def parse_batch(records: tuple[Record, ...]) -> KafkaMessage:
    """FastStream's message of a batch, without headers.

    FastStream's own parser decodes every header of every record and raises for one that is null
    or not UTF-8.
    """
    return KafkaMessage(records, records, message_id="", correlation_id="batch", consumer=_NOBODY)


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
    """The record at `origin` as an event, or as a placeholder with the error."""
    if value is None and key and origin.topic in subscription.compacted:
        return Received(_placeholder(origin, key, TOMBSTONE), origin)
    decoder = subscription.decoders.get(origin.topic)
    value = value or b""
    try:
        return Received(decoder(origin, key, value) if decoder else decode(value), origin)
    except Exception as error:  # noqa: BLE001 - a decoder's bug is that record's fault, see above
        return Received(_placeholder(origin, key), origin, error)


def _placeholder(origin: Origin, key: bytes | None, type: str = UNDECODABLE) -> Event:
    """What stands for a record that is no event: its subject is the record's key, as events'."""
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


class _Nobody:
    """Stands where FastStream would call the consumer to acknowledge: that is not done here."""

    async def commit(self) -> None:
        raise NotImplementedError("offsets are committed by the lane")

    def seek(self, partition: object, offset: int) -> None:
        raise NotImplementedError("nothing is read again by seeking")


_NOBODY = _Nobody()
