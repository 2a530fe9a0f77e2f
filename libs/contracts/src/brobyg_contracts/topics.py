"""The topics: who writes and reads them, and how the broker keeps them.

The facts are schemas/topics/*.yaml; `data/topics.json` is generated from them.
"""

from datetime import timedelta
from importlib.resources import files

import msgspec


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One Kafka topic. Only its owner writes it; `producers` says the same as a list."""

    name: str
    description: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    #: What the record's key is. For events it is the event's subject, see `EventData.SUBJECT`.
    key: str
    partitions: int
    #: How long records are kept; None is for ever.
    retention: timedelta | None
    cleanup_policy: str
    compression: str
    compatibility: str
    content_type: str
    event_types: tuple[str, ...]


_topics = msgspec.json.decode(
    files(__package__).joinpath("data/topics.json").read_bytes(), type=tuple[Topic, ...]
)

#: Topic name to topic.
TOPICS: dict[str, Topic] = {topic.name: topic for topic in _topics}
