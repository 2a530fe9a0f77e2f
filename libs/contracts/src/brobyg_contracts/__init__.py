"""Facts on the wire: the files under schemas/, as Python.

- `events`: one Struct for each event type, generated; `EVENTS` maps event type to Struct
- `topics`: `TOPICS`, who writes and reads them and how they are kept
- `asyncapi`: what each service sends and receives
- `reference`: places, departments, pools and the rest of the reference data, and distances
- `pathways`: the declared policy of each kind of help
"""

from brobyg_contracts import events
from brobyg_contracts.event import EventData
from brobyg_contracts.events import *  # noqa: F403 - generated; its __all__ lists its names
from brobyg_contracts.topics import TOPICS, Topic

#: Event type (`dk.brobyg.appointment.booked`) to its Struct, topic by topic.
EVENTS: dict[str, type[EventData]] = {
    kind.EVENT_TYPE: kind
    for name in events.__all__
    if isinstance(kind := getattr(events, name), type) and issubclass(kind, EventData)
}

__all__ = ["EVENTS", "TOPICS", "EventData", "Topic"]
__all__ += events.__all__
