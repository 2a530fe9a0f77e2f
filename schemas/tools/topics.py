"""Writes `topics.py`: what the topic files say, as values."""

from brobyg_kit.topics import retention_days

from schemas.tools.sources import Sources, TopicFile
from schemas.tools.structs import event_type, quoted

HEADER = '''"""The topics: who writes and reads them, and how the broker keeps them. Generated from schemas/topics by
`python -m schemas.tools.generate`; don't edit.
"""

from datetime import timedelta

from msgspec import Struct


class Topic(Struct, frozen=True, kw_only=True):
    """One Kafka topic. Only its owner writes it; `producers` says the same as a list."""

    name: str
    description: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    """What the record's key is. For events it is the event's subject, see `SUBJECT` of its Struct."""
    partitions: int
    retention: timedelta | None
    """How long records are kept; None is for ever."""
    cleanup_policy: str
    compression: str
    compatibility: str
    content_type: str
    event_types: tuple[str, ...]


'''


def topics_module(sources: Sources) -> str:
    """The text of `topics.py`."""
    rows = "".join(_topic(name, topic) for name, topic in sources.topics.items())
    return f'{HEADER}TOPICS: dict[str, Topic] = {{\n    topic.name: topic\n    for topic in (\n{rows}    )\n}}\n"""Topic name to topic."""\n'


def _topic(name: str, topic: TopicFile) -> str:
    days = retention_days(topic.retention)
    fields = {
        "name": quoted(name),
        "description": quoted(topic.description),
        "owner": quoted(topic.owner),
        "producers": _tuple(topic.producers),
        "consumers": _tuple(topic.consumers),
        "key": quoted(topic.key),
        "partitions": str(topic.partitions),
        "retention": "None" if days is None else f"timedelta(days={days})",
        "cleanup_policy": quoted(topic.cleanup_policy),
        "compression": quoted(topic.compression),
        "compatibility": quoted(topic.compatibility),
        "content_type": quoted(topic.content),
        "event_types": _tuple(tuple(event_type(event) for event in topic.events)),
    }
    return (
        "        Topic(\n"
        + "".join(f"            {field}={value},\n" for field, value in fields.items())
        + "        ),\n"
    )


def _tuple(values: tuple[str, ...]) -> str:
    inner = ", ".join(quoted(value) for value in values) + ("," if len(values) == 1 else "")
    if len(inner) <= 90:
        return f"({inner})"
    return (
        "(\n" + "".join(f"                {quoted(value)},\n" for value in values) + "            )"
    )
