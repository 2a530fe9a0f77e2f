"""Ports of this machine: which are free, and who holds one that is not."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

__all__ = [
    "Holder",
    "Taken",
    "choose_port",
    "endpoint",
    "free_port",
    "holder_of",
    "is_answering",
    "is_free",
]

# Below Linux's range for outgoing connections (32768 and up): such a port could be taken by any client
# between a broker's stop and its start on the same address.
LOWEST, HIGHEST = 20_000, 32_000
SMTP_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
"""What notification takes as a mail server's address, and the port where none is named."""


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port, as far as the machine tells."""

    pid: int
    command: str

    def __str__(self) -> str:
        """For a sentence: `pid 42 (nginx: master process)`."""
        return f"pid {self.pid} ({self.command})"


@dataclass(frozen=True)
class Taken:
    """A wish for a port that was not granted."""

    wanted: int
    used: int
    holder: Holder | None

    def __str__(self) -> str:
        """Who holds the port, and which is used instead."""
        who = str(self.holder) if self.holder else "another user's process"
        return f"port {self.wanted} is held by {who}; using {self.used} instead"


def endpoint(address: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or a URL, whoever signs in. Without a port: that of a mail server's scheme, else `default_port`.

    Raises ValueError where there is no host or no port to be read.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    port = parts.port or SMTP_PORTS.get(parts.scheme, default_port)
    if not parts.hostname or port is None:
        raise ValueError("an address needs a host and a port")
    return parts.hostname, port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def is_answering(port: int, host: str = "127.0.0.1", timeout: float = 1.0) -> bool:
    """Whether something accepts connections on `port`. May block for `timeout` seconds."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port nobody listens on now, that no outgoing connection will be given later."""
    for _ in range(500):
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def holder_of(port: int) -> Holder | None:
    """Who listens on `port`; None where nobody does or the system does not tell us."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid
        ):
            return _describe(connection.pid)
    return None


def _describe(pid: int) -> Holder | None:
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return None
    return Holder(pid, command if len(command) <= 120 else command[:117] + "...")


def choose_port(wanted: int | None) -> tuple[int, Taken | None]:
    """`wanted` where it is free, else a free one and who holds the wanted; any free one where nothing is wanted."""
    if wanted is None:
        return free_port(), None
    if is_free(wanted):
        return wanted, None
    used = free_port()
    return used, Taken(wanted, used, holder_of(wanted))
