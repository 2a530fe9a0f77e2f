"""The answer page in a real browser, in front of a real matching: on a phone, and by keyboard."""

from .conftest import OpenOffers, Visit


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
    await page.reload()
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


async def test_back_and_reload_answer_nothing_again(asked: OpenOffers, visit: Visit) -> None:
    page, heading = visit.page, visit.page.get_by_role("heading", level=1)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    await page.goto(asked.links[0])
    await page.get_by_role("button", name="Ja, jeg følger med").click()
    assert await heading.text_content() == "Tak, du følger med"
    await page.reload()
    await page.go_back()
    assert await heading.text_content() == "Tak, du følger med", "the page is asked for anew"
    assert sent.count("POST") == 1
