"""Puts together how helpers and citizens sign in; `bootstrap` does the rest of the portal."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
from brobyg_kit.clock import Clock
from brobyg_kit.database import Database
from brobyg_kit.timers import TimerHandler
from fastapi import APIRouter

from brobyg_portal.adapters.authenticators import Authenticators
from brobyg_portal.adapters.forms import Spent
from brobyg_portal.adapters.owners import HttpOwners
from brobyg_portal.adapters.passkeys import Passkeys
from brobyg_portal.adapters.people import People
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.adapters.sign_in_links import ASKED, SignInLinks
from brobyg_portal.domain.requests import EverybodysTries, Tries
from brobyg_portal.domain.sign_in_link import IN_ALL
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.entrypoints.guard import Guard
from brobyg_portal.entrypoints.link_sign_in import LinkRoutes
from brobyg_portal.entrypoints.passkeys import PasskeyRoutes
from brobyg_portal.settings import PortalSettings
from brobyg_portal.use_cases.link_sign_in import LinkSignIn
from brobyg_portal.use_cases.passkey_sign_in import PasskeySignIn
from brobyg_portal.use_cases.still_there import StillThere


@dataclass(frozen=True, slots=True)
class ByLink:
    """What the portal adds to its parts."""

    routers: Sequence[APIRouter]
    workers: Mapping[str, Callable[[], Coroutine[None, None, None]]]
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)


def by_link(
    settings: PortalSettings,
    database: Database,
    clock: Clock,
    sessions: Sessions,
    spent: Spent,
    guard: Guard,
    cookies: Cookies,
    clients: Mapping[str, httpx2.AsyncClient],
) -> ByLink:
    """`clock` tells real time. Without a key nobody signs in so, and the pages say that."""
    owners, keys = HttpOwners(clients), settings.encryption_keys()
    links = passkeys = None
    if keys:
        links = LinkSignIn(SignInLinks(database, clock, keys), owners, sessions, clock)
        passkeys = PasskeySignIn(
            Passkeys(database, clock),
            Authenticators(settings.portal_url.rstrip("/")),
            owners,
            sessions,
            spent,
            clock,
            keys,
        )
    tries, shown = (Tries(clock.now, settings.portal_sign_in_tries) for _ in range(2))
    return ByLink(
        routers=[
            *LinkRoutes(links, guard, cookies, tries, EverybodysTries(clock.now, IN_ALL)).routers(),
            PasskeyRoutes(passkeys, guard, cookies, shown).router(),
        ],
        workers={"still_there": StillThere(People(database, clock), sessions, owners).run},
        timers={} if links is None else {ASKED: links.follow},
    )
