"""Reporting's settings."""

from brobyg_kit.settings import KitSettings


class ReportingSettings(KitSettings):
    """Those of every service; reporting needs no others."""
