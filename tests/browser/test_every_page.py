"""What every page of the table keeps to, in one visit each; and that each check can fail."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from brobyg_kit.testing import Running
from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.adapters.tables import session
from brobyg_portal.domain.session import Lifetime, Person
from brobyg_portal.entrypoints.cookies import Cookies
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from playwright.async_api import (
    Browser,
    BrowserContext,
    Response,
    ViewportSize,
)
from playwright.async_api import Page as Tab
from sqlalchemy import delete

from . import pictures
from .known_services import CHIEF
from .page_table import PAGES, Page

#: WCAG 2.1 A and AA, which the law requires (Lov om tilgængelighed af offentlige organers
#: websteder, 2018).
WCAG = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    }
}
#: CSS pixels: the narrowest screen of WCAG 1.4.10, a tablet, a desk.
WIDTHS = (320, 768, 1280)
#: Bytes of a page itself. It is sent as it is: what is secret stands beside what others wrote, and
#: compressed together the one could be guessed by the other.
HEAVIEST = 30_000
#: Bytes of all that a page needs besides, as it is sent.
HEAVIEST_ASSETS = 150_000

#: What can be reached by keyboard, in its order; of a group of radio buttons the first.
_REACHABLE = """
() => {
  const groups = new Set();
  const dialog = document.querySelector('dialog[open]');
  const all = 'a[href], button, input:not([type=hidden]), select, textarea, [tabindex="0"]';
  window.walk = [...(dialog || document).querySelectorAll(all)].filter((one) => {
    if (one.disabled || !one.checkVisibility({visibilityProperty: true})) return false;
    if (one.type !== 'radio') return true;
    const first = !groups.has(one.name);
    groups.add(one.name);
    return first;
  });
  return window.walk.length;
}
"""
_REACHED = """
() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return [window.walk.indexOf(one), seen && marked, one.outerHTML.slice(0, 90)];
}
"""


async def signed_in(portal: Running, who: Person = CHIEF) -> tuple[str, str]:
    """Name and value of the cookie of a new session of this person; CHIEF is an administrator."""
    database, clock = portal.runtime.database, portal.runtime.clock
    assert database is not None
    sessions = Sessions(database, clock, Lifetime(timedelta(minutes=30), timedelta(hours=10)))
    await Administrators(database, clock).add(CHIEF.subject)
    async with database.connect() as connection:  # those of earlier pages would be on this one
        await connection.execute(delete(session).where(session.c.subject == who.subject))
    return Cookies(secure=False).name("session"), await sessions.begin(who)


@dataclass
class Reader:
    """A browser in front of the portal, with what it complained of."""

    portal: Running
    context: BrowserContext
    tab: Tab
    blank: Tab
    complaints: list[str] = field(default_factory=list)
    _listens: bool = True

    def hear(self, said: str) -> None:
        """Take down what the browser complains of."""
        if self._listens:
            self.complaints.append(said)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """While a tool puts a style of its own into the page, which the page's policy refuses."""
        self._listens = False
        yield
        self._listens = True

    async def violations(self) -> list[object]:
        """What axe finds wrong: each rule with the elements that break it."""
        with self.deaf():
            found = await Axe().run(self.tab, options=WCAG)
        return [
            (one["id"], [node["html"] for node in one["nodes"]])
            for one in found.response["violations"]
        ]

    async def open(self, page: Page, language: str) -> Response:
        """Bring the tab to the page in that language; what answered is returned."""
        await self.context.clear_cookies()
        if page.signed_in:
            name, value = await signed_in(self.portal, page.who)
            url = self.portal.url
            await self.context.add_cookies([{"name": name, "value": value, "url": url}])
        separator = "&" if "?" in page.path else "?"
        answers: list[Response] = []

        def keep(answer: Response) -> None:
            answers.append(answer)

        self.tab.on("response", keep)
        await self.tab.goto(f"{self.portal.url}{page.path}{separator}language={language}")
        if page.act:
            await page.act(self.tab)
        await self.tab.wait_for_load_state()
        await self.tab.evaluate("document.fonts.ready.then(() => true)")
        self.tab.remove_listener("response", keep)
        return [one for one in answers if one.request.is_navigation_request()][-1]

    async def resize(self, width: int) -> int:
        """Make the screen this wide; by how many CSS pixels the page is wider."""
        await self.tab.set_viewport_size(ViewportSize(width=width, height=800))
        wide: int = await self.tab.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reader(browser: Browser, shown: Running) -> AsyncIterator[Reader]:
    """One reader for all pages: what a page needs is fetched once, as for anybody."""
    context = await browser.new_context(locale="da-DK", reduced_motion="reduce")
    blank, tab = await context.new_page(), await context.new_page()
    await tab.bring_to_front()  # the clocks of a tab behind another run slowly
    reader = Reader(shown, context, tab, blank)
    tab.on("console", lambda said: reader.hear(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: reader.hear(str(error)))
    yield reader
    await context.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_every_page(reader: Reader, page: Page) -> None:
    """By day in Danish at a desk, by night in English on the narrowest phone, right to left."""
    tab = reader.tab
    reader.complaints.clear()
    for language, scheme, width in (("da", "light", 1280), ("en", "dark", 320)):
        await tab.emulate_media(color_scheme=scheme)
        await reader.resize(width)
        answer = await reader.open(page, language)
        assert answer.status == page.status
        assert len(await answer.body()) <= HEAVIEST
        assert await tab.locator("html").get_attribute("lang") == language
        assert await reader.violations() == []
        await _compare(reader, page, f"{width}-{scheme}")
        if language == "da":
            if page.fully:
                await _walk(reader)
            assert [await reader.resize(width) for width in WIDTHS] == [0, 0, 0]
    await tab.evaluate("document.documentElement.style.fontSize = '125%'")  # twice 62.5: 1.4.4
    assert [await reader.resize(width) for width in (640, 1280)] == [0, 0]
    if page.fully:
        await reader.open(page, "ar")
        assert await tab.locator("html").get_attribute("dir") == "rtl"
        assert [await reader.resize(width) for width in WIDTHS] == [0, 0, 0]
    refused = f"responded with a status of {page.status}"
    assert [text for text in reader.complaints if refused not in text] == []


async def _walk(reader: Reader) -> None:
    """Tab from one end of the page to the other: all is reached, in its order, and seen."""
    tab = reader.tab
    number = await tab.evaluate(_REACHABLE)
    reached: list[int] = []
    if await tab.locator("dialog[open]").count():  # it has put the focus on its first
        reached = [0]
    else:
        await tab.evaluate("document.body.tabIndex = -1; document.body.focus()")
    for _ in range(4 * number + 4):  # a field for a date has several stops
        await tab.keyboard.press("Tab")
        index, marked, what = await tab.evaluate(_REACHED)
        if index < 0 or (index == 0 and len(reached) > 1):
            break
        assert marked, f"it can't be seen that the focus is here: {what}"
        if index not in reached[-1:]:
            reached.append(index)
    assert reached == list(range(number))


async def _compare(reader: Reader, page: Page, look: str) -> None:
    if not page.picture:
        return
    name = f"{page.name}-{look}"
    with reader.deaf():
        share = await pictures.difference(reader.tab, reader.blank, name)
    assert share <= pictures.ALLOWED, (
        f"{share:.1%} of {name} looks otherwise: compare var/pictures/{name}.jpg with"
        f" tests/browser/pictures/{name}.jpg. If it is meant to be so:"
        " BROBYG_PICTURES=write make test TESTS=tests/browser"
    )


async def test_every_route_that_answers_with_pages_is_in_the_table(shown: Running) -> None:
    routes = {
        route.path
        for router in shown.runtime.parts.public_routers
        for route in router.routes
        if isinstance(route, APIRoute)
        and route.response_class is HTMLResponse
        and "GET" in route.methods
    }
    assert routes == {page.route for page in PAGES} - {""}
    kept = {path.stem for path in pictures.FOLDER.glob("*.jpg")}
    taken = [page.name for page in PAGES if page.picture]
    assert kept == {f"{name}-{look}" for name in taken for look in ("1280-light", "320-dark")}


async def test_all_that_a_page_needs_is_light_and_from_here(
    browser: Browser, shown: Running
) -> None:
    context = await browser.new_context()
    tab = await context.new_page()
    answers: list[Response] = []
    tab.on("response", lambda answer: answers.append(answer))
    await tab.goto(f"{shown.url}/parts", wait_until="networkidle")
    sizes = {
        re.sub(r"^.*/static/\w+/", "", one.url): (await one.request.sizes())["responseBodySize"]
        for one in answers
        if "/static/" in one.url
    }
    assert {"portal.css", "portal.js", "vendor/htmx/htmx.min.js"} < sizes.keys()
    assert sum(sizes.values()) <= HEAVIEST_ASSETS, sizes
    assert all(one.url.startswith(shown.url) for one in answers)
    assert {one.status for one in answers} == {200}
    await context.close()


async def test_control_each_check_fails_where_something_is_wrong(reader: Reader) -> None:
    tab = reader.tab
    parts = next(page for page in PAGES if page.name == "parts")
    offer = next(page for page in PAGES if page.name == "offer")
    await tab.emulate_media(color_scheme="light")
    await reader.open(parts, "da")
    reader.complaints.clear()
    await tab.evaluate(
        """() => {
          document.documentElement.removeAttribute('lang');
          document.querySelector('.filter button').tabIndex = -1;
          document.querySelector('table').style.minWidth = '1500px';
          console.error('wrong');
        }"""
    )
    assert "html-has-lang" in str(await reader.violations())
    with pytest.raises(AssertionError):
        await _walk(reader)
    assert await reader.resize(1280) > 0
    assert reader.complaints == ["wrong"]
    await reader.open(offer, "da")
    await reader.resize(1280)
    await tab.evaluate("document.querySelector('button[value=decline]').remove()")
    if not pictures.WRITE:
        with pytest.raises(AssertionError, match="looks otherwise"):
            await _compare(reader, offer, "1280-light")
