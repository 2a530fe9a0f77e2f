"""The table of what a service does on which event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from brobyg_kit.event import EventData, topic_of

FunctionT_co = TypeVar("FunctionT_co", default=Callable[..., Any], covariant=True)
LoadsT_co = TypeVar("LoadsT_co", default=object, covariant=True)


@dataclass(frozen=True, slots=True)
class Handler(Generic[FunctionT_co, LoadsT_co]):
    """One row of a service's `HANDLERS`: which event, what is done, what it needs."""

    #: The event's type, or the name of a topic that is read as a whole.
    event: type[EventData] | str
    #: What is done on it. Its signature is the service's own, the same in all rows.
    function: FunctionT_co
    #: What is loaded before `function` is called: a small value of the service's own; None where
    #: nothing is, and `function` loads what it needs.
    loads: LoadsT_co
    #: Whether it may start a search.
    searches: bool = False
    #: Of an event that each service emits on its own topic: whose are handled.
    sources: tuple[str, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """Where it is read."""
        event = self.event
        if isinstance(event, str):
            return (event,)
        return tuple(topic_of(event, one) for one in self.sources) or (event.TOPIC,)
