"""A key that can't be changed is one key; master keys are a list."""

import base64

import pytest
from brobyg_referral.settings import ReferralSettings
from pydantic import ValidationError

ONE, OTHER = (base64.b64encode(one * 32).decode() for one in (b"1", b"2"))


def wrong(**values: str) -> set[int | str]:
    """The settings that are refused, of those given."""
    try:
        ReferralSettings.model_validate(values)
    except ValidationError as error:
        return {one["loc"][0] for one in error.errors()} & {*values}
    return set()


@pytest.mark.parametrize("key", [f"{ONE},{OTHER}", "short", ""], ids=["two", "short", "none"])
def test_the_key_of_hashes_is_one_key(key: str) -> None:
    assert wrong(referral_cpr_key=key) == {"referral_cpr_key"}
    assert wrong(referral_cpr_key=ONE, referral_encryption_key=f"{ONE},{OTHER}") == set()
