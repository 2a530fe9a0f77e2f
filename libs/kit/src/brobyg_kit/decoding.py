"""From records to events, as FastStream's parser and decoder. Nothing here raises.

FastStream drops a batch whose parser or decoder raises, and goes on with the next. So a record
that can't be read becomes a placeholder with the error, which is parked in its order.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from faststream.kafka import KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.message import StreamMessage

from brobyg_kit.event import TOMBSTONE, UNDECODABLE, Event, UndecodableEvent, storable
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin, Received
from brobyg_kit.subscription import Subscription
from brobyg_kit.upcasting import events_in

#: An id, or a kind of reference data and the id of an entry.
_OWN_KEY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[a-z_]{1,50}/([0-9]{4}|[a-z][a-z0-9_.-]{0,100})"
)
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
    """FastStream's decoder for batches of `subscription`: the events of each record, in order."""

    async def decode_batch(message: StreamMessage[Any]) -> list[Received]:
        return [
            one
            for record in message.raw_message
            for one in read(
                subscription,
                Origin(record.topic, record.partition, record.offset),
                record.key,
                record.value,
            )
        ]

    return decode_batch


def read(
    subscription: Subscription, origin: Origin, key: bytes | None, value: bytes | None
) -> list[Received]:
    """The events of the record at `origin`, at least one, or a placeholder with the error.

    On a compacted topic the key says what a record replaces, so the event's subject must be it.
    """
    compacted = origin.topic in subscription.compacted
    if value is None and key and compacted:
        return [Received(_placeholder(origin, key, TOMBSTONE), origin)]
    decoder = subscription.decoders.get(origin.topic)
    value = value or b""
    try:
        made = decoder(origin, key, value) if decoder else events_in(value)
        events = (made,) if isinstance(made, Event) else made
        if compacted and any(one.subject.encode() != key for one in events):
            raise UndecodableEvent("subject is not the record's key")
    except Exception as error:  # noqa: BLE001 - nor may a bug in a decoder, see above
        return [Received(_placeholder(origin, key), origin, error)]
    return [Received(event, origin) for event in events]


def _placeholder(origin: Origin, key: bytes | None, type: str = UNDECODABLE) -> Event:
    """What stands for a record that is no event.

    Its subject is the record's key where that is one of ours, or what a deletion is of: operators
    are shown it, and whoever else may have written the record may have put anything there.
    """
    text = key.decode(errors="replace") if key and origin.topic.startswith("brobyg.") else ""
    is_own = bool(text) and storable(text) if type == TOMBSTONE else _OWN_KEY.fullmatch(text)
    event_id = derived_id(origin.topic, str(origin.partition), str(origin.offset))
    return Event(
        id=event_id,
        source=origin.topic,
        type=type,
        subject=text if is_own else derived_id("key", repr(key)),
        time=datetime.fromtimestamp(0, UTC),
        dataschema="",
        correlationid=event_id,
        sequence=0,
        data=msgspec.Raw(b"null"),
    )
