"""What a passkey signs to prove itself: made for somebody, now, and told from all others. Pure."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

#: How long one can be answered: whoever is asked may have to look for their phone.
LIFE = timedelta(minutes=10)
_NONCE, _SIGNATURE = 16, 32


def challenge(key: bytes, whose: str, now: datetime, nonce: bytes) -> bytes:
    """One for `whose` passkey, "" for anybody's; `nonce` is 16 random bytes."""
    end = int((now + LIFE).timestamp()).to_bytes(8, "big")
    return end + nonce + _signature(key, whose, end + nonce)


def is_challenge(said: bytes, key: bytes, whose: str, now: datetime) -> bool:
    """Whether it is one that was made by this key, for `whose`, and can still be answered."""
    if len(said) != 8 + _NONCE + _SIGNATURE:
        return False
    body, signature = said[:-_SIGNATURE], said[-_SIGNATURE:]
    good = hmac.compare_digest(signature, _signature(key, whose, body))
    return good and now < datetime.fromtimestamp(int.from_bytes(body[:8], "big"), UTC)


def _signature(key: bytes, whose: str, body: bytes) -> bytes:
    return hmac.digest(key, b"passkey\x00" + whose.encode() + b"\x00" + body, hashlib.sha256)
