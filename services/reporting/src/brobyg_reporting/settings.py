"""Settings of reporting, beside those every service has."""

from brobyg_kit.settings import KitSettings
from pydantic import Field


class ReportingSettings(KitSettings):
    """`BROBYG_REPORTING_...`."""

    reporting_port: int = Field(8004, ge=1, le=65535, description="Port of reporting.")
