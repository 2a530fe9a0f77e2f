"""Who emits what, and who consumes it: read from the services' own tables, shown as a table or a picture."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from brobyg_kit.event import EventData
from brobyg_kit.service import Service

_PREFIX = "dk.brobyg."


@dataclass(frozen=True, slots=True)
class Row:
    """One event type (or raw topic), where it is written and who reads it."""

    event: str
    topic: str
    emitted_by: tuple[str, ...]
    consumed_by: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def rows(services: Sequence[Service]) -> list[Row]:
    """The flow of the whole system, by topic and event."""
    emitted: dict[tuple[str, str], list[str]] = {}
    consumed: dict[tuple[str, str], list[str]] = {}
    for service in services:
        for one in service.emits:
            emitted.setdefault(_key(one), []).append(service.name)
        for one in service.consumes:
            consumed.setdefault(_key(one), []).append(service.name)
    return [
        Row(
            event,
            topic,
            tuple(sorted(emitted.get((topic, event), ()))),
            tuple(sorted(consumed.get((topic, event), ()))),
        )
        for topic, event in sorted(emitted.keys() | consumed.keys())
    ]


def _key(one: type[EventData] | str) -> tuple[str, str]:
    return (one, "(record)") if isinstance(one, str) else (one.TOPIC, one.EVENT_TYPE.removeprefix(_PREFIX))


def table(flow: Sequence[Row]) -> Table:
    """The flow for a terminal."""
    shown = Table("topic", "event", "emitted by", "consumed by")
    topic = ""
    for row in flow:
        if topic and row.topic != topic:
            shown.add_section()
        shown.add_row(
            row.topic if row.topic != topic else "",
            row.event,
            ", ".join(row.emitted_by) or "outside",
            ", ".join(row.consumed_by) or "-",
        )
        topic = row.topic
    return shown


def mermaid(flow: Sequence[Row]) -> str:
    """The flow as a Mermaid flowchart: services as boxes, topics as queues, events named on the arrows that emit them."""
    lines = ["flowchart LR"]
    topics = sorted({row.topic for row in flow})
    names = {topic: f"t{number}" for number, topic in enumerate(topics)}
    lines += [f'    {names[topic]}[/"{topic}"/]' for topic in topics]
    for topic in topics:
        of_topic = [row for row in flow if row.topic == topic]
        for service in sorted({name for row in of_topic for name in row.emitted_by}) or ["outside"]:
            events = [row.event for row in of_topic if service in row.emitted_by]
            label = f'|"{"<br>".join(events)}"|' if events and events != ["(record)"] else ""
            lines.append(f"    {service} -->{label} {names[topic]}")
        lines += [
            f"    {names[topic]} --> {service}"
            for service in sorted({name for row in of_topic for name in row.consumed_by})
        ]
    return "\n".join(lines)
