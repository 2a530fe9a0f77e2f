"""The table of what a service does on which event."""

from typing import ClassVar

import msgspec
from brobyg_kit.handling import Handler
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings


class Booked(msgspec.Struct, frozen=True):
    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.booked"
    TOPIC: ClassVar[str] = "brobyg.things.v1"
    DATASCHEMA: ClassVar[str] = "about:blank"


class Moved(msgspec.Struct, frozen=True):
    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.moved"
    TOPIC: ClassVar[str] = "brobyg.things.v1"
    DATASCHEMA: ClassVar[str] = "about:blank"


def booked(number: int) -> int:
    return number


def test_a_service_consumes_what_its_handlers_name_in_their_order() -> None:
    handlers = (Handler(Moved, booked, loads="thing_id"), Handler("things.v1", booked, None))
    service = Service("thing", "thing", KitSettings, lambda _: Parts(), handlers=handlers)
    assert service.consumes == (Moved, "things.v1")
    assert service.topics == ["brobyg.things.v1", "things.v1"]
