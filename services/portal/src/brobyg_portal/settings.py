"""Settings of the portal, beside those every service has."""

from brobyg_kit.catalogues import written_in
from brobyg_kit.settings import KitSettings
from pydantic import Field, field_validator

from brobyg_portal.texts import FOLDER


class PortalSettings(KitSettings):
    """`BROBYG_PORTAL_...`."""

    portal_port: int = Field(8000, ge=1, le=65535, description="Port of the portal.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Where matching is reached.")
    portal_help_phone: str = Field(
        "",
        pattern=r"^(\+?[0-9 ]{8,20})?$",
        description="The phone number at the foot of every page, such as '+45 87 00 00 00', for"
        " whoever needs help. Empty for none: then pages name the coordinator.",
    )
    portal_help_mail: str = Field(
        "",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        max_length=254,
        description="The mail address at the foot of every page. Empty for none.",
    )
    portal_parts: bool = Field(
        False,
        description="Also serve /parts, which shows every part that pages are made of, and pages"
        " from right to left (?language=ar). For development and tests.",
    )

    @field_validator("default_language")
    @classmethod
    def _has_a_catalogue(cls, language: str) -> str:
        return written_in(FOLDER, language)
