"""Settings of the portal, beside those every service has."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from brobyg_kit.catalogues import written_in
from brobyg_kit.settings import KitSettings, own_database
from pydantic import Field, SecretStr, field_validator, model_validator

from brobyg_portal.texts import FOLDER


class PortalSettings(KitSettings):
    """`BROBYG_PORTAL_...`, and where the others are reached."""

    portal_port: int = Field(8000, ge=1, le=65535, description="Port of the portal.")
    portal_database: SecretStr = own_database("portal")
    portal_url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^/\s]+/?$",
        description="The portal's address as browsers see it: https, and its cookies are for https"
        " alone; http on this machine alone.",
    )
    referral_url: str = Field("http://127.0.0.1:8001", description="Where referral is reached.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Where matching is reached.")
    notification_url: str = Field(
        "http://127.0.0.1:8003", description="Where notification is reached."
    )
    reporting_url: str = Field("http://127.0.0.1:8004", description="Where reporting is reached.")
    portal_provider_issuer: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="The identity provider of staff (OpenID Connect), by its issuer: what"
        " /.well-known/openid-configuration is under. Empty for none: staff can't sign in.",
    )
    portal_provider_client: str = Field(
        "brobyg-portal", min_length=1, description="The portal's client id at the provider."
    )
    portal_provider_secret: Path | None = Field(
        None,
        description="File with the portal's client secret at the provider; none, or an empty one,"
        " for a public client, which proves itself by PKCE alone.",
    )
    portal_sign_in: Path | None = Field(
        None,
        description="File (TOML) that says what the provider's claims make of staff, in the form of"
        " schemas/sign-in.toml, which is taken where none is named.",
    )
    portal_signing_key: Path | None = Field(
        None,
        description="File with the private key (JWK, P-256) that signs the tokens with which the"
        " portal asks for whoever is signed in. The services are given its public half.",
    )
    portal_idle_minutes: int = Field(
        30, ge=1, le=24 * 60, description="A session ends after so long without a request, minutes."
    )
    portal_session_hours: int = Field(
        10, ge=1, le=24, description="A session ends after so long in all, hours."
    )
    portal_sign_in_tries: int = Field(
        120,
        ge=1,
        description="Sign-ins that one address may try in a minute. Behind a proxy give"
        " FORWARDED_ALLOW_IPS the proxy's address, or all are one.",
    )
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

    @field_validator("portal_url")
    @classmethod
    def _cookies_are_not_overheard(cls, url: str) -> str:
        address = urlsplit(url)
        host = address.hostname or ""
        near = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host) is not None
        if address.scheme != "https" and not near:
            raise ValueError("expected https://; http:// is for this machine alone")
        return url

    @model_validator(mode="after")
    def _who_signs_in_can_be_asked_for(self) -> Self:
        if self.portal_provider_issuer and self.portal_signing_key is None:
            raise ValueError("with portal_provider_issuer, portal_signing_key is needed")
        return self

    def url_of(self, service: str) -> str:
        """Where the service of this name is reached."""
        url: str = getattr(self, f"{service}_url")
        return url
