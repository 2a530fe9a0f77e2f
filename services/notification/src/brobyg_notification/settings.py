"""This service's settings, beside the mechanism's."""

from brobyg_kit.fields import is_mail_address
from brobyg_kit.settings import KitSettings
from brobyg_kit.wording import Language
from pydantic import Field, SecretStr, field_validator

from brobyg_notification.adapters.smtp_address import parse_address


class NotificationSettings(KitSettings):
    """`BROBYG_NOTIFICATION_...`."""

    notification_port: int = Field(8003, ge=1, le=65535, description="Port of notification.")
    portal_url: str = Field(
        "http://127.0.0.1:8000", description="The portal's address as volunteers see it, for links."
    )
    referral_url: str = Field("http://127.0.0.1:8001", description="Where referral is reached.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Where matching is reached.")
    notification_smtp: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:1025"),
        description="The mail server: smtp://host:25, smtp+starttls://user:password@host:587 or smtps://host:465.",
    )
    notification_sender: str = Field(
        "Brobyg <brobyg@example.org>", description="From whom messages come."
    )
    notification_coordinators: str = Field(
        "",
        description="Where each department's coordinator is told: 'randers=a@example.org,norddjurs=b@example.org'. Messages to one left out wait.",
    )
    notification_coordinator_language: Language = Field(
        "da", description="The language coordinators are written to in: da or en."
    )
    notification_concurrency: int = Field(
        8, ge=1, le=64, description="Messages in hand at once, and connections to the mail server."
    )

    @field_validator("notification_smtp")
    @classmethod
    def _smtp_is_readable(cls, address: SecretStr) -> SecretStr:
        parse_address(address.get_secret_value())
        return address

    @field_validator("notification_coordinators")
    @classmethod
    def _coordinators_are_readable(cls, text: str) -> str:
        parse_coordinators(text)
        return text

    @property
    def coordinators(self) -> dict[str, str]:
        """Department to address."""
        return parse_coordinators(self.notification_coordinators)


def parse_coordinators(text: str) -> dict[str, str]:
    """`randers=a@x,norddjurs=b@x` as a mapping. Raises ValueError that says what would be right."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(
        not department.strip() or not is_mail_address(address.strip())
        for department, _, address in pairs
    ):
        raise ValueError(
            "coordinators must look like 'randers=a@example.org,norddjurs=b@example.org'"
        )
    return {department.strip(): address.strip() for department, _, address in pairs}
