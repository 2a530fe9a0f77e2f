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

    Empty when they agree. What the service writes to its dead-letter topic is the kit's doing
    and not compared. A topic that is read as a whole stands for all of its messages.
    """
    return [
        *_compare(service, "reads", _operations(document, service, "receive"), consumes),
        *_compare(service, "writes", _operations(document, service, "send"), emits),
    ]


def _operations(
    document: Mapping[str, Any], service: str, action: str
) -> dict[str, frozenset[str]]:
    """The message names by topic of the operations tagged with `service`."""
    return {
        topic: frozenset(_message_name(document, one["$ref"]) for one in operation["messages"])
        for operation in document["operations"].values()
        if operation["action"] == action
        and {"name": service} in operation["tags"]
        and not (topic := _last(operation["channel"]["$ref"])).endswith(".dead-letter.v1")
    }


def _message_name(document: Mapping[str, Any], reference: str) -> str:
    """The `name` of a message, which for an event is its CloudEvents type."""
    name: str = document["components"]["messages"][_last(reference)]["name"]
    return name


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _compare(
    service: str,
    verb: str,
    documented: Mapping[str, frozenset[str]],
    table: Iterable[type[EventData] | str],
) -> list[str]:
    whole, typed = set(), set()
    for one in table:
        if isinstance(one, str):
            whole.add(one)
        else:
            typed.add((one.TOPIC, one.EVENT_TYPE))
    told = {(topic, name) for topic, names in documented.items() for name in names}
    return [
        *(f"{service} {verb} {topic}, which the document does not say"
          for topic in sorted(whole - documented.keys())),
        *(f"{service} {verb} {name} on {topic}, which the document does not say"
          for topic, name in sorted(typed - told)),
        *(f"the document says that {service} {verb} {name} on {topic}, which its table does not"
          for topic, name in sorted(told - typed) if topic not in whole),
    ]  # fmt: skip
