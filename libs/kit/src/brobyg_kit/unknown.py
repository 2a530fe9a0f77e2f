"""What this code does not know: an event's type on a topic it reads, or a word in one it handles.

Such an event is no error: a later version tells more. It is handled as far as it is known, or
passed over, and counted by topic and type, never by what it says.
"""

import re
from collections.abc import Collection, Iterable

from brobyg_kit.domain import domain
from brobyg_kit.event import TOMBSTONE, UNDECODABLE, Event, UndecodableEvent
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Received

#: What is counted of a type that is not in our form, or is one too many: types come from outside.
OTHER = "other"
#: The most types of one topic that are counted by name.
_MOST_TYPES = 50
_FORM = re.compile(r"dk\.brobyg\.[a-z]{1,30}\.[a-z]{1,30}").fullmatch


def shown(event_type: str) -> str:
    """The type as metrics and checks may show it: what is not in a type's form is `OTHER`.

    Types of records that are no events of ours are topics' names and the kit's own words.
    """
    ours = event_type in (TOMBSTONE, UNDECODABLE) or event_type in domain().TOPICS
    return event_type if ours or _FORM(event_type) else OTHER


class Unknown:
    """Counts what is unknown in the events of one consumer, for all that tell of it.

    It reads what an event says once more, some 2 microseconds: who handles events reads of them
    what they need, and an event that keeps what it says, as reporting's do, is read once.
    """

    def __init__(self, types: Collection[str], metrics: Metrics) -> None:
        """`types` are the event types whose words matter to the service."""
        self._types, self._metrics = frozenset(types), metrics
        self._named: dict[str, set[str]] = {}

    def look(self, batch: Iterable[Received]) -> None:
        """Count those of `batch`, which was handled, that are not known in full."""
        topics = domain().TOPICS
        for one in batch:
            types = topics.get(one.origin.topic)
            if not types or one.event.type == TOMBSTONE:
                continue
            if one.event.type not in types or self._has_unknown_word(one.event):
                self.count(one)

    def count(self, one: Received) -> None:
        """Count this event."""
        self._metrics.unknown.labels(one.origin.topic, self._label(one)).inc()

    def _label(self, one: Received) -> str:
        named, name = self._named.setdefault(one.origin.topic, set()), one.event.type
        if name not in named:
            if len(named) >= _MOST_TYPES or shown(name) == OTHER:
                return OTHER
            named.add(name)
        return name

    def _has_unknown_word(self, event: Event) -> bool:
        if event.type not in self._types:
            return False
        try:
            said = event.read(domain().EVENTS)
        except UndecodableEvent:  # kept, though it was not read in full
            return True
        return said is not None and any(domain().unknown_words(said))
