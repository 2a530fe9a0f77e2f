"""The mail server's address, as a setting gives it. Loads no mail client."""

from typing import Any
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def parse_address(url: str) -> dict[str, Any]:
    """What aiosmtplib wants to know of `scheme://[user:password@]host[:port]`.

    Schemes: `smtp` (STARTTLS if the server offers it), `smtp+starttls` (required) and `smtps`.
    Raises ValueError that says what would be right.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(
            "the mail server's address must look like smtp://host:25,"
            " smtp+starttls://user:password@host:587 or smtps://host:465"
        )
    return {
        "hostname": parts.hostname,
        "port": parts.port or _PORTS[parts.scheme],
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "use_tls": parts.scheme == "smtps",
        "start_tls": True if parts.scheme == "smtp+starttls" else None,
    }
