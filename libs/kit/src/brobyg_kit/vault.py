"""Envelope encryption: what names a person is sealed under a key of the person's own.

A person's key is wrapped by a master key and stands in the table `person_key`; the master keys
stand in the settings. To delete the row is to erase whatever that key has sealed, in backups of
other tables too. To change master keys, only the rows are wrapped anew, never what they seal.
A few microseconds of arithmetic each; never blocks.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from brobyg_kit.errors import CannotDecrypt, MasterKeyMissing

KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A person's key as it is stored."""

    person_id: str
    master_key_id: str
    wrapped: bytes


class DataKey:
    """A person's own key (AES-256-GCM). What it seals opens for this person and this use alone."""

    def __init__(self, key: bytes, person_id: str) -> None:
        """`key` has 32 bytes."""
        self._cipher, self._person_id = AESGCM(key), person_id

    def seal(self, plain: bytes, use: str) -> bytes:
        """`plain` encrypted; `use` says in a word what it is, such as `contact`."""
        return _encrypt(self._cipher, plain, f"{use}:{self._person_id}")

    def open(self, sealed: bytes, use: str) -> bytes:
        """What was sealed. Raises CannotDecrypt."""
        return _decrypt(self._cipher, sealed, f"{use}:{self._person_id}")


class Vault:
    """Makes, wraps and unwraps persons' keys.

    The first master key wraps and every one unwraps, so that master keys can be changed.
    """

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        """At least one key of 32 bytes."""
        self._ciphers = {key_id(key): AESGCM(key) for key in master_keys}
        self.key_id = key_id(master_keys[0])

    @property
    def key_ids(self) -> list[str]:
        """The ids of the master keys, sorted."""
        return sorted(self._ciphers)

    def new_key(self, person_id: str) -> tuple[WrappedKey, DataKey]:
        """A new random key for the person: as it is stored, and ready for use."""
        key = os.urandom(KEY_BYTES)
        return self._wrap(key, person_id), DataKey(key, person_id)

    def unwrap(self, stored: WrappedKey) -> DataKey:
        """The key, ready for use. Raises MasterKeyMissing and CannotDecrypt."""
        return DataKey(self._unwrap(stored), stored.person_id)

    def rewrap(self, stored: WrappedKey) -> WrappedKey:
        """The same key wrapped by the first master key. Raises as `unwrap` does."""
        return self._wrap(self._unwrap(stored), stored.person_id)

    def _wrap(self, key: bytes, person_id: str) -> WrappedKey:
        bound = _wrapped_for(self.key_id, person_id)
        wrapped = _encrypt(self._ciphers[self.key_id], key, bound)
        return WrappedKey(person_id, self.key_id, wrapped)

    def _unwrap(self, stored: WrappedKey) -> bytes:
        cipher = self._ciphers.get(stored.master_key_id)
        if cipher is None:
            raise MasterKeyMissing(f"the master key {stored.master_key_id} is not among ours")
        bound = _wrapped_for(stored.master_key_id, stored.person_id)
        return _decrypt(cipher, stored.wrapped, bound)


def key_id(key: bytes) -> str:
    """What a key is told from others by; says nothing of the key."""
    return hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16]


def decode_key(text: str) -> bytes:
    """32 bytes from base64. Raises ValueError that says what is expected and nothing of the key."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("expected base64 of 32 bytes, such as 'openssl rand -base64 32' prints")
    return key


def master_keys(setting: SecretStr) -> list[bytes]:
    """The keys of a setting that lists them separated by commas. Raises as `decode_key` does."""
    return [decode_key(text) for text in setting.get_secret_value().split(",")]


def counted(counts: Mapping[str, int], vault: Vault) -> list[tuple[str, int, str]]:
    """Each master key, given or used, with how many keys it wraps and what it is for."""
    rows = []
    for one in dict.fromkeys([vault.key_id, *vault.key_ids, *sorted(counts)]):
        role = "wraps" if one == vault.key_id else "unwraps" if one in vault.key_ids else "missing"
        rows.append((one, counts.get(one, 0), role))
    return rows


def _encrypt(cipher: AESGCM, plain: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to.encode())


def _decrypt(cipher: AESGCM, sealed: bytes, bound_to: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        raise CannotDecrypt("it was altered, or is another person's") from None


def _wrapped_for(master_key_id: str, person_id: str) -> str:
    return f"person-key:{master_key_id}:{person_id}"
