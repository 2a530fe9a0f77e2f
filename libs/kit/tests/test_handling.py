"""The tables of what is consumed and emitted, and the AsyncAPI document they are checked against."""

from typing import Any, ClassVar

import msgspec
from brobyg_kit.handling import Handler, consumed, differences
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


def operation(action: str, topic: str, *messages: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "tags": [{"name": "thing"}],
        "messages": [{"$ref": f"#/channels/{topic}/messages/{message}"} for message in messages],
    }


def document(*operations: dict[str, Any]) -> dict[str, Any]:
    messages = {"Booked": {"name": Booked.EVENT_TYPE}, "Moved": {"name": Moved.EVENT_TYPE}}
    return {
        "operations": {str(number): one for number, one in enumerate(operations)},
        "components": {"messages": messages},
    }


READS_BOTH = operation("receive", "brobyg.things.v1", "Booked", "Moved")
DEAD = operation("send", "brobyg.thing.dead-letter.v1", "Booked")


def test_a_service_consumes_what_its_handlers_name_in_their_order() -> None:
    handlers = (Handler(Moved, booked, loads="thing_id"), Handler("hospital.v1", booked, None))
    service = Service("thing", "thing", KitSettings, lambda _: Parts(), handlers=handlers)
    assert service.consumes == consumed(handlers) == (Moved, "hospital.v1")
    assert service.topics == ["brobyg.things.v1", "hospital.v1"]


def test_tables_that_are_as_the_document_says_have_no_differences() -> None:
    assert differences(document(READS_BOTH, DEAD), "thing", (Booked, Moved), ()) == []
    assert differences(document(READS_BOTH), "thing", ("brobyg.things.v1",), ()) == []
    sends = operation("send", "brobyg.things.v1", "Booked")
    assert differences(document(sends), "thing", (), (Booked,)) == []


def test_what_only_the_table_or_only_the_document_knows_is_told() -> None:
    reads = differences(document(READS_BOTH), "thing", ("no.topic",), ())
    assert reads == [
        "thing reads no.topic, which the document does not say",
        "the document says that thing reads brobyg.things.v1, which its table does not",
    ]
    sends = operation("send", "brobyg.things.v1", "Booked")
    assert differences(document(sends), "thing", (), (Moved,)) == [
        "thing writes dk.brobyg.thing.moved on brobyg.things.v1, which the document does not say",
        (
            "the document says that thing writes dk.brobyg.thing.booked on brobyg.things.v1,"
            " which its table does not"
        ),
    ]


def test_a_consumer_may_pass_over_some_of_what_its_topics_carry() -> None:
    assert differences(document(READS_BOTH), "thing", (Booked,), ()) == []


def test_what_another_service_does_is_no_difference() -> None:
    assert differences(document(READS_BOTH), "other", (), ()) == []
