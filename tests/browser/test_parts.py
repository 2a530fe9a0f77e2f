"""What the parts of pages do: without JavaScript all of it, with it sooner and in place."""

import re

from brobyg_kit.testing import Running

from .conftest import Visit
from .test_every_page import signed_in


async def test_without_javascript_a_list_is_filtered_sorted_and_paged_and_forms_work(
    shown: Running, visit: Visit
) -> None:
    page = visit.page
    await page.goto(f"{shown.url}/parts")
    await page.get_by_label("Sted").fill("nordby")
    await page.get_by_role("button", name="Vis", exact=True).click()
    await page.locator(".order").get_by_role("link", name="Hvor langt fra dig").click()
    await page.locator(".order").get_by_role("link", name="Hvor langt fra dig").click()
    assert page.url.endswith("/parts?q=nordby&state=&sort=-metres")
    cells = page.locator("tbody [data-title='Hvor langt fra dig']")
    kilometres = [
        float(re.sub("[^0-9,]", "", text).replace(",", "."))
        for text in await cells.all_text_contents()
    ]
    assert kilometres == sorted(kilometres, reverse=True)
    assert len(kilometres) == 9
    await page.get_by_role("link", name="Vis alle").click()
    await page.get_by_role("link", name="Næste").click()
    assert page.url.endswith("/parts?sort=-metres&page=2")

    await page.get_by_role("button", name="Gem").click()
    assert await page.evaluate("document.activeElement.id") == "errors"
    assert (await page.title()).startswith("Fejl: Sidernes dele")
    await page.get_by_role("link", name="Vælg, hvordan du kommer derhen.").click()
    assert page.url.endswith("#way")
    await page.get_by_label("Hvor mødes I?").fill("Torvet <1>")
    await page.get_by_role("button", name="Gem").click()
    assert await page.get_by_label("Hvor mødes I?").input_value() == "Torvet <1>", "kept"
    await page.get_by_label("Hvilken dag?").fill("2026-12-24")
    await page.get_by_label("Til fods").check()
    await page.get_by_role("button", name="Gem").click()
    await page.get_by_role("button", name="Fortryd").click()
    assert await page.get_by_role("status").text_content() == "Det er, som det var før."

    await page.get_by_role("link", name="Kassér …").click()
    assert await page.get_by_role("heading", level=1).text_content() == "Vil du kassere den?"
    await page.get_by_role("button", name="Kassér").click()
    assert await page.get_by_role("status").text_content() == "Den er kasseret."


async def test_what_keeps_itself_fresh_keeps_focus_and_place_and_says_when_it_can_not(
    shown: Running, scripted: Visit
) -> None:
    page = scripted.page
    name, value = await signed_in(shown)
    await scripted.context.add_cookies([{"name": name, "value": value, "url": shown.url}])
    await page.goto(f"{shown.url}/parts")
    board = page.locator("#board")
    button = board.get_by_role("button").nth(1)
    await button.focus()
    place = await page.evaluate("scrollY")
    await page.evaluate("document.querySelector('#board .quiet').textContent = 'old'")
    fetched = "document.querySelector('#board').dispatchEvent(new Event('refresh'))"
    await page.evaluate(fetched)
    await board.get_by_text("old", exact=True).wait_for(state="detached")
    assert await button.evaluate("button => button === document.activeElement")
    assert await page.evaluate("scrollY") == place

    tokens = board.locator("input[name=form]")
    had = [await one.get_attribute("value") for one in await tokens.all()]
    assert len({*had}) == 3
    await page.evaluate("document.querySelector('#board .quiet').textContent = 'old'")
    await page.evaluate(fetched)
    await board.get_by_text("old", exact=True).wait_for(state="detached")
    assert [await one.get_attribute("value") for one in await tokens.all()] == had

    late = board.get_by_text("Det kan ikke opdateres lige nu")
    assert await late.is_hidden()
    await page.route("**/parts", lambda route: route.fulfill(status=503, body="<p>away</p>"))
    await page.evaluate(fetched)
    await late.wait_for()
    assert await button.is_visible(), "what was there stays"
    await page.unroute("**/parts")
    await page.evaluate(fetched)
    await late.wait_for(state="hidden")
    await scripted.context.clear_cookies()
    await page.route("**/parts", lambda route: route.fulfill(status=401))
    await page.evaluate(fetched)
    await board.get_by_text("Du er blevet logget ud.").wait_for()
    assert await board.get_by_role("link", name="Log ind igen").get_attribute("href") == "/parts"
    assert await button.is_visible()


