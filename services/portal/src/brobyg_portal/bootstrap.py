"""Puts the portal together: one page, no database, no events."""

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_portal.adapters.http import HttpOffers
from brobyg_portal.entrypoints import web
from brobyg_portal.settings import PortalSettings


def build(resources: Resources) -> Parts:
    """The portal's parts. Connects nothing. Raises TypeError for another service's settings."""
    settings = resources.settings
    if not isinstance(settings, PortalSettings):
        raise TypeError("the portal needs PortalSettings")
    matching = resources.internal(settings.matching_url)
    routes = web.router(HttpOffers(matching), settings.default_language)
    return Parts(public_routers=[routes], closers=[matching.aclose])


SERVICE = Service(
    name="portal",
    package="brobyg_portal",
    asyncapi=part_of,
    settings=PortalSettings,
    build=build,
)
