"""Where things are: the checkout, and in a state folder (default `var/`) data, logs, settings."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from .errors import FolderBusy

Component = Literal[
    "kafka",
    "postgres",
    "mail",
    "light-provider",
    "referral",
    "matching",
    "notification",
    "reporting",
    "portal",
]
#: In the order in which they are started.
COMPONENTS: tuple[Component, ...] = get_args(Component)
#: Variables for `brobyg_local` itself, not for the services.
NOT_SETTINGS = frozenset({"BROBYG_HOME", "BROBYG_LOCAL_SYSTEM", "BROBYG_POSTGRES_BIN"})
#: The checkout. `BROBYG_HOME` names it where the package is installed elsewhere.
ROOT = Path(os.environ.get("BROBYG_HOME") or Path(__file__).resolve().parents[4])
#: Seconds to wait for the folder's lock: another command may be downloading for the first time.
LOCK_PATIENCE = 300.0


@dataclass(frozen=True)
class StateFolder:
    """One state folder. Two folders share nothing but the downloaded jars."""

    path: Path

    @property
    def local(self) -> Path:
        """Keys, ports, supervisor and the environment of the running system."""
        return self.path / "local"

    @property
    def logs(self) -> Path:
        """One `<component>.log` each."""
        return self.path / "log"

    @property
    def kafka(self) -> Path:
        """The brokers' data and configuration."""
        return self.path / "kafka"

    @property
    def postgres(self) -> Path:
        """The database's data, unless we are root (see `postgres.py`)."""
        return self.path / "postgres"

    @property
    def mail(self) -> Path:
        """One `.eml` file a mail."""
        return self.path / "mail"

    @property
    def traces(self) -> Path:
        """One `.otlp` file a request, where somebody collects traces (see `traces.py`)."""
        return self.path / "traces"

    @property
    def environment(self) -> Path:
        """All `BROBYG_*` of the running system, as a JSON object."""
        return self.local / "environment.json"

    def log(self, component: str) -> Path:
        """The component's log."""
        return self.logs / f"{component}.log"

    @contextlib.contextmanager
    def locked(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """Exclude other commands from starting or stopping things here; makes the folder.

        Blocks up to `patience` seconds, then raises `FolderBusy`; not in a thread that holds the
        lock already. The lock is the kernel's and ends with its holder, so an interrupted command
        leaves none behind.
        """
        from filelock import FileLock, Timeout  # a quarter of a second, which few commands need

        for path in (self.local, self.logs):
            path.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.local / "lock", is_singleton=True).acquire(patience)
        except Timeout:
            raise FolderBusy(
                f"another command has been working in {self.path} for {patience:.0f} s",
                advice="wait for it, or end it, then run this again",
            ) from None
        with lock:
            yield


def default_folder() -> StateFolder:
    """The checkout's own `var/`."""
    return StateFolder(ROOT / "var")


def given_settings() -> dict[str, str]:
    """The settings in this process's environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("BROBYG_") and name not in NOT_SETTINGS
    }


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace `path` by `text`, wholly or not at all, whatever interrupts it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in `path`; empty where there is none, or only half of one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def say_to_stderr(text: str) -> None:
    """Tell the user what is being done, apart from what the command prints as its answer."""
    os.write(2, f"{text}\n".encode())
