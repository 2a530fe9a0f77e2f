"""Keyed hashes and encryption. Everything here is a few microseconds of arithmetic and never blocks."""

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotOpen(Exception):
    """The sealed data was altered, belongs to another citizen, or its key is not among ours."""


class Hasher:
    """HMAC-SHA256 under one key, with a label for each use so that hashes of different kinds never meet."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    def cpr(self, cpr: str) -> bytes:
        """What a citizen is looked up by."""
        return self._hash(b"cpr", cpr.encode())

    def record_key(self, key: bytes) -> str:
        """Stands in for a hospital's record key, which may name somebody we should not know."""
        return self._hash(b"record-key", key).hex()[:32]

    def request(self, body: bytes) -> bytes:
        """What a repeated request is recognised by."""
        return self._hash(b"request", body)

    def idempotency_key(self, key: str) -> bytes:
        """Stands in for a sender's Idempotency-Key, which some make of what names the citizen."""
        return self._hash(b"idempotency-key", key.encode())

    def _hash(self, label: bytes, value: bytes) -> bytes:
        return hmac.new(self._key, label + b"\x00" + value, hashlib.sha256).digest()


class Vault:
    """Seals citizens' data with AES-256-GCM. The first key seals; every key opens, so keys can be changed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """At least one key of 32 bytes."""
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.key_id = _key_id(keys[0])

    def seal(self, plain: bytes, citizen_id: str) -> bytes:
        """`plain` encrypted under the current key (`key_id`), bound to this citizen."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[self.key_id].encrypt(
            nonce, plain, _bound_to(self.key_id, citizen_id)
        )

    def open(self, sealed: bytes, key_id: str, citizen_id: str) -> bytes:
        """What was sealed. Raises CannotOpen."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpen("no such key")
        try:
            return cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(key_id, citizen_id)
            )
        except InvalidTag:
            raise CannotOpen("altered, or not this citizen's") from None


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16]


def _bound_to(key_id: str, citizen_id: str) -> bytes:
    return f"{key_id}:{citizen_id}".encode()
