"""The portal has the mechanism's settings and none of its own."""

from brobyg_kit.settings import KitSettings


class PortalSettings(KitSettings):
    """`BROBYG_...`."""
