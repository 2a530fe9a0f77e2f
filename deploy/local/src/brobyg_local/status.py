"""`brobyg status`: how each service, topic, outbox and dead-letter queue is, in one table. Exit code 0: all well; 1: something is not."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .places import Places, default_places
from .ports import endpoint, is_answering
from .processes import Component, tail
from .services import SERVICES, Readiness, gauges, readiness
from .system import System
from .topics import LAG_BOUND, TopicState, read_topics

__all__ = ["ComponentState", "Status", "app", "read_status"]


OUTBOX_BOUND = 60.0
"""Seconds an event may wait to be published: the relay does it in milliseconds, and comes back from an outage within this."""
MESSAGES_BOUND = 900.0
"""Seconds a message may wait to be sent: a mail server that asks for patience gets some."""


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
    messages: int | None = None
    """Messages that wait to be sent; only notification has some."""
    messages_oldest_seconds: float | None = None
    """How long the oldest of them has waited, in wall seconds whatever the clock's pace."""

    def troubles(self) -> list[str]:
        """What is not well with it, each in a few words."""
        outbox, oldest = self.outbox_oldest_seconds or 0.0, self.messages_oldest_seconds or 0.0
        checks = [
            (not self.ready, self.why or "is not ready"),
            (bool(self.parked), f"{self.parked} events wait aside: brobyg dlq list {self.name}"),
            (
                bool(self.dead_letters),
                f"{self.dead_letters} dead letters: brobyg dlq list {self.name}",
            ),
            (outbox > OUTBOX_BOUND, f"an event has waited {_duration(outbox)} to be published"),
            (oldest > MESSAGES_BOUND, f"a message has waited {_duration(oldest)} to be sent"),
        ]
        return [f"{self.name}: {words}" for wrong, words in checks if wrong]


@dataclass(frozen=True)
class Status:
    """The whole system at one moment."""

    components: list[ComponentState] = field(default_factory=list)
    topics: list[TopicState] = field(default_factory=list)
    topics_why: str = ""

    @property
    def troubles(self) -> list[str]:
        """All that is not well, a sentence each: not ready, aside, dead, or waiting for longer than the bounds above."""
        late = [
            f"{service}: {count} records of {topic.name} have lain unread for more than {LAG_BOUND:.0f} s"
            for topic in self.topics
            for service, count in topic.overdue.items()
            if count
        ]
        unknown = [f"topics: {self.topics_why}"] if self.topics_why else []
        return [
            *(trouble for state in self.components for trouble in state.troubles()),
            *unknown,
            *late,
        ]

    @property
    def well(self) -> bool:
        """Nothing is wrong anywhere."""
        return not self.troubles


def read_status(system: System) -> Status:
    """Ask every part, at once. Never raises for a part that is down. Blocks for some seconds at most."""
    environment = {**system.environment(), **system.given}
    with ThreadPoolExecutor(len(SERVICES) + 2) as pool:
        services = [
            pool.submit(_service_state, system.places, name, environment) for name in SERVICES
        ]
        topics = pool.submit(read_topics, environment.get("BROBYG_KAFKA", ""), SERVICES)
        stores = [
            _kafka_state(system, environment),
            _postgres_state(system, environment),
            _mail_state(system, environment),
        ]
        found, why = topics.result()
        return Status([*stores, *(state.result() for state in services)], found, why)


def _service_state(places: Places, name: str, environment: Mapping[str, str]) -> ComponentState:
    url = environment.get(f"BROBYG_{name.upper()}_URL", "")
    process = Component(places, name).find()
    answer = readiness(url) if url else None
    outbox = answer.report.get("outbox") if answer else None
    rows, oldest = (
        (outbox.get("rows"), outbox.get("oldest_seconds"))
        if isinstance(outbox, dict)
        else (None, None)
    )
    messages, messages_oldest = (
        _messages(url) if name == "notification" and answer else (None, None)
    )
    return ComponentState(
        name,
        up=process is not None or bool(answer and answer.answered),
        ready=bool(answer and answer.ready),
        why=_why(places, name, process, answer),
        outbox_rows=rows if isinstance(rows, int) else None,
        outbox_oldest_seconds=float(oldest) if isinstance(oldest, int | float) else None,
        parked=_whole(answer.number("parked")) if answer else None,
        dead_letters=_whole(answer.number("dead_letters")) if answer else None,
        messages=messages,
        messages_oldest_seconds=messages_oldest,
        process=_figures(_kept(process)),
    )


