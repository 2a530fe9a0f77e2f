"""A real browser in front of the real portal and matching, with one offer open."""

import base64
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import brobyg_portal.bootstrap
import pytest
import pytest_asyncio
from brobyg_contracts import CitizenRecorded, ConsentGiven, NeedOpened
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.ids import derived_id, new_id
from brobyg_kit.testing import Running, bearer, eventually, served
from brobyg_kit.tokens import generate_keys
from brobyg_local.tools import find_chromium
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_portal.adapters.authenticators import NewPasskey
from brobyg_portal.adapters.passkeys import Passkeys
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.adapters.sign_in_links import SignInLinks
from brobyg_portal.adapters.tables import sign_in_request
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.domain.session import Lifetime, Person
from brobyg_portal.domain.sign_in_link import Known
from brobyg_portal.entrypoints.cookies import Cookies
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright
from reference_data import give_reference
from sqlalchemy import select

from .known_services import HELPER as VOLUNTEER
from .known_services import THEN, KnownServices
from .page_table import ASKED_BY, LINK, KnownOffers, LostSessions

#: Seals addresses.
_KEY = b"k" * 32
#: A common phone, CSS pixels.
PHONE = ViewportSize(width=390, height=844)
REFERRAL, CITIZEN, NEED = derived_id("referral"), derived_id("citizen"), derived_id("need")
COORDINATOR = bearer("coordinator")
READY = dict.fromkeys(
    ("confidentiality_signed_on", "record_checked_on", "introduced_on"), "2026-09-01"
)
#: Matching's own keys.
MATCHING_KEYS = {
    "matching_link_keys": "a key for the links of these tests only",
    "matching_registration_keys": "a key for the registrations of these tests only",
    "matching_encryption_key": base64.b64encode(b"m" * 32).decode(),
    "matching_lookup_key": base64.b64encode(b"l" * 32).decode(),
}
#: Referral's.
REFERRAL_KEYS = {
    f"referral_{name}_key": base64.b64encode(name[:1].encode() * 32).decode()
    for name in ("encryption", "cpr")
}
ISSUERS = """[[issuer]]
issuer = "brobyg-portal"
keys = "portal-public.jwks.json"
roles = ["citizen", "coordinator", "data_protection", "operator", "volunteer"]
every_department = "*"
longest_seconds = 60
"""
HELPER = {
    "name": "Ellen Louise Test Lauridsen",
    "email": "ellen@example.org",
    "language": "da",
    "pool": "student",
    "department": "randers-norddjurs",
    "languages": ["da"],
    "gender": "female",
    "home_postcode": "8900",
    "range_metres": 30000,
    "travel": "car",
    "weekly_limit": 5,
    "availability": [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder share one event loop, as they share one browser."""
    shared = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(shared, append=False)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program."""
    return find_chromium(print)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """One browser for all tests, which speaks with nobody but the pages' own servers."""
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    # Playwright leaves the browser's profile behind where the browser ended otherwise than by us.
    with tempfile.TemporaryDirectory(prefix="brobyg-browser-") as folder:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TMPDIR", folder)
            driver = async_playwright()
            playwright = await driver.start()
        try:
            started = await playwright.chromium.launch(executable_path=str(chromium), args=quiet)
            yield started
            await started.close()
        finally:
            await playwright.stop()


@dataclass
class Visit:
    """A phone's browser, and what went on in it that nobody sees."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def sideways(self) -> int:
        """CSS pixels by which the page is wider than the screen."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    async def focused(self) -> str:
        """The text of what has the keyboard's focus."""
        text: str = await self.page.evaluate("document.activeElement.textContent.trim()")
        return text


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """A phone, with JavaScript switched off by its owner."""
    context = await browser.new_context(viewport=PHONE, java_script_enabled=False, locale="da-DK")
    yield await _on(context)
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def scripted(browser: Browser) -> AsyncIterator[Visit]:
    """A phone on which the test may measure the page by script; the page itself brings none."""
    context = await browser.new_context(viewport=PHONE, locale="da-DK")
    yield await _on(context)
    await context.close()


async def _on(context: BrowserContext) -> Visit:
    page = await context.new_page()
    visit = Visit(context, page)
    page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type == "error" else None,
    )
    page.on("request", lambda request: visit.hosts.add(request.url.split("/")[2]))
    return visit


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shown(postgres: str, kafka: str) -> AsyncIterator[Running]:
    """The portal with /parts, and links to offers in every state."""
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patched:  # while it is built
            patched.setattr(brobyg_portal.bootstrap, "HttpOffers", lambda _: KnownOffers())
            patched.setattr(brobyg_portal.bootstrap, "HttpServices", KnownServices)
            patched.setattr(brobyg_portal.bootstrap, "Sessions", LostSessions)
            portal = served(
                PORTAL,
                postgres,
                kafka,
                clock=ManualClock(THEN),
                portal_parts=True,
                portal_help_phone="+45 87 00 00 00",
                portal_help_mail="hjaelp@example.org",
                portal_encryption_key=base64.b64encode(_KEY).decode(),
            )
            running = await stack.enter_async_context(portal)
        await _link(running)
        yield running


async def _link(portal: Running) -> None:
    """A helper has asked for LINK, which is in their mail, and has a passkey."""
    database, clock = portal.runtime.database, portal.runtime.clock
    assert database is not None
    links = SignInLinks(database, clock, [_KEY])
    await links.ask("ellen@example.org", ASKED_BY, "/me")
    async with database.connect() as connection:
        request_id = await connection.scalar(select(sign_in_request.c.request_id))
    assert request_id is not None
    known = Known("helper", VOLUNTEER.subject)
    await links.keep(request_id, known, LINK)
    await Passkeys(database, clock).add(known, NewPasskey(b"a passkey", b"its key", 0))


def believed(folder: Path) -> tuple[Path, Path]:
    """The file of issuers by which services believe a portal, and the key it signs with."""
    generate_keys(folder / "portal.jwk.json", folder / "portal-public.jwks.json")
    (folder / "issuers.toml").write_text(ISSUERS)
    return folder / "issuers.toml", folder / "portal.jwk.json"


async def sign_in(visit: Visit, portal: Running, who: Person) -> Page:
    """Have this browser be somebody's."""
    database, clock = portal.runtime.database, portal.runtime.clock
    assert database is not None
    sessions = Sessions(database, clock, Lifetime(timedelta(minutes=30), timedelta(hours=10)))
    name, value = Cookies(secure=False).name("session"), await sessions.begin(who)
    await visit.context.add_cookies([{"name": name, "value": value, "url": portal.url}])
    return visit.page


@dataclass
class OpenOffers:
    """Helpers who have been asked, and where each can answer."""

    matching: Running
    portal: Running
    clock: ManualClock
    links: list[str]

    async def state(self) -> str:
        """How the search for the need's one seat stands."""
        answer = await self.matching.client.get(f"/needs/{NEED}", headers=COORDINATOR)
        state: str = answer.json()["seats"][0]["state"]
        return state

    async def link_of_match_by_hand(self) -> str:
        """The coordinator gives the seat to one of them; the link in the message that says so."""
        need = (await self.matching.client.get(f"/needs/{NEED}", headers=COORDINATOR)).json()
        given = await self.matching.client.post(
            f"/needs/{NEED}/seats/1/assign",
            json={"helper_id": need["offers"][0]["helper_id"]},
            headers=COORDINATOR,
        )
        match_id = given.json()["seats"][0]["match_id"]
        path = f"/needs/{NEED}/matches/{match_id}/answer-link"
        link = await self.matching.client.get(path, headers=bearer("service"))
        return f"{self.portal.url}/answer/{link.json()['token']}"


@pytest_asyncio.fixture(loop_scope="session")
async def asked(
    serve: Callable[..., AbstractAsyncContextManager[Running]], clock: ManualClock
) -> AsyncIterator[OpenOffers]:
    """Two helpers are asked whether they come along in two days' time."""
    async with (
        serve(MATCHING, clock=clock, **MATCHING_KEYS) as matching,
        serve(PORTAL, clock=clock, matching_url=matching.url) as portal,
    ):
        assert matching.runtime.database is not None
        await give_reference(matching.runtime.database)
        for address in ("ellen@example.org", "ida@example.org"):
            body = HELPER | {"email": address, "name": f"{address.partition('@')[0]} Test"}
            helper_id = await registered(matching, body)
            await matching.client.post(
                f"/volunteers/{helper_id}/activate", json=READY, headers=COORDINATOR
            )
        await _tell(matching, clock)
        need = (await matching.client.get(f"/needs/{NEED}", headers=COORDINATOR)).json()
        links = []
        for offer in need["offers"]:
            link = await matching.client.get(
                f"/offers/{offer['offer_id']}/answer-link", headers=bearer("service")
            )
            links.append(f"{portal.url}/answer/{link.json()['token']}")
        yield OpenOffers(matching, portal, clock, links)


async def registered(matching: Running, body: dict[str, object]) -> str:
    """Register a helper, as soon as matching has seen the reference data, and return the id."""
    made: dict[str, str] = {}

    async def answered() -> bool:
        answer = await matching.client.post("/volunteers", json=body, headers=COORDINATOR)
        made.update(answer.json())
        return answer.is_success

    await eventually(answered, "matching knows the helper's department")
    return made["helper_id"]


async def _tell(matching: Running, clock: ManualClock) -> None:
    starts_at = clock.now() + timedelta(days=2, hours=2)
    record = CitizenRecorded(
        citizen_id=CITIZEN,
        languages=("da",),
        gender_wish=None,
        mobility="independent",
        meeting="home",
        postcode="8920",
    )
    need = NeedOpened(
        need_id=NEED,
        about_kind="appointment",
        about_id=NEED,
        pathway="escort",
        policy_version=1,
        department="randers-norddjurs",
        mode="in_person",
        priority=5,
        competences=(),
        referral_id=REFERRAL,
        citizen_id=CITIZEN,
        location_id="randers-hospital",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
    )
    said: list[tuple[EventData, str]] = [
        (record, CITIZEN),
        (ConsentGiven(referral_id=REFERRAL, citizen_id=CITIZEN), REFERRAL),
        (need, NEED),
    ]
    handle, database = matching.runtime.parts.handle, matching.runtime.database
    assert handle is not None
    assert database is not None
    async with database.transaction() as tx:
        await handle(tx, [_event(clock, data, subject) for data, subject in said])


def _event(clock: ManualClock, data: EventData, subject: str) -> Event:
    event_id = new_id(clock)
    return Event(
        id=event_id,
        source="referral",
        type=data.EVENT_TYPE,
        subject=subject,
        time=clock.now(),
        dataschema=data.DATASCHEMA,
        correlationid=event_id,
        sequence=1,
        data=encode_data(data),
    )
