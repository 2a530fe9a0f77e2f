"""Who emits what, and who consumes it: from the services' own tables, as a table or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Column, Table

from brobyg_kit.event import EventData, topic_of
from brobyg_kit.service import Service

_PREFIX = "dk.brobyg."
#: In place of an event type: for a topic without our events, or for all events of a topic.
RECORD = "(record)"


@dataclass(frozen=True, slots=True)
class Row:
    """One event type (or raw topic), where it is written and who reads it."""

    event: str
    topic: str
    emitted_by: tuple[str, ...]
    consumed_by: tuple[str, ...]


def rows(services: Sequence[Service]) -> list[Row]:
    """The flow of the whole system, by topic and event.

    A service that reads a topic as a whole reads each of its events.
    """
    emitted = {
        (_key(one, service.name), service.name) for service in services for one in service.emits
    }
    consumed = {(key, service.name) for service in services for key in _read_by(service)}
    keys = {key for key, _ in emitted | consumed}
    typed = {topic for topic, event in keys if event != RECORD}
    return [
        Row(
            event,
            topic,
            emitted_by=tuple(sorted(name for key, name in emitted if key == (topic, event))),
            consumed_by=tuple(
                sorted(name for key, name in consumed if key in ((topic, event), (topic, RECORD)))
            ),
        )
        for topic, event in sorted(keys)
        if event != RECORD or topic not in typed
    ]


def _read_by(service: Service) -> set[tuple[str, str]]:
    """Topic and event of all that a service handles or copies."""
    copied = {_key(kind, service.name) for copy in service.copies for kind in copy.kinds.values()}
    return copied | {
        (topic, RECORD if isinstance(one.event, str) else _name(one.event))
        for one in service.handlers
        for topic in one.topics
    }


def _name(kind: type[EventData]) -> str:
    return kind.EVENT_TYPE.removeprefix(_PREFIX)


def _key(one: type[EventData] | str, service: str) -> tuple[str, str]:
    if isinstance(one, str):
        return one, RECORD
    return topic_of(one, service), _name(one)


def table(flow: Sequence[Row]) -> Table:
    """The flow for a terminal of 80 columns, each event under its topic; no name is cut."""
    shown = Table(Column("topic, event", no_wrap=True), "emitted by", "consumed by")
    topic = ""
    for row in flow:
        if row.topic != topic:
            shown.add_section()
            shown.add_row(f"[bold]{row.topic}")
        shown.add_row(
            f"  {row.event}",
            ", ".join(row.emitted_by) or "outside",
            ", ".join(row.consumed_by) or "-",
        )
        topic = row.topic
    return shown


def mermaid(flow: Sequence[Row]) -> str:
    """The flow as a Mermaid flowchart: services as boxes, topics as queues, events on arrows."""
    lines = ["flowchart LR"]
    topics = sorted({row.topic for row in flow})
    names = {topic: f"t{number}" for number, topic in enumerate(topics)}
    lines += [f'    {names[topic]}[/"{topic}"/]' for topic in topics]
    for topic in topics:
        of_topic = [row for row in flow if row.topic == topic]
        for service in sorted({name for row in of_topic for name in row.emitted_by}) or ["outside"]:
            events = [row.event for row in of_topic if service in row.emitted_by]
            label = f'|"{"<br>".join(events)}"|' if events and events != [RECORD] else ""
            lines.append(f"    {service} -->{label} {names[topic]}")
        lines += [
            f"    {names[topic]} --> {service}"
            for service in sorted({name for row in of_topic for name in row.consumed_by})
        ]
    return "\n".join(lines)
