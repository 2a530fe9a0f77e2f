"""The answer page in a real browser: on a phone, by keyboard, and checked by axe."""

from datetime import timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ViewportSize

from .conftest import PHONE, OpenOffers, Visit

#: The narrowest screen of WCAG 1.4.10.
NARROW = ViewportSize(width=320, height=640)

#: WCAG 2.1 A and AA, which the law requires (Lov om tilgængelighed af offentlige organers
#: websteder, 2018).
WCAG = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    }
}


async def test_one_tap_says_yes_also_without_javascript(asked: OpenOffers, visit: Visit) -> None:
    await visit.page.goto(asked.links[0])
    assert await asked.state() == "searching"
    await visit.page.get_by_role("button", name="Ja, jeg følger med").click()
    assert await visit.page.get_by_role("heading", level=1).text_content() == "Tak, du følger med"
    assert await asked.state() == "filled"


async def test_the_keyboard_alone_says_yes_and_shows_where_it_is(
    asked: OpenOffers, scripted: Visit
) -> None:
    page = scripted.page
    await page.goto(asked.links[0])
    await page.keyboard.press("Tab")
    assert await scripted.focused() == "Til indholdet"
    await page.keyboard.press("Enter")  # past the header
    await page.keyboard.press("Tab")
    assert await scripted.focused() == "Ja, jeg følger med"
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Tak, du følger med").wait_for()
    assert await asked.state() == "filled"


async def test_who_said_yes_takes_it_back_behind_the_same_link_without_javascript(
    asked: OpenOffers, visit: Visit
) -> None:
    page = visit.page
    await page.goto(asked.links[0])
    await page.get_by_role("button", name="Ja, jeg følger med").click()
    await page.goto(asked.links[0])
    assert await asked.state() == "filled", "looking takes nothing back"
    await page.get_by_role("button", name="Jeg kan alligevel ikke").click()
    heading = page.get_by_role("heading", level=1)
    assert await heading.text_content() == "Tak, fordi du gav besked"
    assert await asked.state() in ("searching", "escalated")
    await page.goto(asked.links[0])
    assert await heading.text_content() == "Tak, fordi du gav besked"


async def test_who_was_never_asked_signs_off_behind_the_link_of_the_match(
    asked: OpenOffers, visit: Visit
) -> None:
    page, link = visit.page, await asked.link_of_match_by_hand()
    await page.goto(link)
    assert await asked.state() == "filled", "looking takes nothing back"
    await page.get_by_role("button", name="Jeg kan alligevel ikke").click()
    heading = page.get_by_role("heading", level=1)
    assert await heading.text_content() == "Tak, fordi du gav besked"
    assert await asked.state() in ("searching", "escalated")
    await page.goto(link)
    assert await heading.text_content() == "Tak, fordi du gav besked"
    assert await page.get_by_role("button", name="Jeg kan alligevel ikke").count() == 0


async def test_who_comes_second_reads_that_somebody_else_was_first(
    asked: OpenOffers, visit: Visit
) -> None:
    other = await visit.context.new_page()
    await other.goto(asked.links[1])
    await visit.page.goto(asked.links[0])
    await visit.page.get_by_role("button", name="Ja, jeg følger med").click()
    await other.get_by_role("button", name="Ja, jeg følger med").click()
    assert await other.get_by_role("heading", level=1).text_content() == "En anden var først"


async def test_a_no_is_one_tap_too_and_the_language_switch_keeps_the_offer(
    asked: OpenOffers, visit: Visit
) -> None:
    await visit.page.goto(asked.links[0])
    await visit.page.get_by_role("link", name="English").click()
    await visit.page.get_by_role("button", name="No, I can't").click()
    assert (
        await visit.page.get_by_role("heading", level=1).text_content() == "Thank you for answering"
    )
    assert await asked.state() == "searching"


async def _open(asked: OpenOffers, visit: Visit, name: str, language: str) -> None:
    """Bring the browser to a page by the way a helper comes to it."""
    page, link = visit.page, f"{asked.links[0]}?language={language}"
    if name == "unknown":
        link = f"{asked.portal.url}/answer/nonsense?language={language}"
    if name == "expired":
        asked.clock.advance(timedelta(hours=12))
    await page.goto(link)
    if name in ("accepted", "declined", "released"):
        await page.locator("button.no" if name == "declined" else "button.yes").click()
        await page.locator("button.yes").wait_for(state="detached")
    if name == "released":
        await page.locator("button.no").click()
        await page.locator("form").wait_for(state="detached")


@pytest.mark.parametrize("language", ["da", "en"])
@pytest.mark.parametrize(
    "name", ["offer", "accepted", "declined", "released", "expired", "unknown"]
)
async def test_every_page_passes_axe_fits_a_narrow_screen_and_asks_nobody_else(
    asked: OpenOffers, scripted: Visit, name: str, language: str
) -> None:
    await _open(asked, scripted, name, language)
    results = await Axe().run(scripted.page, options=WCAG)
    assert results.violations_count == 0, results.generate_report()
    assert await scripted.page.locator("html").get_attribute("lang") == language
    await scripted.page.set_viewport_size(NARROW)
    assert await scripted.sideways() == 0
    await scripted.page.set_viewport_size(PHONE)
    await scripted.page.evaluate("document.documentElement.style.fontSize = '200%'")  # WCAG 1.4.4
    assert await scripted.sideways() == 0
    assert scripted.hosts == {asked.portal.url.split("/")[2]}
    assert [
        text for text in scripted.complaints if "responded with a status of 4" not in text
    ] == []


async def test_control_axe_finds_what_is_wrong(asked: OpenOffers, scripted: Visit) -> None:
    await scripted.page.goto(asked.links[0])
    await scripted.page.evaluate("document.documentElement.removeAttribute('lang')")
    results = await Axe().run(scripted.page, options=WCAG)
    assert [violation["id"] for violation in results.response["violations"]] == ["html-has-lang"]
