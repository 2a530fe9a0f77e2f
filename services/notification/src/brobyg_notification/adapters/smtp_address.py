"""Where the mail server is, as a setting says it. Loads no mail client: `brobyg config` reads it."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """Where the mail server is and how to speak to it."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    require_starttls: bool


def parse_address(url: str) -> SmtpAddress:
    """`smtp://` (STARTTLS where the server offers it), `smtp+starttls://` (required) or `smtps://`, `[user:password@]host[:port]`.

    Raises ValueError that says what would be right.
    """
    parts = urlsplit(url)
    ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    if parts.scheme not in ports or not parts.hostname:
        raise ValueError(
            "the mail server's address must look like smtp://host:25, smtp+starttls://user:password@host:587 or smtps://host:465"
        )
    return SmtpAddress(
        host=parts.hostname,
        port=parts.port or ports[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "smtps",
        require_starttls=parts.scheme == "smtp+starttls",
    )
