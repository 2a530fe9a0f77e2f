"""How persons' data is sealed, as migrations write it: as it was when keys of their own came.

A copy, so that what a migration writes stays what the migrations after it expect, whatever becomes
of `vault`. Never changed; deleted with the last migration that uses it.
"""

import base64
import binascii
import hashlib
import os
from typing import NamedTuple

from alembic.util import CommandError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES, _NONCE_BYTES = 32, 12


class Sealed(NamedTuple):
    """What a person's new key has sealed, and the key, wrapped by a master key."""

    sealed: bytes
    master_key_id: str
    wrapped: bytes


def keys_of_setting(name: str, why: str) -> list[bytes]:
    """The keys that the environment lists in `name`, of which the first is used for what is new.

    Raises CommandError that says `why` they are needed.
    """
    texts = os.environ.get(name, "").split(",")
    try:
        keys = [base64.b64decode(one.strip(), validate=True) for one in texts]
    except binascii.Error:
        keys = []
    if not keys or any(len(one) != _KEY_BYTES for one in keys):
        raise CommandError(
            f"{why}: that needs the service's setting {name}, which is missing or wrong (base64 of"
            " 32 bytes, several separated by commas). Nothing was changed; set it and migrate again"
        )
    return keys


def key_id(key: bytes) -> str:
    """What a key is told from others by."""
    return hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16]


def seal(master_key: bytes, person_id: str, plain: bytes, use: str) -> Sealed:
    """`plain` under a new key of the person's, and that key under the master key."""
    own, master = os.urandom(_KEY_BYTES), key_id(master_key)
    wrapped = _encrypt(master_key, own, f"person-key:{master}:{person_id}")
    return Sealed(_encrypt(own, plain, f"{use}:{person_id}"), master, wrapped)


def _encrypt(key: bytes, plain: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())
