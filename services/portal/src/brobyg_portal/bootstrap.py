"""Puts the portal together: pages, who is signed in, no events."""

import hashlib
from datetime import timedelta
from functools import partial
from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.clock import AcceleratedClock, Clock, WallClock
from brobyg_kit.export_api import export_router
from brobyg_kit.health import report_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_portal.adapters.accesses import Accesses
from brobyg_portal.adapters.forms import KEPT_FORM, KeptForms, Spent
from brobyg_portal.adapters.holdings import HOLDINGS
from brobyg_portal.adapters.http import HttpOffers, HttpServices, Minter
from brobyg_portal.adapters.mapping import mapping
from brobyg_portal.adapters.names import Names
from brobyg_portal.adapters.operations import Operations
from brobyg_portal.adapters.pages import Help, Pages
from brobyg_portal.adapters.provider import Client, OidcProvider
from brobyg_portal.adapters.retention import retention
from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.adapters.tables import metadata
from brobyg_portal.by_link import by_link
from brobyg_portal.domain.requests import Tries
from brobyg_portal.domain.session import Lifetime
from brobyg_portal.entrypoints import parts, start, statement, static, web
from brobyg_portal.entrypoints.accesses import AccessesRoutes
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.entrypoints.guard import Guard
from brobyg_portal.entrypoints.operations import OperationsRoutes
from brobyg_portal.entrypoints.sign_in import SignInRoutes
from brobyg_portal.metrics import PortalMetrics
from brobyg_portal.settings import PortalSettings
from brobyg_portal.use_cases.signing_in import SigningIn

_ASKED = ("referral", "matching", "notification", "reporting")


#: By kind of people: nobody's identity is the portal's, so only whole exports ask.
_EXPORT_ACTS = dict.fromkeys(HOLDINGS.sections, "collect-export")


def build(resources: Resources) -> Parts:
    """The portal's parts. Connects nothing."""
    settings = cast("PortalSettings", resources.settings)
    clock, database = _real(resources.clock), resources.database
    clients = {name: resources.internal(settings.url_of(name)) for name in _ASKED}
    lifetime = Lifetime(
        timedelta(minutes=settings.portal_idle_minutes),
        timedelta(hours=settings.portal_session_hours),
    )
    home = settings.portal_url.rstrip("/")
    sessions, kept = Sessions(database, clock, lifetime), KeptForms(database, clock)
    spent, cookies = Spent(database, clock), Cookies(home.startswith("https:"))
    services = HttpServices(Minter(settings.portal_signing_key, WallClock()), clients)
    pages = Pages(
        settings.default_language,
        Help(settings.portal_help_phone, settings.portal_help_mail),
        trial=settings.portal_parts,
        secure=cookies.secure,
    )
    guard = Guard(
        sessions, kept, spent, cookies, pages, services, home, PortalMetrics(resources.metrics)
    )
    provider, signing_in = _provider(settings, home), None
    if provider is not None:
        is_administrator = Administrators(database, clock).has
        claims = mapping(settings.portal_sign_in)
        signing_in = SigningIn(
            provider, settings.portal_provider_issuer, claims, is_administrator,
            _attempt_key(settings), clock,
        )  # fmt: skip
    tries = Tries(clock.now, settings.portal_sign_in_tries)
    others = by_link(settings, database, clock, sessions, spent, guard, cookies, clients)
    signs = SignInRoutes(signing_in, sessions, spent, guard, cookies, tries)
    operations = Operations(
        services, partial(report_of, "portal", resources.health, _nothing_waits)
    )
    names = Names(services, clock)
    return Parts(
        routers=[export_router(database, "portal", HOLDINGS, acts=_EXPORT_ACTS)],
        public_routers=[
            web.router(HttpOffers(clients["matching"]), pages, secure=cookies.secure),
            signs.router(),
            signs.told_router(),
            *others.routers,
            start.router(guard, sessions, names),
            OperationsRoutes(guard, operations, clock).router(),
            AccessesRoutes(guard, Accesses(services), names).router(),
            statement.router(pages),
            static.router(),
            *([parts.router(guard, clock)] if settings.portal_parts else []),
        ],
        renderers={"/": pages.problem},
        timers={KEPT_FORM: kept.delete_over, **others.timers},
        workers=others.workers,
        retention=retention(clock),
        closers=[
            *(one.aclose for one in clients.values()),
            *([] if provider is None else [provider.close]),
        ],
    )


async def _nothing_waits() -> dict[str, object]:
    """The portal handles and publishes no events."""
    return {}


def _real(clock: Clock) -> Clock:
    """The time in which people sign in, whatever time a demo plays."""
    return WallClock() if isinstance(clock, AcceleratedClock) else clock


def _attempt_key(settings: PortalSettings) -> bytes:
    """What signs sign-ins on their way: of the one secret that all processes share."""
    assert settings.portal_signing_key is not None  # the settings see to it
    return hashlib.sha256(b"sign-in\x00" + settings.portal_signing_key.read_bytes()).digest()


def _provider(settings: PortalSettings, home: str) -> OidcProvider | None:
    """Staff's; None where none is set. Raises OSError for a secret that can't be read."""
    if not settings.portal_provider_issuer:
        return None
    file = settings.portal_provider_secret
    secret = file.read_text().strip() if file else ""
    client = Client(settings.portal_provider_issuer, settings.portal_provider_client, secret, home)
    return OidcProvider(client, WallClock())


SERVICE = Service(
    name="portal",
    package="brobyg_portal",
    asyncapi=part_of,
    settings=PortalSettings,
    build=build,
    metadata=metadata,
)
