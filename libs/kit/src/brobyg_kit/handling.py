"""The table of what a service does on which event, and its check against the AsyncAPI document."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from brobyg_kit.event import EventData

FunctionT_co = TypeVar("FunctionT_co", default=Callable[..., Any], covariant=True)
LoadsT_co = TypeVar("LoadsT_co", default=object, covariant=True)


@dataclass(frozen=True, slots=True)
class Handler(Generic[FunctionT_co, LoadsT_co]):
    """One row of a service's `HANDLERS`: which event, what is done, what it needs."""

    #: The event's type, or the name of a topic that is read as a whole.
    event: type[EventData] | str
    #: What is done on it. Its signature is the service's own, the same in all rows.
    function: FunctionT_co
    #: What is loaded before `function` is called: a small value of the service's own.
    loads: LoadsT_co
    #: Whether it may start a search.
    searches: bool = False


def consumed(handlers: Sequence[Handler]) -> tuple[type[EventData] | str, ...]:
    """The event types and topics that `handlers` name, in their order."""
    return tuple(handler.event for handler in handlers)


def differences(
    document: Mapping[str, Any],
    service: str,
    consumes: Iterable[type[EventData] | str],
    emits: Iterable[type[EventData] | str],
) -> list[str]:
    """Where a service's tables and its part of the AsyncAPI 3 `document` disagree, in words.

    Empty when they agree. A consumer of a topic is sent all of its messages, so its table may name
    fewer of them than the document, but not none. What goes to dead-letter topics is not compared.
    """
    reads = _messages(document, service, "receive")
    writes = _messages(document, service, "send")
    consumed_here, emitted_here = _of_tables(consumes, reads), _of_tables(emits, writes)
    topics_read = {topic for topic, _ in consumed_here}
    return [
        *(f"{service} reads {_told(one)}, which the document does not say"
          for one in sorted(consumed_here - reads)),
        *(f"the document says that {service} reads {topic}, which its table does not"
          for topic in sorted({topic for topic, _ in reads} - topics_read)),
        *(f"{service} writes {_told(one)}, which the document does not say"
          for one in sorted(emitted_here - writes)),
        *(f"the document says that {service} writes {_told(one)}, which its table does not"
          for one in sorted(writes - emitted_here)),
    ]  # fmt: skip


def _messages(document: Mapping[str, Any], service: str, action: str) -> set[tuple[str, str]]:
    """Topic and name of each message in the operations tagged with `service`.

    The name of an event's message is its CloudEvents type.
    """
    named = document["components"]["messages"]
    return {
        (topic, named[_last(message["$ref"])]["name"])
        for operation in document["operations"].values()
        if operation["action"] == action and {"name": service} in operation["tags"]
        for message in operation["messages"]
        if not (topic := _last(operation["channel"]["$ref"])).endswith(".dead-letter.v1")
    }


def _of_tables(
    table: Iterable[type[EventData] | str], documented: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Topic and message name of each row; a topic as a whole stands for all documented there."""
    found = set()
    for one in table:
        if isinstance(one, str):
            found |= {known for known in documented if known[0] == one} or {(one, "")}
        else:
            found.add((one.TOPIC, one.EVENT_TYPE))
    return found


def _told(message: tuple[str, str]) -> str:
    topic, name = message
    return f"{name} on {topic}" if name else topic


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
