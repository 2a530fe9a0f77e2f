"""What the referral service needs to know beyond what every service does."""

import base64
import binascii

from brobyg_kit.settings import KitSettings, own_database
from pydantic import Field, SecretStr, field_validator


class ReferralSettings(KitSettings):
    """`BROBYG_REFERRAL_...`."""

    referral_port: int = Field(
        8001, ge=1, le=65535, description="Port of referral (FHIR under /fhir)."
    )
    referral_database: SecretStr = own_database("referral")
    referral_encryption_key: SecretStr = Field(
        description="Keys for citizens' data (AES-256-GCM): base64 of 32 bytes; several separated"
        " by commas, the first encrypts, all decrypt."
    )
    referral_cpr_key: SecretStr = Field(
        description="Key of the CPR hash (HMAC-SHA256): base64 of 32 bytes. It can't be changed"
        " once citizens are kept."
    )
    referral_kafka_organisation: str = Field(
        "hospital",
        pattern=r"^[a-z0-9-]{1,64}$",
        description="The organisation whose appointments come on hospital.appointment.v1.",
    )
    referral_rising_versions: str = Field(
        "",
        pattern=r"^([a-z0-9-]{1,64}(,[a-z0-9-]{1,64})*)?$",
        description="Organisations, separated by commas, whose meta.versionId is a number that"
        " rises with each version of an appointment: a lower one is out of date, whatever its"
        " meta.lastUpdated. Of others it is passed over, as FHIR calls versions opaque.",
    )

    @field_validator("referral_encryption_key", "referral_cpr_key")
    @classmethod
    def _is_a_key(cls, secret: SecretStr) -> SecretStr:
        for text in secret.get_secret_value().split(","):
            decode_key(text)
        return secret

    def rising_versions(self) -> frozenset[str]:
        """The organisations whose own versions rise."""
        return frozenset(self.referral_rising_versions.split(",")) - {""}

    def encryption_keys(self) -> list[bytes]:
        """The keys for citizens' data; the first encrypts."""
        return [
            decode_key(text) for text in self.referral_encryption_key.get_secret_value().split(",")
        ]

    def cpr_key(self) -> bytes:
        """The key of the CPR hash."""
        return decode_key(self.referral_cpr_key.get_secret_value())


def decode_key(text: str) -> bytes:
    """32 bytes from base64. Raises ValueError that says what is expected and nothing of the key."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ValueError("expected base64 of 32 bytes, such as 'openssl rand -base64 32' prints")
    return key
