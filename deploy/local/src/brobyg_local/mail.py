"""An SMTP server that keeps each mail as a file, for trying things out: nothing it takes is ever sent on.

`python -m brobyg_local.mail --port 2525 --folder var/mail` writes `<number>-<hash of the recipient>.eml`, one per recipient, whole
before it says 250. Numbers rise and go on after a restart. As the one process of ours that runs as long as the system, it also keeps
the other components' logs within bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import signal
from pathlib import Path
from typing import Protocol

from aiosmtpd.smtp import SMTP

from .processes import bound_log

__all__ = ["MailFolder", "recipient_hash", "serve"]

SIZE_LIMIT = 5 * 1024 * 1024  # bytes a mail
LOG_ROUND = 60.0  # seconds between two looks at the logs' sizes


class Envelope(Protocol):
    """What the SMTP server tells of a mail: its recipients and its bytes."""

    rcpt_tos: list[str]
    content: bytes | str | None


def recipient_hash(address: str) -> str:
    """The part of a file's name that tells whose mail it is without showing the address; the same address gives the same hash."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()[:12]


class MailFolder:
    """Where the mails lie. One writer a folder."""

    def __init__(self, folder: Path) -> None:
        """Create the folder where needed and go on counting after the highest number in it."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # people's names and addresses
        self._last = max((_number(path) for path in folder.glob("*.eml")), default=0)

    def keep(self, recipient: str, content: bytes) -> Path:
        """Write one mail, durably and atomically; returns its file. Blocks for a disk write. Raises OSError."""
        number = self._last + 1
        path = self.folder / f"{number:06d}-{recipient_hash(recipient)}.eml"
        temporary = path.with_suffix(".incoming")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        self._last = number
        return path

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 - the name aiosmtpd calls
        """Keep the mail once for each recipient; 451 asks the sender to come again where the disk does not take it."""
        content = envelope.content
        if not isinstance(content, bytes):
            return "554 No content"
        try:
            for recipient in envelope.rcpt_tos:
                self.keep(recipient, content)
        except OSError as error:
            return f"451 Could not be kept now: {error.strerror}"
        return "250 Kept"


def _number(path: Path) -> int:
    head = path.name.partition("-")[0]
    return int(head) if head.isdigit() else 0


async def serve(port: int, folder: Path, logs: Path | None = None, host: str = "127.0.0.1") -> None:
    """Take mails on `port` until SIGTERM or SIGINT; look after the size of `logs/*.log` meanwhile. Raises OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    keeper = MailFolder(folder)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def protocol() -> SMTP:
        return SMTP(
            keeper,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="brobyg.local",
            ident="brobyg",
            timeout=60,
            loop=loop,
        )

    server = await loop.create_server(protocol, host, port)
    async with server:
        while not stopped.is_set():
            for path in logs.glob("*.log") if logs else ():
                bound_log(path)
            with contextlib.suppress(
                TimeoutError
            ):  # the round is over; nobody has asked us to stop
                await asyncio.wait_for(stopped.wait(), LOG_ROUND)


def main() -> None:
    """Run the server from the command line."""
    parser = argparse.ArgumentParser(description="Keep mails as files.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--logs", type=Path)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.folder, given.logs))


if __name__ == "__main__":
    main()
