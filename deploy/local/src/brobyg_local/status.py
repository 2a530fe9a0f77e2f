"""`brobyg status`: how each service, topic, outbox and dead-letter queue is, in one table.

Exit code 0: all well; 1: something is not.
"""

from typing import TYPE_CHECKING

import typer

from .cli import AsJson, Folder, system_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from .health import ComponentState, SystemStatus

app = typer.Typer(
    help="How each service, topic, outbox and dead-letter queue is.",
    subcommand_metavar="",  # there are none, and the help would name them
)


@app.callback(invoke_without_command=True)
def status(folder: Folder = None, as_json: AsJson = False) -> None:
    """How each service, topic, outbox and dead-letter queue is. Exit code 0: all well; 1: not."""
    import json
    from dataclasses import asdict

    from .health import read_status

    found = read_status(system_of(folder))
    if as_json:
        causes = [{"part": part, **asdict(trouble)} for part, trouble in found.found]
        answer = {"well": found.well, "troubles": found.troubles, "causes": causes}
        answer |= asdict(found)
        typer.echo(json.dumps(answer, indent=2))
    else:
        show(found)
    raise typer.Exit(0 if found.well else 1)


def show(status: "SystemStatus") -> None:
    """Print the table, then what is to be renewed in time, then what is not well."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(_table(status))
    endings = [f"{one.name}: {ending}" for one in status.components for ending in one.endings]
    troubles = [one.partition("\n")[0] for one in status.troubles]
    lines = [f"[yellow]renew[/] {escape(one)}" for one in endings]
    for line in lines + [f"[red]not well[/] {escape(one)}" for one in troubles]:
        console.print(line, highlight=False, soft_wrap=True)


def _table(status: "SystemStatus") -> "Table":
    """All of it in one table that fits 80 columns: processes first, then topics."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Brobyg")
    for column in ("what", "state", "details"):
        table.add_column(column, no_wrap=column != "details", overflow="fold")
    for one in status.components:
        state = "[yellow]not ready[/]" if one.up else "[red]down[/]"
        table.add_row(one.name, "[green]ready[/]" if one.ready else state, escape(_details(one)))
    table.add_section()
    for topic in status.topics:
        lag = ", ".join(f"{name} {count}" for name, count in sorted(topic.lag.items()))
        events = f"{topic.events} events in {topic.partitions} partitions"
        table.add_row(topic.name, "topic", events + (f"; lag: {lag}" if lag else ""))
    if status.topics_why:
        table.add_row("topics", "[red]unknown[/]", escape(status.topics_why))
    return table


def _details(one: "ComponentState") -> str:
    from brobyg_kit.operations import in_words

    parts = [one.why] if one.why else []
    if (figures := one.process) is not None:
        memory = f"{figures.memory_bytes / 2**20:.0f} MiB"
        parts.append(f"pid {figures.pid}, up {in_words(figures.uptime_seconds)}, {memory}")
    for count, oldest, what in (
        (one.outbox_rows, one.outbox_oldest_seconds, "in the outbox"),
        (one.messages, one.messages_oldest_seconds, "messages to send"),
    ):
        if count is not None:
            age = f" (oldest {in_words(oldest)})" if count and oldest else ""
            parts.append(f"{count} {what}{age}")
    if one.parked is not None:
        parts.append(f"parked {one.parked}, dead letters {one.dead_letters or 0}")
    parts += _told(one.figures)
    for topic, number in sorted(one.unknown.items()):
        parts.append(f"{number} events of {topic} of a later version")
    return "; ".join(parts)


def _told(figures: "Mapping[str, object]") -> list[str]:
    """What a service tells of its work, as far as it has any."""
    parts = []
    if isinstance(items := figures.get("attention"), dict) and items:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(items.items()))
        parts.append(f"needs a human: {kinds}")
    if rejections := figures.get("rejections"):
        parts.append(f"{rejections} messages rejected since the beginning")
    if isinstance(projections := figures.get("projections"), dict):
        behind = {name: one["events_behind"] for name, one in projections.items()}
        late = ", ".join(f"{name} {count} events behind" for name, count in behind.items() if count)
        parts.append(f"{len(projections)} projections" + (f", {late}" if late else ""))
    return parts