def _why(
    places: Places, name: str, process: psutil.Process | None, answer: Readiness | None
) -> str:
    """Why it is not ready, with its last log lines where it ended by itself or does not answer."""
    if answer is None:
        return "never started: brobyg local up"
    if answer.answered:
        return answer.why
    log = places.log(name)
    lines = "".join(f"\n| {line}" for line in tail(log, 3))
    if process is not None:
        starts = process == _kept(process)  # a keeper without its service
        return f"{'it ended and is about to be started again' if starts else answer.why}; the last lines of {log}:{lines}"
    if places.pid(name).exists():  # stopping removes it
        return f"it ended by itself: brobyg local start {name}; the last lines of {log}:{lines}"
    return f"not running: brobyg local start {name}; its log: {log}"


def _kept(process: psutil.Process | None) -> psutil.Process | None:
    """The service that a keeper keeps; the process itself where it has no child."""
    try:
        return next(iter(process.children()), process) if process is not None else None
    except psutil.Error:
        return process


def _messages(url: str) -> tuple[int | None, float | None]:
    """How many messages wait and for how many seconds of wall time the oldest, by notification's metrics."""
    found = gauges(url)
    return _whole(found.get("brobyg_notification_waiting")), found.get(
        "brobyg_notification_oldest_seconds"
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _kafka_state(system: System, environment: Mapping[str, str]) -> ComponentState:
    address = environment.get("BROBYG_KAFKA", "")
    if address not in {"", system.cluster.kafka_address}:
        return _others("kafka", address.split(","), 9092)
    pids = system.cluster.kafka.pids()
    return _store("kafka", pids, ready=bool(pids) and system.cluster.kafka.is_ready())


def _postgres_state(system: System, environment: Mapping[str, str]) -> ComponentState:
    address = environment.get("BROBYG_DATABASE", "")
    if address not in {"", system.cluster.database_url}:
        return _others("postgres", [address], 5432)
    pids = system.cluster.postgres.pids()
    return _store("postgres", pids, ready=bool(pids) and system.cluster.postgres.is_ready())


def _store(name: str, pids: Sequence[int], *, ready: bool) -> ComponentState:
    why = (
        ""
        if ready
        else (
            "it runs, but does not answer yet"
            if pids
            else f"not running: brobyg local start {name}"
        )
    )
    return ComponentState(
        name, bool(pids), ready, why, process=_figures(psutil.Process(pids[0]) if pids else None)
    )


def _mail_state(system: System, environment: Mapping[str, str]) -> ComponentState:
    address, port = (
        environment.get("BROBYG_NOTIFICATION_SMTP", ""),
        system.own_mail_port(environment),
    )
    if address and port is None:
        return _others("mail", [address])
    process = Component(system.places, "mail").find()
    ready = port is not None and is_answering(port)
    why = "" if ready else "not running: brobyg local start mail"
    return ComponentState(
        "mail", process is not None or ready, ready, why, process=_figures(process)
    )


def _others(name: str, addresses: Sequence[str], default_port: int | None = None) -> ComponentState:
    """Somebody else's broker, database or mail server: whether it answers at one of its addresses. Names no user and no password."""
    try:
        places = [endpoint(address.strip(), default_port) for address in addresses]
    except ValueError:  # by a socket, or in a form that only its client reads
        return ComponentState(
            name, True, True, "not ours; whether it answers is told by the services"
        )
    shown = ", ".join(f"{host}:{port}" for host, port in places)
    ready = any(is_answering(port, host) for host, port in places)
    return ComponentState(
        name, ready, ready, f"not ours: {shown}" if ready else f"{shown} does not answer"
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
        state = (
            "[green]ready[/]" if one.ready else "[yellow]not ready[/]" if one.up else "[red]down[/]"
        )
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
        age = (
            f" (oldest {one.outbox_oldest_seconds:.0f} s)"
            if one.outbox_rows and one.outbox_oldest_seconds
            else ""
        )
        parts.append(f"outbox {one.outbox_rows}{age}")
    if one.messages is not None:
        age = (
            f" (oldest {_duration(one.messages_oldest_seconds)})"
            if one.messages and one.messages_oldest_seconds
            else ""
        )
        parts.append(f"{one.messages} messages to send{age}")
    if one.parked is not None:
        parts.append(f"parked {one.parked}, dead letters {one.dead_letters or 0}")
    return "; ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


app = typer.Typer(help="How each service, topic, outbox and dead-letter queue is.")


@app.callback(invoke_without_command=True)
def status(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", help="Where the system's state is kept; the clone's var/ by default."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """How each service, topic, outbox and dead-letter queue is. Exit code 0: all well; 1: something is not."""
    found = read_status(System(Places(folder.resolve()) if folder else default_places()))
    console = Console()
    if as_json:
        console.print_json(
            json.dumps({"well": found.well, "troubles": found.troubles, **asdict(found)})
        )
    else:
        console.print(_table(found))
        for trouble in found.troubles:
            console.print(
                f"[red]not well[/] {escape(trouble.partition(chr(10))[0])}",
                highlight=False,
                soft_wrap=True,
            )
    raise typer.Exit(0 if found.well else 1)
