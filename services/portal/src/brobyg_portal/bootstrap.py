"""Puts the portal together: pages, no database, no events."""

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_portal.adapters.http import HttpOffers
from brobyg_portal.adapters.pages import Help, Pages
from brobyg_portal.entrypoints import parts, statement, static, web
from brobyg_portal.settings import PortalSettings


def build(resources: Resources) -> Parts:
    """The portal's parts. Connects nothing. Raises TypeError for another service's settings."""
    settings = resources.settings
    if not isinstance(settings, PortalSettings):
        raise TypeError("the portal needs PortalSettings")
    matching = resources.internal(settings.matching_url)
    pages = Pages(
        settings.default_language,
        Help(settings.portal_help_phone, settings.portal_help_mail),
        trial=settings.portal_parts,
    )
    routers = [
        web.router(HttpOffers(matching), pages),
        statement.router(pages),
        static.router(),
        *([parts.router(pages, resources.clock)] if settings.portal_parts else []),
    ]
    return Parts(
        public_routers=routers,
        renderers={"/": pages.problem},
        closers=[matching.aclose],
    )


SERVICE = Service(
    name="portal",
    package="brobyg_portal",
    asyncapi=part_of,
    settings=PortalSettings,
    build=build,
)
