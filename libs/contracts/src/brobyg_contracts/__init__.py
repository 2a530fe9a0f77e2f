"""The contracts between the services: the files under schemas/, as Python.

- `events`: one Struct for each event type, generated; `EVENTS` maps event type to Struct
- `topics`: `TOPICS` maps topic to the event types it carries
- `asyncapi`: what each service sends and receives
- `reference`: places, departments, pools and the rest of the reference data, and distances
- `upcasters`: events of earlier major versions, told as those of today
- `words`: the words that are known of properties whose words may grow
- `attention`: how a human may settle what needs one
- `pathways`: the declared policy of each kind of help
"""

from brobyg_contracts import events
from brobyg_contracts.event import EventData
from brobyg_contracts.events import *  # noqa: F403 - generated; its __all__ lists its names
from brobyg_contracts.topics import TOPICS

#: Event type (`dk.brobyg.appointment.booked`) to its Struct, topic by topic.
EVENTS: dict[str, type[EventData]] = {
    kind.EVENT_TYPE: kind
    for name in events.__all__
    if isinstance(kind := getattr(events, name), type) and issubclass(kind, EventData)
}

__all__ = ["EVENTS", "TOPICS", "EventData"]
__all__ += events.__all__
