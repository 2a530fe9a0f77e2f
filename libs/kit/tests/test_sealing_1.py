"""The form in which migrations have sealed persons' data: fixed, as databases hold it."""

import os

import pytest
from brobyg_kit import sealing_1
from brobyg_kit.vault import Vault, WrappedKey

MASTER, PERSON = bytes(range(32)), "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"
PLAIN = b'{"given_name":"Einer Test","family_name":"Lauridsen"}'
MASTER_ID = "b3912b91a268c5a6"
SEALED = bytes.fromhex(
    "0202020202020202020202023fda6b844e16ac7aea9db71a88c2f69f83167079a87d48bd352393db"
    "2b9bb3c6987c74bd21c04bee87bc4f14c59c487d21400fade2d184cb3da02b8d1c058d3d7a5237cd"
    "df"
)
WRAPPED = bytes.fromhex(
    "01010101010101010101010177c3e53568856866d4546718186752d8cb6e8fdb918316dcf3db07ec"
    "9d09fe3156413cff99c366b7068f96e01b4a4fdf"
)


def test_what_is_sealed_has_these_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key, its own nonce and the sealed one's are told by how often one was asked for."""
    given = iter(range(3))
    monkeypatch.setattr(os, "urandom", lambda number: bytes([next(given)]) * number)
    made = sealing_1.seal(MASTER, PERSON, PLAIN, "identity")
    assert made == (SEALED, MASTER_ID, WRAPPED)


def test_what_has_these_bytes_is_opened() -> None:
    key = Vault([MASTER]).unwrap(WrappedKey(PERSON, MASTER_ID, WRAPPED))
    assert key.open(SEALED, "identity") == PLAIN
