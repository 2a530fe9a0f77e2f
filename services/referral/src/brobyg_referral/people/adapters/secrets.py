"""Encryption of citizens' data. A few microseconds of arithmetic; never blocks."""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brobyg_referral.errors import CannotDecrypt

_NONCE_BYTES = 12


class Vault:
    """Encrypts citizens' data with AES-256-GCM.

    The first key encrypts and every key decrypts, so that keys can be changed.
    """

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
        """What was sealed. Raises CannotDecrypt."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotDecrypt("its key is not among ours")
        try:
            return cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(key_id, citizen_id)
            )
        except InvalidTag:
            raise CannotDecrypt("it was altered, or is another citizen's") from None


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16]


def _bound_to(key_id: str, citizen_id: str) -> bytes:
    return f"{key_id}:{citizen_id}".encode()
