"""A person's key opens what it has sealed, for that person and that use, and nothing else does."""

import base64

import pytest
from brobyg_kit.database_errors import is_environment
from brobyg_kit.errors import CannotDecrypt, MasterKeyMissing
from brobyg_kit.vault import DataKey, Vault, WrappedKey, counted, decode_key, master_keys
from pydantic import SecretStr

OLD, NEW = b"1" * 32, b"2" * 32
PLAIN = b"what names somebody"


def test_what_is_sealed_opens_only_for_its_person_and_its_use() -> None:
    key = DataKey(b"k" * 32, "person-1")
    sealed = key.seal(PLAIN, "contact")
    assert PLAIN not in sealed
    assert sealed != key.seal(PLAIN, "contact")
    assert key.open(sealed, "contact") == PLAIN
    for other, data, use in (
        (DataKey(b"k" * 32, "person-2"), sealed, "contact"),
        (DataKey(b"j" * 32, "person-1"), sealed, "contact"),
        (key, sealed, "note"),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), "contact"),
        (key, b"", "contact"),
    ):
        with pytest.raises(CannotDecrypt):
            other.open(data, use)


def test_a_wrapped_key_is_of_one_person_and_one_master_key() -> None:
    vault = Vault([OLD])
    stored, key = vault.new_key("person-1")
    sealed = key.seal(PLAIN, "contact")
    assert vault.unwrap(stored).open(sealed, "contact") == PLAIN
    moved = WrappedKey("person-2", stored.master_key_id, stored.wrapped)
    with pytest.raises(CannotDecrypt):
        vault.unwrap(moved)
    assert vault.new_key("person-1")[0].wrapped != stored.wrapped
    with pytest.raises(CannotDecrypt):
        vault.unwrap(vault.new_key("person-1")[0]).open(sealed, "contact")


def test_master_keys_are_changed_without_touching_what_is_sealed() -> None:
    stored, key = Vault([OLD]).new_key("person-1")
    sealed = key.seal(PLAIN, "contact")
    both = Vault([NEW, OLD])
    assert both.unwrap(stored).open(sealed, "contact") == PLAIN
    anew = both.rewrap(stored)
    assert anew.master_key_id == Vault([NEW]).key_id != stored.master_key_id
    assert Vault([NEW]).unwrap(anew).open(sealed, "contact") == PLAIN


def test_a_missing_master_key_is_trouble_of_the_environment_and_names_itself() -> None:
    stored, _ = Vault([OLD]).new_key("person-1")
    with pytest.raises(MasterKeyMissing, match=stored.master_key_id) as caught:
        Vault([NEW]).unwrap(stored)
    assert is_environment(caught.value)


def test_each_master_key_is_told_with_what_it_is_still_needed_for() -> None:
    vault = Vault([NEW, OLD])
    new, old = vault.key_id, Vault([OLD]).key_id
    assert counted({old: 3, "0lost": 2}, vault) == [
        (new, 0, "wraps"),
        (old, 3, "unwraps"),
        ("0lost", 2, "missing"),
    ]


def test_a_setting_lists_its_keys_the_first_first() -> None:
    listed = ",".join(base64.b64encode(one).decode() for one in (NEW, OLD))
    assert master_keys(SecretStr(listed)) == [NEW, OLD]


@pytest.mark.parametrize("text", ["", "abc", base64.b64encode(b"short").decode(), "!" * 44])
def test_a_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="base64 of 32 bytes") as caught:
        decode_key(text)
    assert not text or text not in str(caught.value)
