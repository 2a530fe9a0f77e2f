"""Ports of this machine: which are free, who holds one that is not, and what each component has."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
from brobyg_kit.free_ports import free_port

from .state import StateFolder, read_json, write_atomically

#: The port of a mail server's address that names none, by the schemes that notification takes.
SMTP_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


#: Broker and database are prepared at the same time.
_LOCK = threading.Lock()


@dataclass
class Ports:
    """The port of each component of a folder, kept so that an address handed out stays valid."""

    folder: StateFolder
    say: Callable[[str], None]
    #: Ports wanted at the first start, by component; any free one for what is not in it.
    wanted: Mapping[str, int] = field(default_factory=dict)
    #: What could not be had, since this object was made.
    taken: list[dict[str, object]] = field(default_factory=list)

    def of(self, name: str) -> int | None:
        """The component's port; None before its first start."""
        port = read_json(self.folder.local / "ports.json").get(name)
        return port if isinstance(port, int) else None

    def choose(self, name: str) -> int:
        """The port that a component which does not run is started on: its own, if it is free."""
        with _LOCK:
            file = self.folder.local / "ports.json"
            kept = read_json(file)
            others = [one for other in kept if other != name and (one := self.of(other))]
            wanted = self.of(name) or self.wanted.get(name)
            is_ours = wanted and wanted not in others and is_free(wanted)
            port = wanted if wanted and is_ours else free_port(besides=others)
            if wanted and port != wanted:
                holder = holder_of(wanted) or "another user's process"
                self.taken.append({"wanted": wanted, "used": port, "holder": holder})
                self.say(f"{name}: port {wanted} is held by {holder}; using {port} instead")
            write_atomically(file, json.dumps({**kept, name: port}))
            return port


def endpoint(address: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or a URL.

    Without a port: that of a mail server's scheme, else `default_port`. Raises ValueError where
    there is no host or no port.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    port = parts.port or SMTP_PORTS.get(parts.scheme, default_port)
    if not parts.hostname or port is None:
        raise ValueError("an address needs a host and a port")
    return parts.hostname, port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    try:
        socket.create_server((host, port)).close()
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


def holder_of(port: int) -> str:
    """Who listens on `port`, as `pid 42 (nginx: master)`; '' where the machine does not say."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr[1:] == (port,)
                and connection.pid
            ):
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline()) or process.name()
                return f"pid {process.pid} ({command[:120]})"
    except psutil.Error:
        pass  # another user's process, or one that has just ended: who holds the port stays unsaid
    return ""
