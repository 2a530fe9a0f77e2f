"""`brobyg status`: how each service, topic, outbox and dead-letter queue is, in one table. Exit code 0: all well; 1: something is not."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from .places import Places, default_places
from .ports import is_answering
from .processes import Component
from .services import SERVICES, readiness
from .system import System
from .topics import TopicState, read_topics

__all__ = ["ComponentState", "Status", "app", "read_status"]


@dataclass(frozen=True)
class Figures:
    """What the system tells of a process and its children."""

    pid: int
    uptime_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class ComponentState:
    """One process: whether it is there, ready, and if not why; what it holds back."""

    name: str
    up: bool
    ready: bool
    why: str = ""
    process: Figures | None = None
    outbox_rows: int | None = None
    outbox_oldest_seconds: float | None = None
    parked: int | None = None
    dead_letters: int | None = None


@dataclass(frozen=True)
class Status:
    """The whole system at one moment."""

    components: list[ComponentState] = field(default_factory=list)
    topics: list[TopicState] = field(default_factory=list)
    topics_why: str = ""

    @property
    def well(self) -> bool:
        """Everything is ready and nothing waits in a dead-letter queue or aside."""
        held = any((state.parked or 0) + (state.dead_letters or 0) > 0 for state in self.components)
        return all(state.ready for state in self.components) and not self.topics_why and not held


def read_status(system: System) -> Status:
    """Ask every part, at once. Never raises for a part that is down. Blocks for some seconds at most."""
    environment = {**system.environment(), **system.given}
    with ThreadPoolExecutor(len(SERVICES) + 2) as pool:
        services = [
            pool.submit(_service_state, system.places, name, environment.get(f"BROBYG_{name.upper()}_URL", ""))
            for name in SERVICES
        ]
        topics = pool.submit(read_topics, environment.get("BROBYG_KAFKA", ""), SERVICES)
        stores = [
            _kafka_state(system),
            _postgres_state(system),
            _mail_state(system.places, environment),
        ]
        found, why = topics.result()
        return Status([*stores, *(state.result() for state in services)], found, why)


def _service_state(places: Places, name: str, url: str) -> ComponentState:
    process = Component(places, name).find()
    answer = readiness(url) if url else None
    outbox = answer.report.get("outbox") if answer else None
    rows, oldest = (outbox.get("rows"), outbox.get("oldest_seconds")) if isinstance(outbox, dict) else (None, None)
    why = "never started: brobyg local up" if answer is None else answer.why
    if process is None and answer is not None and not answer.answered:
        why = f"not running: brobyg local start {name}; its log: {places.log(name)}"
    return ComponentState(
        name,
        up=process is not None or bool(answer and answer.answered),
        ready=bool(answer and answer.ready),
        why=why,
        outbox_rows=rows if isinstance(rows, int) else None,
        outbox_oldest_seconds=float(oldest) if isinstance(oldest, int | float) else None,
        parked=_whole(answer.number("parked")) if answer else None,
        dead_letters=_whole(answer.number("dead_letters")) if answer else None,
        process=_figures(process),
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _kafka_state(system: System) -> ComponentState:
    if external := system.given.get("BROBYG_KAFKA"):
        host, _, port = external.partition(",")[0].rpartition(":")
        ready = is_answering(int(port), host)
        return ComponentState(
            "kafka", ready, ready, f"not ours: {external}" if ready else f"{external} does not answer"
        )
    pids = system.cluster.kafka.pids()
    ready = bool(pids) and system.cluster.kafka.is_ready()
    why = "" if ready else ("it runs, but does not answer yet" if pids else "not running: brobyg local start kafka")
    return ComponentState("kafka", bool(pids), ready, why, process=_figures(psutil.Process(pids[0]) if pids else None))


def _postgres_state(system: System) -> ComponentState:
    if external := system.given.get("BROBYG_DATABASE"):
        host, _, port = external.rpartition("@")[2].removeprefix("postgresql://").partition("/")[0].partition(":")
        ready = is_answering(int(port or 5432), host)
        return ComponentState("postgres", ready, ready, f"not ours: {host}" if ready else f"{host} does not answer")
    pids = system.cluster.postgres.pids()
    ready = bool(pids) and system.cluster.postgres.is_ready()
    why = "" if ready else ("it runs, but does not answer yet" if pids else "not running: brobyg local start postgres")
    return ComponentState(
        "postgres", bool(pids), ready, why, process=_figures(psutil.Process(pids[0]) if pids else None)
    )


def _mail_state(places: Places, environment: dict[str, str]) -> ComponentState:
    process = Component(places, "mail").find()
    host, _, port = environment.get("BROBYG_NOTIFICATION_SMTP", "").removeprefix("smtp://").partition(":")
    ready = port.isdigit() and is_answering(int(port), host)
    return ComponentState(
        "mail",
        process is not None or ready,
        ready,
        "" if ready else "not running: brobyg local start mail",
        process=_figures(process),
    )


def _figures(process: psutil.Process | None) -> Figures | None:
    """Pid, uptime and memory of a process with its children (shared pages counted once where the system tells)."""
    if process is None:
        return None
    try:
        memory = sum(_memory(one) for one in [process, *process.children(recursive=True)])
        return Figures(process.pid, round(time.time() - process.create_time(), 1), memory)
    except psutil.Error:
        return None


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.uss)
    except psutil.Error:
        return 0


def _table(status: Status) -> Table:
    """All of it in one table that fits 80 columns: processes first, then topics."""
    table = Table(title="Brobyg")
    for column in ("what", "state", "details"):
        table.add_column(column, no_wrap=column != "details", overflow="fold")
    for one in status.components:
        state = "[green]ready[/]" if one.ready else "[yellow]not ready[/]" if one.up else "[red]down[/]"
        table.add_row(one.name, state, _details(one).replace("[", r"\["))
    table.add_section()
    for topic in status.topics:
        lag = ", ".join(f"{name} {count}" for name, count in sorted(topic.lag.items()))
        events = f"{topic.events} events in {topic.partitions} partitions"
        table.add_row(topic.name, "topic", events + (f"; lag: {lag}" if lag else ""))
    if status.topics_why:
        table.add_row("topics", "[red]unknown[/]", status.topics_why.replace("[", r"\["))
    return table


def _details(one: ComponentState) -> str:
    parts = [one.why] if one.why else []
    if (figures := one.process) is not None:
        memory = f"{figures.memory_bytes / 2**20:.0f} MiB"
        parts.append(f"pid {figures.pid}, up {_duration(figures.uptime_seconds)}, {memory}")
    if one.outbox_rows is not None:
        age = f" (oldest {one.outbox_oldest_seconds:.0f} s)" if one.outbox_rows and one.outbox_oldest_seconds else ""
        parts.append(f"outbox {one.outbox_rows}{age}")
    if one.parked is not None:
        parts.append(f"parked {one.parked}, dead letters {one.dead_letters or 0}")
    return "; ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


app = typer.Typer(help="How each service, topic, outbox and dead-letter queue is.")


@app.callback(invoke_without_command=True)
def status(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where the system's state is kept; the clone's var/ by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """How each service, topic, outbox and dead-letter queue is. Exit code 0: all well; 1: something is not."""
    found = read_status(System(Places(folder.resolve()) if folder else default_places()))
    console = Console()
    if as_json:
        console.print_json(json.dumps({"well": found.well, **asdict(found)}))
    else:
        console.print(_table(found))
    raise typer.Exit(0 if found.well else 1)
