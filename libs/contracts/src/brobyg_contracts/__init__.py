"""Facts on the wire: event types, topics, places and pathways. Generated from `schemas/`; knows no logic.

- `events`: a Struct an event type, `EVENTS` from type to Struct
- `topics`: `TOPICS`, who writes and reads them and how they are kept
- `places`: postcodes, places of care, departments, distances
- `pathways`: the declared policy of each kind of help
"""

from brobyg_contracts.events import *  # noqa: F403  # every event and shared type is public
from brobyg_contracts.events import __all__ as _events
from brobyg_contracts.topics import TOPICS, Topic

__all__ = [*_events, "TOPICS", "Topic"]
