"""Keyed hashes that stand for what names a person. A few microseconds each; never blocks."""

import hashlib
import hmac

from brobyg_kit.fields import comparable_address

from brobyg_referral.people.domain.names import Term


class Hasher:
    """HMAC-SHA256 under one key.

    Each use has a label of its own, so that hashes of different kinds are never equal.
    """

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    def cpr(self, cpr: str) -> bytes:
        """What a citizen is looked up by."""
        return self._hash(b"cpr", cpr.encode())

    def term(self, term: Term) -> bytes:
        """What a citizen is searched by, half as long as the others: there are many of each."""
        return self._hash(f"name-index:{term.kind}:{term.how}".encode(), term.text.encode())[:16]

    def email(self, address: str) -> bytes:
        """What a citizen who signs in is found by, among what they are searched by."""
        return self._hash(b"email", comparable_address(address).encode())[:16]

    def rules(self, version: int) -> bytes:
        """Stands beside what a citizen is searched by: by which rules it was made.

        It is everybody's, and says nothing of anybody.
        """
        return self._hash(b"name-rules", str(version).encode())[:16]

    def record_key(self, key: bytes) -> str:
        """Stands for a hospital's record key, which may name a person without a referral."""
        return self._hash(b"record-key", key).hex()[:32]

    def request(self, body: bytes) -> bytes:
        """What a repeated request is recognised by."""
        return self._hash(b"request", body)

    def idempotency_key(self, key: str) -> bytes:
        """Stands for a sender's Idempotency-Key, which some senders make from a CPR number."""
        return self._hash(b"idempotency-key", key.encode())

    def _hash(self, label: bytes, value: bytes) -> bytes:
        return hmac.new(self._key, label + b"\x00" + value, hashlib.sha256).digest()
