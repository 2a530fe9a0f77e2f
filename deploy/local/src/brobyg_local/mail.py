"""An SMTP server that keeps each mail as a file, for trying things out: it sends nothing on.

`python -m brobyg_local.mail 2525 var/mail` writes `<number>-<hash of the recipient>.eml`, one for
each recipient, whole before it says 250. Numbers rise and go on after a restart.
"""

import asyncio
import hashlib
import os
import sys
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope

#: Bytes a mail.
SIZE_LIMIT = 5 * 1024 * 1024


def recipient_hash(address: str) -> str:
    """The part of a file's name that tells whose mail it is without showing the address."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()[:12]


class MailFolder:
    """Where the mails are kept. One writer a folder."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be and go on counting after the highest number in it."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # people's names and addresses
        self.folder = folder
        self._last = max((int(path.name[:6]) for path in folder.glob("*.eml")), default=0)

    def keep(self, recipient: str, content: bytes) -> Path:
        """Write one mail, durably and atomically. Blocks for a disk write. Raises OSError."""
        name = f"{self._last + 1:06d}-{recipient_hash(recipient)}"
        temporary = self.folder / f"{name}.incoming"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._last += 1
        return temporary.rename(self.folder / f"{name}.eml")

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        """Keep the mail once for each recipient; 451 asks the sender to try again later."""
        try:
            for recipient in envelope.rcpt_tos:
                self.keep(recipient, envelope.original_content or b"")
        except OSError as error:
            return f"451 Could not be kept now: {error.strerror}"
        return "250 Kept"


async def _serve(port: int, folder: MailFolder) -> None:
    """Take mails on `port` until the process is ended. Raises OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    protocol = partial(
        SMTP,
        folder,
        data_size_limit=SIZE_LIMIT,
        enable_SMTPUTF8=True,
        hostname="brobyg.local",
        loop=loop,
    )
    server = await loop.create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), MailFolder(Path(sys.argv[2]))))
