"""What every event type of the contracts has."""

from typing import ClassVar

from msgspec import Struct


class EventData(Struct, frozen=True, kw_only=True, gc=False):
    """What an event says. Each event type is a subclass, in `brobyg_contracts.events`."""

    #: `dk.brobyg.<noun>.<past participle>`, the CloudEvents `type`.
    EVENT_TYPE: ClassVar[str]
    #: The topic that carries it; `{source}` in it stands for the service that emits the event.
    TOPIC: ClassVar[str]
    #: The `$id` of its JSON Schema.
    DATASCHEMA: ClassVar[str]
    #: The property that is the event's `subject` and the record's key.
    SUBJECT: ClassVar[str]
