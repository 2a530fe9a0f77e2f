"""Background processes: started, found again, ended; never mistaken for another's.

A process is known by its pid file (pid and start time) and by `BROBYG_LOCAL_COMPONENT` in its environment. The second also finds one
whose starter was killed before it could write the first.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from .places import Places, read_json, write_atomically

__all__ = ["Component", "Identity", "bound_log", "end", "tail", "wait_until"]

MARK = "BROBYG_LOCAL_COMPONENT"
LOG_LIMIT = 20 * 1024 * 1024  # bytes; one older part of the same size is kept
START_TIME_SLACK = 5.0  # seconds: the kernel's boot time, which start times are counted from, moves with clock corrections


@dataclass(frozen=True)
class Identity:
    """The user a process runs as; only root may choose one other than itself."""

    user: int
    group: int


def wait_until(condition: Callable[[], bool], timeout: float, *, every: float = 0.05) -> bool:
    """Whether `condition` came true within `timeout` seconds. Blocks; asks again every `every` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def tail(path: Path, lines: int = 12) -> list[str]:
    """The last `lines` lines of a log as one reads them, each cut at 400 characters; empty where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    last = deque((line for line in text.splitlines() if line.strip()), maxlen=lines)
    return [_readable(line)[:400] for line in last]


def _readable(line: str) -> str:
    """A service's JSON as a sentence: time, level, event, facts. Any other line as it is."""
    try:
        entry = json.loads(line)
        facts = {
            key: value
            for key, value in entry.items()
            if key not in ("timestamp", "level", "logger", "service", "event")
        }
        told = [
            entry["timestamp"],
            entry["level"],
            entry["event"],
            *(f"{key}={value}" for key, value in facts.items()),
        ]
    except (ValueError, AttributeError, KeyError, TypeError):
        return line
    return " ".join(map(str, told))


def bound_log(path: Path, limit: int = LOG_LIMIT) -> None:
    """Keep a log that a process appends to under `limit` bytes: what is there becomes `<name>.1`, and the file is emptied in place.

    The writer keeps its file, opened for appending, so it need not be told. A line written in between may be lost.
    """
    try:
        if path.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    older = path.with_suffix(path.suffix + ".1")
    with path.open("rb") as source, older.open("wb") as target:
        while chunk := source.read(1 << 20):
            target.write(chunk)
    os.truncate(path, 0)


def end(
    process: psutil.Process, *, first: signal.Signals = signal.SIGTERM, patience: float = 20.0
) -> bool:
    """Ask `process` to end, wait up to `patience` seconds, then kill it. True where asking was enough. Blocks."""
    try:
        process.send_signal(first)
        process.wait(patience)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        try:
            process.kill()
            process.wait(10)
        except psutil.NoSuchProcess:
            return True
        return False
    return True


@dataclass(frozen=True)
class Component:
    """One background process of one state folder."""

    places: Places
    name: str

    @property
    def mark(self) -> str:
        """What its environment carries; unique on the machine for this folder and name."""
        return f"{self.places.folder.resolve()}:{self.name}"

    @property
    def log(self) -> Path:
        """Where it writes."""
        return self.places.log(self.name)

    def spawn(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        identity: Identity | None = None,
        log: Path | None = None,
    ) -> psutil.Process:
        """Start `command` in a session of its own, its output appended to the log, and remember it. Does not wait for it to be ready."""
        self.places.make()
        path = log or self.log
        bound_log(path)
        with path.open("ab") as output:
            started = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder or self.places.folder,
                env={**(os.environ if environment is None else environment), MARK: self.mark},
                start_new_session=True,
                user=identity.user if identity else None,
                group=identity.group if identity else None,
                extra_groups=[] if identity else None,
            )
        # It outlives us on purpose; without this Popen would complain, on its own deletion, that nobody waited for it.
        started.returncode = 0
        process = psutil.Process(started.pid)
        self.remember(process)
        return process

    def remember(self, process: psutil.Process) -> None:
        """Write the pid file."""
        content = {"pid": process.pid, "started": process.create_time()}
        write_atomically(self.places.pid(self.name), json.dumps(content))

    def forget(self) -> None:
        """Remove the pid file."""
        self.places.pid(self.name).unlink(missing_ok=True)

    def find(self) -> psutil.Process | None:
        """The running process, by its pid file or, where an interrupted start left none, by its mark. A zombie is not running."""
        content = read_json(self.places.pid(self.name))
        pid, started = content.get("pid"), content.get("started")
        if isinstance(pid, int) and isinstance(started, int | float):
            process = _alive(pid)
            if process is not None and abs(process.create_time() - started) < START_TIME_SLACK:
                return process
        return self._find_by_mark()

    def _find_by_mark(self) -> psutil.Process | None:
        """The oldest process that carries the mark: children inherit it and are younger."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get(MARK) == self.mark
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # another user's process, or one that has just ended: not ours either way
        if not found:
            return None
        oldest = min(found, key=lambda process: process.create_time())
        self.remember(oldest)
        return oldest

    def stop(self, *, first: signal.Signals = signal.SIGTERM, patience: float = 20.0) -> bool:
        """End it and forget it. True where it ended by itself when asked (or was not running). Blocks.

        What one that had to be killed leaves behind is killed without another wait.
        """
        gentle = True
        while (process := self.find()) is not None:
            gentle = end(process, first=first, patience=patience if gentle else 0.0) and gentle
        self.forget()
        return gentle

    def kill(self) -> None:
        """End it and its children without warning, as a crash would; the pid file stays, as after a crash. Blocks until all are gone.

        The parent first: it is what would start a child again.
        """
        while (process := self.find()) is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(10)


def _alive(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None
