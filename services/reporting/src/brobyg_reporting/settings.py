"""Settings of reporting, beside those every service has."""

from brobyg_kit.settings import KitSettings, own_database
from pydantic import Field, SecretStr


class ReportingSettings(KitSettings):
    """`BROBYG_REPORTING_...`."""

    reporting_port: int = Field(8004, ge=1, le=65535, description="Port of reporting.")
    reporting_database: SecretStr = own_database("reporting")
    reporting_analyst: SecretStr = Field(
        SecretStr(""),
        description="The PostgreSQL server as an analyst signs in on it: `brobyg analyst connect`"
        " tells how, and `brobyg analyst add` makes this login. Empty for none.",
    )