async def test_a_dialog_opens_in_place_and_gives_the_focus_back(
    shown: Running, scripted: Visit
) -> None:
    page = scripted.page
    await page.goto(f"{shown.url}/parts")
    opener = page.get_by_role("link", name="Kassér …")
    await opener.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Vil du kassere den?")
    await dialog.wait_for()
    assert page.url.endswith("/parts")
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="hidden")
    assert await opener.evaluate("link => link === document.activeElement")


async def test_a_toast_goes_after_ten_seconds_unless_somebody_is_at_it(
    shown: Running, scripted: Visit
) -> None:
    page = scripted.page
    await page.clock.install()
    await page.goto(f"{shown.url}/parts?done=saved&page=2")
    toast, undo = page.locator(".toast"), page.get_by_role("button", name="Fortryd")
    assert page.url.endswith("/parts?page=2"), "a reload does not say it again"
    await undo.focus()
    await page.clock.run_for(30_000)
    assert await toast.is_visible()
    await page.get_by_role("link", name="Næste").focus()
    await page.clock.run_for(1_000)
    await toast.wait_for(state="detached")
    await page.goto(f"{shown.url}/parts?done=saved")
    # The installed clock also goes on by itself, as a page takes its time on a busy machine.
    await page.clock.run_for(5_000)
    assert await toast.is_visible()
    await page.clock.run_for(6_000)
    await toast.wait_for(state="detached")


async def test_on_paper_a_page_is_what_it_is_about(shown: Running, scripted: Visit) -> None:
    page = scripted.page
    await page.emulate_media(media="print", color_scheme="dark")
    await page.goto(f"{shown.url}/parts?done=saved")
    gone = (".header nav", ".filter", ".toast", ".pages ol", ".skipnav", "form .buttons")
    for name in gone:
        assert await page.locator(name).first.is_hidden(), name
    sheet = page.locator(".sheet")
    assert await sheet.evaluate("sheet => getComputedStyle(sheet).color") == "rgb(0, 0, 0)"
    body = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert body == "rgb(255, 255, 255)"


#: The words of a table's headings that don't fit on a line: above its columns, or beside its cells.
_BROKEN = """
() => {
  const pen = document.createElement('canvas').getContext('2d'), broken = [];
  for (const cell of document.querySelectorAll('thead th, tbody tr:first-child > *')) {
    const style = getComputedStyle(cell), beside = style.display === 'grid';
    if (!cell.checkVisibility() || beside !== Boolean(cell.dataset.title)) continue;
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const width = beside ? parseFloat(style.gridTemplateColumns) : cell.clientWidth - padding;
    pen.font = getComputedStyle(cell, beside ? '::before' : null).font;
    for (const word of (beside ? cell.dataset.title : cell.textContent).trim().split(/\\s+/)) {
      if (pen.measureText(word).width > width) broken.push(word);
    }
  }
  return broken;
}
"""


async def test_words_of_a_tables_headings_stay_whole(shown: Running, scripted: Visit) -> None:
    page = scripted.page
    name, value = await signed_in(shown)
    await scripted.context.add_cookies([{"name": name, "value": value, "url": shown.url}])
    for path in ("/sessions", "/parts"):
        for width in (320, 390, 768, 1024):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.goto(f"{shown.url}{path}")
            assert await page.evaluate(_BROKEN) == [], (path, width)
            assert await scripted.sideways() == 0
