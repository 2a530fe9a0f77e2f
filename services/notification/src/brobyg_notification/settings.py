"""This service's settings, beside the mechanism's.

What mail needs has no default: with a wrong one the service would look ready and tell nobody.
"""

from email.utils import parseaddr
from typing import Annotated

from brobyg_kit.catalogues import written_in
from brobyg_kit.fields import is_mail_address
from brobyg_kit.settings import KitSettings, own_database
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from brobyg_notification.adapters.smtp_address import parse_address
from brobyg_notification.texts import FOLDER


def _smtp_url(url: SecretStr) -> SecretStr:
    parse_address(url.get_secret_value())
    return url


def _sender(text: str) -> str:
    if not is_mail_address(parseaddr(text)[1]):
        raise ValueError("the sender must look like 'Brobyg <brobyg@example.org>'")
    return text


def _coordinators(text: object) -> dict[str, str]:
    pairs = [part.partition("=") for part in str(text).split(",") if part.strip()]
    found = {department.strip(): address.strip() for department, _, address in pairs}
    if not found or not all(found) or not all(map(is_mail_address, found.values())):
        raise ValueError(
            "coordinators must look like 'north-branch=a@example.org,south-branch=b@example.org'"
        )
    return found


SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
Sender = Annotated[str, AfterValidator(_sender)]
#: Department to its coordinator's mail address.
Coordinators = Annotated[dict[str, str], NoDecode, BeforeValidator(_coordinators)]


class NotificationSettings(KitSettings):
    """`BROBYG_NOTIFICATION_...`, and where the others are reached."""

    notification_port: int = Field(8003, ge=1, le=65535, description="Port of notification.")
    notification_database: SecretStr = own_database("notification")
    referral_url: str = Field("http://127.0.0.1:8001", description="Where referral is reached.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Where matching is reached.")
    portal_url: str = Field(
        pattern=r"^https?://[^/\s]+[^\s]*$",
        description="The portal's address as helpers see it, for links in messages.",
    )
    notification_smtp: SmtpUrl = Field(
        description="The mail server: smtp://host:25, smtp+starttls://user:password@host:587 or"
        " smtps://host:465."
    )
    notification_sender: Sender = Field(
        description="From whom messages come, such as 'Brobyg <brobyg@example.org>'."
    )
    notification_coordinators: Coordinators = Field(
        description="Where each department's coordinator is told, by the department's id or a"
        " former one: 'north-branch=a@example.org,south-branch=b@example.org'. Messages to one left"
        " out wait."
    )
    notification_concurrency: int = Field(
        8, ge=1, le=64, description="Messages in hand at once, and connections to the mail server."
    )

    @field_validator("default_language")
    @classmethod
    def _has_a_catalogue(cls, language: str) -> str:
        return written_in(FOLDER, language)
