import base64

import pytest
from brobyg_referral.errors import CannotDecrypt
from brobyg_referral.people.adapters.secrets import Vault
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.settings import decode_key
from referral_samples import CPR


def test_sealed_data_opens_only_with_its_key_and_for_its_citizen() -> None:
    old, new = Vault([b"1" * 32]), Vault([b"2" * 32, b"1" * 32])
    sealed = old.seal(CPR.encode(), "citizen-1")
    assert CPR.encode() not in sealed
    assert new.open(sealed, old.key_id, "citizen-1") == CPR.encode()
    for vault, data, citizen in (
        (Vault([b"2" * 32]), sealed, "citizen-1"),
        (old, sealed, "citizen-2"),
        (old, sealed[:-1] + b"x", "citizen-1"),
    ):
        with pytest.raises(CannotDecrypt):
            vault.open(data, old.key_id, citizen)


def test_a_hash_depends_on_its_key_and_on_what_it_is_for() -> None:
    one, other = Hasher(b"1" * 32), Hasher(b"2" * 32)
    assert one.cpr(CPR) == one.cpr(CPR)
    assert (
        len(
            {
                one.cpr(CPR),
                other.cpr(CPR),
                one.request(CPR.encode()),
                bytes.fromhex(one.record_key(CPR.encode())),
            }
        )
        == 4
    )


@pytest.mark.parametrize("text", ["", "abc", base64.b64encode(b"short").decode(), "!" * 44])
def test_a_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="base64 of 32 bytes") as caught:
        decode_key(text)
    assert not text or text not in str(caught.value)
