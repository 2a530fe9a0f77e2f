"""Keeps the programs of one state folder running, by supervisord (https://supervisord.org).

There is one supervisord a folder, in the background. It starts again what ends by itself, bounds
the logs, and ends all programs when it is ended. Each program is a file in `local/programs`.
supervisord is asked over XML-RPC, on a port and with a password of the folder's own.

Every process carries `BROBYG_LOCAL_SYSTEM=<checkout>:<state folder>` in its environment. By that,
`down` finds each system of a checkout, also what a killed supervisord has left.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shlex
import sys
import time
import xmlrpc.client
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .errors import ComponentFailed, LocalError
from .logs import likely_cause, tail
from .ports import Ports
from .state import ROOT, StateFolder, read_json, write_atomically
from .tools import run

MARK = "BROBYG_LOCAL_SYSTEM"
#: Seconds one program may take to end, more than a service needs to finish what is in hand.
STOP_PATIENCE = 45.0
#: Seconds a program must run to count as started; one that ends earlier is tried again after 1, 2,
#: 3 ... seconds, `START_RETRIES` times.
START_SECONDS, START_RETRIES = 10, 6

#: Said of a folder whose supervisord was killed while its programs run on.
SUPERVISOR_GONE = "the supervisor is gone"
#: Faults of supervisord's (supervisor.xmlrpc.Faults).
_ALREADY_STARTED, _STILL_RUNNING = 60, 91
_DOWN = frozenset({"STOPPED", "EXITED", "FATAL"})
#: KeyError: there has been no supervisord yet.
_UNREACHABLE = (OSError, xmlrpc.client.Error, KeyError)

CONFIGURATION = """[supervisord]
logfile={log}
logfile_maxbytes=1MB
logfile_backups=1
pidfile={pid}
{user}
[inet_http_server]
port=127.0.0.1:{port}
username=brobyg
password={password}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files={programs}/*.conf
"""


def wait_until(condition: Callable[[], bool], timeout: float, *, every: float = 0.05) -> bool:
    """Whether `condition` came true within `timeout` seconds. Blocks, asks every `every` s."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


@dataclass(frozen=True)
class Program:
    """One program to keep running. `user` (for root only) is whom it runs as."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    user: str = ""
    stop_signal: str = "TERM"
    autostart: bool = False
    #: When supervisord ends everything, higher numbers are ended first.
    priority: int = 999


@dataclass(frozen=True)
class ProgramState:
    """What supervisord knows of a program: its state in supervisord's words, and its pid or 0."""

    state: str = "STOPPED"
    pid: int = 0

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.state in {"STARTING", "RUNNING", "STOPPING"}

    @property
    def failed(self) -> bool:
        """Whether it has ended by itself and is not running again yet."""
        return self.state in {"BACKOFF", "EXITED", "FATAL"}


class Supervisor:
    """The programs of one state folder. Callers that start or stop hold the folder's lock."""

    def __init__(self, folder: StateFolder, ports: Ports, owner: int | None = None) -> None:
        """Once the process `owner` has ended, however it ended, everything here is ended too."""
        self.folder = folder
        self._ports = ports
        self._owner = owner
        self._programs = folder.local / "programs"
        self._file = folder.local / "supervisor.json"

    def states(self) -> dict[str, ProgramState]:
        """Every program that has been started since supervisord was; STOPPED for any other."""
        states: dict[str, ProgramState] = defaultdict(ProgramState)
        with contextlib.suppress(*_UNREACHABLE):
            for one in self._ask("getAllProcessInfo"):
                states[one["name"]] = ProgramState(one["statename"], one["pid"])
        return states

    def orphans(self) -> list[psutil.Process]:
        """What a killed supervisord has left: this folder's processes, nobody's to restart.

        Each is known by the mark in its environment, never by its id alone. Empty while
        supervisord runs, also before it answers.
        """
        try:
            self._ask("getState")
        except xmlrpc.client.Fault:
            return []  # it is ending everything
        except _UNREACHABLE:
            left = self._processes()
            return [] if any(one.pid == self._pid() for one in left) else left
        return []

    def end_orphans(self) -> None:
        """End what a killed supervisord has left, so that its ports are free again. Blocks."""
        if self.orphans():
            self._kill_leftovers()

    def refuse_orphans(self) -> None:
        """Raise `LocalError` where a killed supervisord has left something."""
        if self.orphans():
            raise LocalError(
                f"{SUPERVISOR_GONE}; one component can't be started or stopped",
                advice="make up starts everything anew on the same ports, make down ends it",
            )

    def load(self, programs: Sequence[Program]) -> list[str]:
        """Describe `programs` to supervisord, starting it if need be; returns those not running.

        A program that runs with other settings is stopped. Blocks until it has ended.
        """
        self._programs.mkdir(exist_ok=True)
        for program in programs:
            self._describe(program)
        self._start_supervisord()
        added, changed, _ = self._ask("reloadConfig")[0]
        self.stop(changed)
        for name in changed:
            self._remove(name)
        for name in (*added, *changed):
            self._ask("addProcessGroup", name)
        states = self.states()
        return [one.name for one in programs if not states[one.name].running]

    def start(self, names: Iterable[str]) -> None:
        """Start loaded programs that do not run. Does not wait for them to be ready."""
        states = self.states()
        for name in names:
            if states[name].state == "BACKOFF":
                self.stop([name])
            if not states[name].running:
                self._ask_unless(_ALREADY_STARTED, "startProcess", name, False)

    def stop(self, names: Sequence[str]) -> list[str]:
        """End programs, all at once; returns those that had to be killed. Blocks."""
        asked = self._of(names)
        for name in asked:
            with contextlib.suppress(xmlrpc.client.Fault):  # it has just ended by itself
                self._ask("stopProcess", name, False)
        wait_until(lambda: not self._of(asked), STOP_PATIENCE)
        killed = self._of(asked)
        for name in killed:
            with contextlib.suppress(xmlrpc.client.Fault):
                self._ask("signalProcess", name, "KILL")
        wait_until(lambda: not self._of(killed), 10.0)
        return killed

    def release(self) -> None:
        """Let everything go on when the process that owns it ends. Blocks."""
        self._owner = None
        (self._programs / "owner.conf").unlink(missing_ok=True)
        self.stop(["owner"])

    def kill(self, name: str) -> None:
        """End a program with kill -9, and keep it down, until it is started. Blocks until gone.

        It is suspended first, so that it never sees the signal by which supervisord stops it.
        """
        state = self.states()[name]
        if not state.pid:
            return
        process = psutil.Process(state.pid)
        family = [process, *process.children(recursive=True)]
        process.suspend()
        self._ask("stopProcess", name, False)
        process.kill()
        psutil.wait_procs(family, timeout=10.0)
        wait_until(lambda: not self._of([name]), 10.0)

    def shut_down(self) -> None:
        """End supervisord and whatever is left of this folder's processes. Blocks."""
        with contextlib.suppress(*_UNREACHABLE):
            self._ask("shutdown")
            wait_until(lambda: not self._processes(), STOP_PATIENCE, every=0.2)
        self._kill_leftovers()

    def failure(self, name: str, waited: float = 0.0, why: str = "") -> ComponentFailed:
        """Why `name` did not start, by its log.

        It has ended, unless it was `waited` for so many seconds, in which `why` was its own answer.
        """
        log = self.folder.log(name)
        cause, advice = likely_cause("\n".join(tail(log, 60))) or (
            "",
            f"read {log}, then run the same command again",
        )
        said = f"it did not answer within {waited:.0f} s" if waited else "its process ended"
        if why:
            said, cause = f"it runs, but is not ready after {waited:.0f} s: {why}", ""
        return ComponentFailed(
            name,
            f"{said}: {cause}" if cause else said,
            advice=advice,
            log=tail(log),
            source=str(log),
        )

    def _ask(self, method: str, *arguments: object) -> Any:  # XML-RPC is untyped
        """Call supervisord. Raises KeyError before its first start, OSError while it is down."""
        known = read_json(self._file)
        address = f"http://brobyg:{known['password']}@127.0.0.1:{known['port']}/RPC2"
        with xmlrpc.client.ServerProxy(address) as server:
            return getattr(server.supervisor, method)(*arguments)

    def _ask_unless(self, fault: int, method: str, *arguments: object) -> bool:
        """Call supervisord; False when it answers with this fault."""
        try:
            self._ask(method, *arguments)
        except xmlrpc.client.Fault as error:
            if error.faultCode != fault:
                raise
            return False
        return True

    def _remove(self, name: str) -> None:
        """Let supervisord forget a program that is down.

        One that ended by itself supervisord may just have started again: it is stopped once more.
        """

        def removed() -> bool:
            self.stop([name])
            return self._ask_unless(_STILL_RUNNING, "removeProcessGroup", name)

        wait_until(removed, STOP_PATIENCE)

    def _of(self, names: Sequence[str]) -> list[str]:
        states = self.states()
        return [name for name in names if states[name].state not in _DOWN]

    def _describe(self, program: Program) -> None:
        """Write the program's part of supervisord's configuration."""
        command = list(program.command)
        if program.environment:
            text = json.dumps(program.environment, sort_keys=True)
            file = self._programs / f"{program.name}.json"
            write_atomically(file, text, mode=0o600)
            version = hashlib.sha256(text.encode()).hexdigest()[:12]
            command = [sys.executable, "-m", "brobyg_local.launch", str(file), version, *command]
        settings: dict[str, object] = {
            "command": shlex.join(command),
            "directory": program.directory,
            "priority": program.priority,
            "autostart": program.autostart,
            "autorestart": "unexpected",
            "startsecs": START_SECONDS,
            "startretries": START_RETRIES,
            "stopsignal": program.stop_signal,
            "stopwaitsecs": f"{STOP_PATIENCE + 15:.0f}",
            "killasgroup": True,
            "redirect_stderr": True,
            "stdout_logfile": self.folder.log(program.name),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": 1,
            **({"user": program.user} if program.user else {}),
        }
        lines = [f"{name}={str(value).replace('%', '%%')}\n" for name, value in settings.items()]
        text = f"[program:{program.name}]\n{''.join(lines)}"
        write_atomically(self._programs / f"{program.name}.conf", text)

    def _start_supervisord(self) -> None:
        if self._owner:
            watch = [sys.executable, "-m", "brobyg_local.owner", str(self._owner)]
            self._describe(Program("owner", watch, autostart=True))
        try:
            self._ask("getState")
            return
        except xmlrpc.client.Fault:  # it is ending everything
            wait_until(lambda: not self._processes(), STOP_PATIENCE, every=0.2)
        except _UNREACHABLE:
            pass  # none runs, so one is started below
        self._kill_leftovers()
        if not self._owner:
            (self._programs / "owner.conf").unlink(missing_ok=True)
        port, password = self._ports.choose("supervisor"), secrets.token_urlsafe(18)
        configuration = self.folder.local / "supervisord.conf"
        text = CONFIGURATION.format(
            log=self.folder.log("supervisor"),
            pid=self.folder.local / "supervisord.pid",
            user="user=root" if os.geteuid() == 0 else "",
            port=port,
            password=password,
            programs=self._programs,
        )
        write_atomically(configuration, text, mode=0o600)
        write_atomically(self._file, json.dumps({"port": port, "password": password}), mode=0o600)
        run(
            "supervisord",
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            advice="run the same command again",
            timeout=60,
            env={**without_settings(), MARK: _mark(self.folder)},
            cwd=ROOT,
        )

    def _pid(self) -> int:
        """The process id that supervisord has noted last, or 0."""
        try:
            return int((self.folder.local / "supervisord.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _processes(self) -> list[psutil.Process]:
        return [process for process, mark in _marked() if mark == _mark(self.folder)]

    def _kill_leftovers(self) -> None:
        while left := self._processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10.0)


def without_settings() -> dict[str, str]:
    """This process's environment without settings: a stray variable must not reach a service."""
    inherited = {name: value for name, value in os.environ.items() if name[:7] != "BROBYG_"}
    return {**inherited, "PYTHONUNBUFFERED": "1"}


def _mark(folder: StateFolder) -> str:
    return f"{ROOT}:{folder.path.resolve()}"


def _marked() -> Iterator[tuple[psutil.Process, str]]:
    """Each process that carries a mark, with it; a zombie carries nothing any more."""
    for process in psutil.process_iter():
        # Another user's process, or one that has just ended, is none of ours.
        with contextlib.suppress(psutil.Error, OSError):
            if mark := process.environ().get(MARK):
                yield process, mark


def running_folders() -> list[StateFolder]:
    """Each state folder of this checkout that has a process running, wherever the folder is."""
    prefix = f"{ROOT}:"
    paths = {mark.removeprefix(prefix) for _, mark in _marked() if mark.startswith(prefix)}
    return [StateFolder(Path(path)) for path in sorted(paths)]
