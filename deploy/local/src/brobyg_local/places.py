"""Where things lie: the clone, and within one state folder (default `var/`) each component's data, log and pid file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = [
    "ROOT",
    "Places",
    "default_places",
    "given_settings",
    "say_to_stderr",
    "write_atomically",
]

NOT_SETTINGS = frozenset(
    {"BROBYG_HOME", "BROBYG_LOCAL", "BROBYG_LOCAL_COMPONENT", "BROBYG_POSTGRES_BIN"}
)
"""Variables for us, not for the services."""

ROOT = Path(os.environ.get("BROBYG_HOME") or Path(__file__).resolve().parents[4])
"""The clone. `BROBYG_HOME` says otherwise where the package is installed elsewhere."""


@dataclass(frozen=True)
class Places:
    """One state folder. Two folders never share anything but the downloaded jars."""

    folder: Path

    @property
    def local(self) -> Path:
        """Pid files, keys and the environment of the running system."""
        return self.folder / "local"

    @property
    def logs(self) -> Path:
        """One `<component>.log` each."""
        return self.folder / "log"

    @property
    def kafka(self) -> Path:
        """The brokers' data and configuration."""
        return self.folder / "kafka"

    @property
    def postgres(self) -> Path:
        """The database's data, unless its user can't reach it here (see `postgres.py`)."""
        return self.folder / "postgres"

    @property
    def mail(self) -> Path:
        """One `.eml` file a mail."""
        return self.folder / "mail"

    @property
    def environment(self) -> Path:
        """All `BROBYG_*` of the running system, as a JSON object."""
        return self.local / "environment.json"

    @property
    def lock(self) -> Path:
        """Held while something in this folder is being started or stopped."""
        return self.local / "lock"

    def pid(self, component: str) -> Path:
        """The component's pid file."""
        return self.local / f"{component}.pid"

    def log(self, component: str) -> Path:
        """The component's log."""
        return self.logs / f"{component}.log"

    def make(self) -> None:
        """Create the folders that every component needs."""
        for path in (self.folder, self.local, self.logs):
            path.mkdir(parents=True, exist_ok=True)


def default_places() -> Places:
    """The clone's own `var/`."""
    return Places(ROOT / "var")


def given_settings() -> dict[str, str]:
    """The `BROBYG_*` variables this process was started with.

    Not `os.environ`: the `brobyg` command fills that up with the running system's settings, and a broker of our own must not be taken
    for one that somebody has told us to use.
    """
    started_with = psutil.Process().environ()
    return {
        name: value
        for name, value in started_with.items()
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
    """The JSON object in `path`; empty where there is none or an interrupted start left half of one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def say_to_stderr(text: str) -> None:
    """Tell the person at the keyboard what is being done, beside whatever the command prints as its answer."""
    os.write(2, f"{text}\n".encode())
