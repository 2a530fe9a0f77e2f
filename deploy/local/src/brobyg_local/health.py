"""How every part of a running system is."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
from brobyg_kit.operations import Trouble, command_for, in_words

from .logs import tail
from .ports import endpoint, is_answering
from .services import SERVICES, gauges, readiness
from .state import COMPONENTS
from .supervisor import SUPERVISOR_GONE, ProgramState
from .system import PROVIDER_SETTING, System
from .topics import LAG_BOUND, TopicState, read_topics

#: Seconds a message may wait to be sent: a mail server that asks for patience gets some.
MESSAGES_BOUND = 900.0
#: What is shown of a service's own report beside what waits.
TOLD = ("lag_by_topic", "attention", "rejections", "projections")


#: Said of a component that answers, and that nobody would start again.
_ORPHAN = f"an orphan: {SUPERVISOR_GONE}"


@dataclass(frozen=True)
class Figures:
    """What the machine tells of a process and its children."""

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
    #: Events with a type or a word of a later version, by topic, since it began. No trouble.
    unknown: Mapping[str, int] = field(default_factory=dict)
    #: What it shows or trusts and that ends within weeks. To be renewed, and no trouble yet.
    endings: Sequence[str] = ()
    #: Messages that wait to be sent; only notification has some.
    messages: int | None = None
    #: How long the oldest of them has waited, in wall seconds whatever the clock's speed.
    messages_oldest_seconds: float | None = None

    #: What a service has told of itself; None where it has not answered.
    told: Sequence[Trouble] | None = None
    #: What it has told beside, by name: `TOLD` of the body of /readyz.
    figures: Mapping[str, object] = field(default_factory=dict)
    #: Whether it is for us to start.
    own: bool = True

    def troubles(self) -> list[Trouble]:
        """What is not well with it, and the command that helps."""
        found = list(self.told or ())
        if not self.ready and not found:
            command = command_for("down", self.name) if self.own else ""
            found.append(Trouble("down", self.why or "is not ready", command))
        if (oldest := self.messages_oldest_seconds or 0.0) > MESSAGES_BOUND:
            waited = f"a message has waited {in_words(oldest)} to be sent"
            found.append(Trouble("messages", waited, command_for("down", "mail")))
        return found


@dataclass(frozen=True)
class SystemStatus:
    """The whole system at one moment."""

    components: list[ComponentState] = field(default_factory=list)
    topics: list[TopicState] = field(default_factory=list)
    topics_why: str = ""
    #: How many processes a killed supervisor has left.
    orphans: int = 0

    @property
    def found(self) -> list[tuple[str, Trouble]]:
        """All that is not well, with the part: not ready, parked, dead, or waiting too long."""
        late = [
            (service, Trouble("lag", words, command_for("lag", service)))
            for topic in self.topics
            for service, count in topic.overdue.items()
            if count and (words := _unread(count, topic.name))
        ]
        topics = Trouble("broker", self.topics_why, command_for("broker", "kafka"))
        orphans = Trouble(
            "supervisor",
            f"{SUPERVISOR_GONE}, and {self.orphans} processes that it had started run on as"
            " orphans, which nobody restarts: make up starts all of it anew on the same ports,"
            " make down ends it",
            "make up",
        )
        return [
            *([("", orphans)] if self.orphans else []),
            *((one.name, trouble) for one in self.components for trouble in one.troubles()),
            *([("topics", topics)] if self.topics_why else []),
            *late,
        ]

    @property
    def troubles(self) -> list[str]:
        """The same, a sentence each, with the command that helps."""
        return [f"{part}: {trouble}" if part else str(trouble) for part, trouble in self.found]

    @property
    def well(self) -> bool:
        """Nothing is wrong anywhere."""
        return not self.troubles


def _unread(count: int, topic: str) -> str:
    return f"{count} records of {topic} have been unread for more than {LAG_BOUND:.0f} s"


def read_status(system: System) -> SystemStatus:
    """Ask every part, at once. Never raises for a part that is down. Blocks for some seconds."""
    environment = {**system.environment(), **system.given}
    states, orphans = system.supervisor.states(), len(system.supervisor.orphans())

    def state_of(name: str) -> ComponentState:
        state = ProgramState("ORPHAN") if orphans else states[name]
        if name in SERVICES:
            return _service(system, name, state, environment)
        return _store(system, name, state, environment)

    with ThreadPoolExecutor(len(SERVICES) + 4) as pool:
        topics = pool.submit(
            lambda: asyncio.run(read_topics(environment.get("BROBYG_KAFKA", ""), SERVICES))
        )
        no_provider = environment.get(PROVIDER_SETTING) == ""
        known = [one for one in COMPONENTS if not (one == "light-provider" and no_provider)]
        components = list(pool.map(state_of, known))
        return SystemStatus(components, *topics.result(), orphans)


def _service(
    system: System, name: str, state: ProgramState, environment: Mapping[str, str]
) -> ComponentState:
    url = environment.get(f"BROBYG_{name.upper()}_URL", "")
    if not url:
        return ComponentState(name, False, False, "never started: brobyg local up")
    answer = readiness(name, url)
    metrics = gauges(url) if name == "notification" and answer.report else {}
    waiting = metrics.get("brobyg_notification_waiting")
    return ComponentState(
        name,
        up=state.running or bool(answer.report),
        ready=answer.ready,
        why=answer.why or _ORPHAN * (state.state == "ORPHAN")
        if answer.report
        else _why_silent(system, name, state, answer.why),
        process=_figures(state.pid) if state.pid else None,
        outbox_rows=answer.outbox[0],
        outbox_oldest_seconds=answer.outbox[1],
        parked=answer.number("parked"),
        dead_letters=answer.number("dead_letters"),
        unknown=answer.unknown,
        endings=answer.endings,
        told=answer.troubles,
        figures={name: answer.report[name] for name in TOLD if name in answer.report},
        messages=None if waiting is None else int(waiting),
        messages_oldest_seconds=metrics.get("brobyg_notification_oldest_seconds"),
    )


def _why_silent(system: System, name: str, state: ProgramState, why: str) -> str:
    """Why a service does not answer, with its last log lines unless somebody has stopped it."""
    log = system.folder.log(name)
    if state.state == "STOPPED":
        return f"not running: brobyg local start {name}; its log: {log}"
    if state.state == "BACKOFF":
        why = "it ended and is about to be started again"
    elif state.failed:
        why = f"it ended by itself: brobyg local start {name}"
    lines = tail(log, 3)
    if not lines:
        return f"{why}; {log} is empty"
    return f"{why}; the last lines of {log}:" + "".join(f"\n| {line}" for line in lines)


def _store(
    system: System, name: str, state: ProgramState, environment: Mapping[str, str]
) -> ComponentState:
    """The broker, the database, the mail server or the provider: our own, or the one named."""
    variable, default_port = {
        "kafka": ("BROBYG_KAFKA", 9092),
        "postgres": ("BROBYG_DATABASE", 5432),
        "mail": ("BROBYG_NOTIFICATION_SMTP", None),
        "light-provider": (PROVIDER_SETTING, 443),
    }[name]
    cluster, mail = system.cluster, system.own_mail_port(environment)
    own = {
        "kafka": cluster.kafka.address,
        "postgres": cluster.postgres.url,
        "mail": f"smtp://127.0.0.1:{mail}",
        "light-provider": system.provider.issuer,
    }
    address = environment.get(variable, "")
    if address and address != own[name]:
        return _others(name, address.split(",") if name == "kafka" else [address], default_port)
    if not state.running and state.state != "ORPHAN":
        return ComponentState(name, False, False, f"not running: brobyg local start {name}")
    if name == "mail":
        ready = is_answering(mail or 0)
    else:
        own_parts = (cluster.kafka, cluster.postgres, system.provider)
        ready = any(one.is_ready() for one in own_parts if one.name == name)
    if state.state == "ORPHAN":
        return ComponentState(name, ready, ready, _ORPHAN if ready else f"down; {SUPERVISOR_GONE}")
    why = "" if ready else "it runs, but does not answer yet"
    return ComponentState(name, True, ready, why, _figures(state.pid))


def _others(name: str, addresses: Sequence[str], default_port: int | None) -> ComponentState:
    """One that is not ours: whether it answers. Names no user and no password."""
    try:
        places = [endpoint(address.strip(), default_port) for address in addresses]
    except ValueError:  # by a socket, or in a form that only its client reads
        why = "not ours; whether it answers is told by the services"
        return ComponentState(name, True, True, why, own=False)
    shown = ", ".join(f"{host}:{port}" for host, port in places)
    ready = any(is_answering(port, host) for host, port in places)
    why = f"not ours: {shown}" if ready else f"{shown} does not answer"
    return ComponentState(name, ready, ready, why, own=False)


def _figures(pid: int) -> Figures | None:
    """Pid, uptime and memory of a process with its children; None where we may not ask."""
    memory = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # a child has just ended
                memory += one.memory_full_info().uss
        return Figures(pid, round(time.time() - process.create_time(), 1), memory)
    except (psutil.Error, ValueError):
        return None
