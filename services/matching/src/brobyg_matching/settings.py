"""Settings of matching, beside those every service has."""

from collections.abc import Sequence
from typing import Annotated

from brobyg_kit.settings import KitSettings, own_database
from brobyg_kit.vault import Vault, decode_key, master_keys
from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from brobyg_matching.errors import WeakKey

#: A key is of at least so many characters; 32 are better.
SHORTEST_KEY = 16


def _split(text: object) -> object:
    return list(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


#: Keys, separated by commas. The first is used for what is new, all are accepted.
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]


class MatchingSettings(KitSettings):
    """Adds the service's port and keys."""

    matching_port: int = Field(8002, ge=1, le=65535, description="Port of matching.")
    matching_database: SecretStr = own_database("matching")
    matching_encryption_key: SecretStr = Field(
        description="Master keys (AES-256-GCM), which wrap each helper's own key: base64 of 32"
        " bytes; several separated by commas, the first wraps, all unwrap. To change it: append the"
        " new one on all processes, then put it first, run 'brobyg matching keys rotate', and drop"
        " the old one when 'brobyg matching keys status' says so."
    )
    matching_lookup_key: SecretStr = Field(
        description="Key of the hashes by which a mail address or phone number that is registered"
        " already is noticed (HMAC-SHA256): base64 of 32 bytes. It can't be changed once helpers"
        " are kept."
    )
    matching_link_keys: Keys = Field(
        (),
        description="Keys, separated by commas: the first signs the links that volunteers answer"
        " by, links of all are accepted. Random, at least 32 characters each. To rotate: append the"
        " new key on all processes, then put it first, then drop the old one when the offers made"
        " until then have ended.",
    )
    matching_registration_keys: Keys = Field(
        (),
        description="Keys, separated by commas: the first hashes what a repeated registration is"
        " recognised by, it is recognised by all. Random, at least 32 characters each. Rotated in"
        " the same steps; after the last, repeats from before it are not recognised.",
    )

    @field_validator("matching_encryption_key")
    @classmethod
    def _are_keys(cls, secret: SecretStr) -> SecretStr:
        master_keys(secret)
        return secret

    @field_validator("matching_lookup_key")
    @classmethod
    def _is_a_key(cls, secret: SecretStr) -> SecretStr:
        decode_key(secret.get_secret_value())
        return secret

    def vault(self) -> Vault:
        """What wraps helpers' keys."""
        return Vault(master_keys(self.matching_encryption_key))

    def lookup_key(self) -> bytes:
        """The key of the hashes by which the same address or number is noticed."""
        return decode_key(self.matching_lookup_key.get_secret_value())


def strong(name: str, keys: Sequence[SecretStr]) -> list[str]:
    """The keys of the setting `name`. Raises WeakKey when there is none, or one is too short."""
    values = [key.get_secret_value() for key in keys]
    if not values or min(map(len, values)) < SHORTEST_KEY:
        raise WeakKey(
            f"BROBYG_{name.upper()} needs keys of at least {SHORTEST_KEY} random characters each,"
            " better 32"
        )
    return values
