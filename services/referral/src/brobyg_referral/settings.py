"""What the referral service needs to know beyond what every service does."""

from brobyg_kit.settings import KitSettings, own_database
from brobyg_kit.vault import Vault, decode_key, master_keys
from pydantic import Field, SecretStr, field_validator


class ReferralSettings(KitSettings):
    """`BROBYG_REFERRAL_...`."""

    referral_port: int = Field(
        8001, ge=1, le=65535, description="Port of referral (FHIR under /fhir)."
    )
    referral_database: SecretStr = own_database("referral")
    referral_encryption_key: SecretStr = Field(
        description="Master keys (AES-256-GCM), which wrap each citizen's own key: base64 of 32"
        " bytes; several separated by commas, the first wraps, all unwrap. To change it: append the"
        " new one on all processes, then put it first, run 'brobyg referral keys rotate', and drop"
        " the old one when 'brobyg referral keys status' says so."
    )
    referral_cpr_key: SecretStr = Field(
        description="Key of the hashes of CPR numbers, names, phones and mail addresses that"
        " citizens are found by (HMAC-SHA256): base64 of 32 bytes. It can't be changed once"
        " citizens are kept."
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

    @field_validator("referral_encryption_key")
    @classmethod
    def _are_keys(cls, secret: SecretStr) -> SecretStr:
        master_keys(secret)
        return secret

    @field_validator("referral_cpr_key")
    @classmethod
    def _is_a_key(cls, secret: SecretStr) -> SecretStr:
        decode_key(secret.get_secret_value())
        return secret

    def rising_versions(self) -> frozenset[str]:
        """The organisations whose own versions rise."""
        return frozenset(self.referral_rising_versions.split(",")) - {""}

    def vault(self) -> Vault:
        """What wraps citizens' keys."""
        return Vault(master_keys(self.referral_encryption_key))

    def cpr_key(self) -> bytes:
        """The key of what citizens are found by."""
        return decode_key(self.referral_cpr_key.get_secret_value())
