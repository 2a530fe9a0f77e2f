"""Records of a compacted topic: things as they are now."""

import uuid
from typing import ClassVar

import msgspec
from brobyg_kit.consumer import Subscription
from brobyg_kit.decoding import read
from brobyg_kit.event import Event, encode
from brobyg_kit.parking import Origin, Received


class ThingRecorded(msgspec.Struct, frozen=True):
    """A thing as it is now."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.recorded"
    TOPIC: ClassVar[str] = "brobyg.things.v1"
    DATASCHEMA: ClassVar[str] = "about:blank"
    name: str
    number: int


TOPIC = ThingRecorded.TOPIC
SUBSCRIPTION = Subscription(
    "test",
    [TOPIC],
    None,  # type: ignore[arg-type]  # nothing is handled
    compacted={TOPIC},
)


def record_of(offset: int, name: str, number: int | None) -> Received:
    """What comes of a record at this offset; without a number, of one that deletes."""
    origin = Origin(TOPIC, 0, offset)
    value = None
    if number is not None:
        event = event_of(ThingRecorded(name=name, number=number))
        value = encode(event)
    [one] = read(SUBSCRIPTION, origin, name.encode(), value)
    return one


def event_of(data: ThingRecorded, type: str = ThingRecorded.EVENT_TYPE) -> Event:
    event_id = str(uuid.uuid4())
    return msgspec.convert(
        {
            "id": event_id, "source": "owner", "type": type, "subject": data.name,
            "time": "2026-11-30T08:00:00Z", "dataschema": "", "correlationid": event_id,
            "sequence": 1, "data": msgspec.Raw(msgspec.json.encode(data)),
        },
        Event,
        strict=False,
    )  # fmt: skip
