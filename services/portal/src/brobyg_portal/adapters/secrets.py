"""Secrets that a browser holds: only their hash is stored, and what is sealed opens by them."""

import hashlib
import re
import secrets

from brobyg_kit.errors import CannotDecrypt
from brobyg_kit.vault import DataKey

#: 32 bytes in base64url.
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """256 random bits, as a cookie holds them."""
    return secrets.token_urlsafe(32)


def is_secret(text: str | None) -> bool:
    """Whether it has the form of one."""
    return text is not None and _FORM.fullmatch(text) is not None


def hash_of(secret: str) -> bytes:
    """What is stored of it. It is random, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def seal(secret: str, plain: bytes, subject: str, use: str) -> bytes:
    """`plain` so that it opens by this secret alone, for this person and this use."""
    return _key(secret, subject).seal(plain, use)


def unseal(secret: str, sealed: bytes, subject: str, use: str) -> bytes | None:
    """What was sealed; None where it was by another secret, or for somebody or something else."""
    try:
        return _key(secret, subject).open(sealed, use)
    except CannotDecrypt:
        return None


def _key(secret: str, subject: str) -> DataKey:
    return DataKey(hashlib.sha256(b"sealing\x00" + secret.encode()).digest(), subject)
