"""This service's settings, beside the mechanism's.

What mail needs has no default: with a wrong one the service would look ready and tell nobody.
"""

from email.utils import parseaddr
from urllib.parse import urlsplit

from brobyg_kit.fields import is_mail_address
from brobyg_kit.settings import KitSettings
from brobyg_kit.wording import Language
from pydantic import Field, SecretStr, field_validator

from brobyg_notification.adapters.smtp_address import parse_address


class NotificationSettings(KitSettings):
    """`BROBYG_NOTIFICATION_...`, and the portal's address, which is required here."""

    portal_url: str = Field(
        description="The portal's address as volunteers see it, for links in messages."
    )
    notification_smtp: SecretStr = Field(
        description="The mail server: smtp://host:25, smtp+starttls://user:password@host:587 or"
        " smtps://host:465."
    )
    notification_sender: str = Field(
        description="From whom messages come, such as 'Brobyg <brobyg@example.org>'."
    )
    notification_coordinators: str = Field(
        description="Where each department's coordinator is told:"
        " 'randers=a@example.org,norddjurs=b@example.org'. Messages to one left out wait."
    )
    notification_coordinator_language: Language = Field(
        "da", description="The language coordinators are written to in: da or en."
    )
    notification_default_language: Language = Field(
        "en", description="The language for readers whose own has no catalogue: da or en."
    )
    notification_concurrency: int = Field(
        8, ge=1, le=64, description="Messages in hand at once, and connections to the mail server."
    )

    @field_validator("portal_url")
    @classmethod
    def _portal_can_be_linked_to(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the portal's address must look like https://brobyg.example.org")
        return url.rstrip("/")

    @field_validator("notification_smtp")
    @classmethod
    def _smtp_is_readable(cls, address: SecretStr) -> SecretStr:
        parse_address(address.get_secret_value())
        return address

    @field_validator("notification_sender")
    @classmethod
    def _sender_has_an_address(cls, sender: str) -> str:
        if not is_mail_address(parseaddr(sender)[1]):
            raise ValueError("the sender must look like 'Brobyg <brobyg@example.org>'")
        return sender

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
    """`randers=a@x.dk,norddjurs=b@x.dk` as a mapping. Raises ValueError that says what is right."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    found = {department.strip(): address.strip() for department, _, address in pairs}
    if not found or not all(found) or not all(map(is_mail_address, found.values())):
        raise ValueError(
            "coordinators must look like 'randers=a@example.org,norddjurs=b@example.org'"
        )
    return found
