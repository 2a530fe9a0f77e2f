"""Settings of matching, beside those every service has."""

from brobyg_kit.settings import KitSettings
from pydantic import Field, SecretStr


class MatchingSettings(KitSettings):
    """Adds the service's one secret."""

    matching_port: int = Field(8002, ge=1, le=65535, description="Port of matching.")
    matching_link_key: SecretStr = Field(
        SecretStr(""),
        description="Signs the links that volunteers answer by, and hashes what repeats are known by; at least 32 characters of chance.",
    )
