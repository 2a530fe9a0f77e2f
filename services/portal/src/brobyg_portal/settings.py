"""Settings of the portal, beside those every service has."""

from brobyg_kit.catalogues import written_in
from brobyg_kit.settings import KitSettings
from pydantic import Field, field_validator

from brobyg_portal.texts import FOLDER


class PortalSettings(KitSettings):
    """`BROBYG_PORTAL_...`."""

    portal_port: int = Field(8000, ge=1, le=65535, description="Port of the portal.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Where matching is reached.")

    @field_validator("default_language")
    @classmethod
    def _has_a_catalogue(cls, language: str) -> str:
        return written_in(FOLDER, language)
