"""The page on which a helper answers: looking never answers, only a button does."""

import re

import httpx2
import pytest
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running
from brobyg_portal.bootstrap import SERVICE

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = "/answer/signed.token-of_an.offer"
#: Where the link leads to at once.
CLEAN = "/answer/~40585552ae517a95"


async def taken(portal: Running, word: str, page: str = PAGE) -> httpx2.Response:
    """Give an answer that is taken, and go where the browser is sent: back to the same link."""
    answer = await portal.client.post(page, data={"answer": word}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == page
    assert answer.headers["cache-control"] == "no-store"
    return await portal.client.get(answer.headers["location"])


async def test_opening_the_link_shows_the_offer_and_answers_nothing(portal, matching) -> None:
    for _ in range(3):
        answer = await portal.client.get(PAGE)
        assert answer.status_code == 200
    assert "tirsdag den 1. december kl. 10.15" in answer.text
    assert "Regionshospitalet Randers" in answer.text
    assert "cirka 4,2 km" in answer.text
    assert "hjemme hos borgeren kl. 9.35" in answer.text
    assert matching.given == []


async def test_a_mail_scanners_head_request_answers_nothing(portal, matching) -> None:
    answer = await portal.client.head(PAGE)
    assert answer.status_code == 200
    assert answer.content == b""
    assert matching.given == []


async def test_matching_is_asked_with_the_services_own_token(portal, matching) -> None:
    await portal.client.get(PAGE)
    assert matching.tokens[0].startswith("Bearer ey")


@pytest.mark.parametrize(
    ("word", "heading"), [("accept", "Tak, du følger med"), ("decline", "Tak for dit svar")]
)
async def test_a_button_answers(portal, matching, word: str, heading: str) -> None:
    matching.reply = (200, {"state": "accepted" if word == "accept" else "declined"})
    answer = await taken(portal, word)
    assert answer.status_code == 200
    assert f"<h1>{heading}</h1>" in answer.text
    await portal.client.get(PAGE)  # a reload
    assert matching.given == [{"answer": word}]


@pytest.mark.parametrize(
    ("status", "reason", "heading"),
    [
        (409, "taken", "En anden var først"),
        (409, "withdrawn", "Der er ikke brug for dig denne gang"),
        (409, "restricted", "Vi gør ikke noget med det, vi ved om dig, lige nu"),
        (409, "declined", "Du har allerede svaret"),
        (409, "accepted", "Du har allerede svaret"),
        (409, "begun", "Det er for sent at sige det her"),
        (409, "not-matched", "Du er ikke på denne opgave"),
        (409, "weekly-limit", "Vi kan ikke sætte dig på denne aftale"),
        (410, "expired", "Tiden til at svare er gået"),
    ],
)
async def test_an_answer_that_can_not_be_taken_says_kindly_why(
    portal, matching, status: int, reason: str, heading: str
) -> None:
    matching.reply = (
        status,
        {"type": f"https://brobyg.dk/problems/{reason}", "title": "x", "status": status},
    )
    answer = await portal.client.post(PAGE, data={"answer": "accept"})
    assert answer.status_code == status
    assert f"<h1>{heading}</h1>" in answer.text
    assert "<form" not in answer.text


@pytest.mark.parametrize(
    ("state", "status", "heading"),
    [
        ("accepted", 200, "Tak, du følger med"),
        ("declined", 200, "Tak for dit svar"),
        ("expired", 410, "Tiden til at svare er gået"),
        ("withdrawn", 410, "Der er ikke brug for dig denne gang"),
    ],
)
async def test_a_link_that_is_over_says_so_on_opening(
    portal, matching, state: str, status: int, heading: str
) -> None:
    matching.offer["state"] = state
    answer = await portal.client.get(PAGE)
    assert answer.status_code == status
    assert f"<h1>{heading}</h1>" in answer.text
    assert "<form" not in answer.text


async def test_who_said_yes_can_take_it_back_behind_the_same_link(portal, matching) -> None:
    matching.offer |= {"withdrawable": True}
    just_said = await taken(portal, "accept")
    assert "Jeg kan alligevel ikke</button>" in just_said.text
    matching.given.clear()
    opened = await portal.client.get(PAGE)
    assert "Jeg kan alligevel ikke</button>" in opened.text
    assert matching.given == [], "looking never answers"
    matching.reply = (200, {"state": "withdrawn"})
    for _ in range(2):
        answer = await taken(portal, "withdraw")
        assert answer.status_code == 200
        assert "<h1>Tak, fordi du gav besked</h1>" in answer.text
        assert "<form" not in answer.text
    assert matching.given == [{"answer": "withdraw"}] * 2
    matching.offer |= {"withdrawable": False}
    again = await portal.client.get(PAGE)
    assert again.status_code == 200
    assert "<h1>Tak, fordi du gav besked</h1>" in again.text


async def test_once_they_meet_the_page_says_to_phone(portal, matching) -> None:
    matching.offer |= {"state": "accepted", "withdrawable": False}
    opened = await portal.client.get(PAGE)
    assert "<form" not in opened.text
    assert "sig det til din koordinator" in opened.text
    matching.reply = (409, {"type": "https://brobyg.dk/problems/begun"})
    answer = await portal.client.post(PAGE, data={"answer": "withdraw"})
    assert answer.status_code == 409
    assert "Ring til din koordinator med det samme" in answer.text


async def test_an_offer_of_another_pathway_is_told_without_what_it_does_not_have(
    portal, matching
) -> None:
    nothing = ("starts_at", "ends_at", "location_name", "meeting", "meet_at", "home_at",
               "distance_metres", "language")  # fmt: skip
    matching.offer |= dict.fromkeys(nothing) | {"pathway": "toy"}
    for page in (
        await portal.client.get(PAGE),
        await portal.client.post(PAGE, data={"answer": "?"}),
        await taken(portal, "accept"),
    ):
        assert "hjælpe" in page.text or "hjælper" in page.text
        main = page.text.partition("<main")[2].partition("</main>")[0]
        assert "None" not in main
        assert "følge" not in main


@pytest.mark.parametrize("form", [{}, {"answer": ""}, {"answer": "maybe"}, {"answer": "x" * 5000}])
async def test_a_form_without_a_clear_answer_asks_again(
    portal, matching, form: dict[str, str]
) -> None:
    answer = await portal.client.post(PAGE, data=form)
    assert answer.status_code == 422
    assert "<h1>Vælg ja eller nej</h1>" in answer.text
    assert "<form" in answer.text
    assert matching.given == []


@pytest.mark.parametrize(
    "path",
    ["/answer/unknown", "/answer/" + "x" * 400, "/answer/" + "x" * 5000, "/answer/%3Cscript%3E"],
)
async def test_an_unknown_link_has_a_page_of_its_own(portal, path: str) -> None:
    for answer in (
        await portal.client.get(path),
        await portal.client.post(path, data={"answer": "accept"}),
    ):
        assert answer.status_code == 404
        assert "Vi kender ikke det link" in answer.text
        assert "<script>" not in answer.text


@pytest.mark.parametrize("status", [404, 410])
async def test_an_answer_that_is_not_matchings_own_word_turns_no_link_down(
    portal, matching, status: int
) -> None:
    """As a gateway or a service at a wrong address answers."""
    offer = matching.offer
    for body in ({"type": "about:blank", "title": "Not Found"}, {"detail": "Not Found"}):
        matching.status, matching.offer = status, body
        for answer in (
            await portal.client.get(PAGE),
            await portal.client.post(PAGE, data={"answer": "accept"}),
        ):
            assert answer.status_code == 503
            assert "Dit link er ikke brugt" in answer.text
    matching.status, matching.offer, matching.reply = 200, offer, (status, body)
    answer = await portal.client.post(PAGE, data={"answer": "accept"})
    assert answer.status_code == 503
    assert "Vi kan ikke se, om dit svar nåede frem" in answer.text


async def test_when_matching_is_away_nothing_is_spent_and_the_page_says_so(serve) -> None:
    async with serve(SERVICE, matching_url=f"http://127.0.0.1:{free_port()}") as running:
        running.client.follow_redirects = True
        for answer in (
            await running.client.get(PAGE),
            await running.client.post(PAGE, data={"answer": "accept"}),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "10"
            assert "Dit link er ikke brugt" in answer.text


async def test_when_an_answer_gets_lost_the_page_does_not_claim_to_know(portal, matching) -> None:
    matching.reply = (500, {})
    answer = await portal.client.post(PAGE, data={"answer": "accept"})
    assert answer.status_code == 503
    assert "Vi kan ikke se, om dit svar nåede frem" in answer.text


async def test_an_answer_from_matching_that_is_not_as_agreed_is_no_crash(portal, matching) -> None:
    matching.offer = {"state": "open"}
    assert (await portal.client.get(PAGE)).status_code == 503


async def test_the_switch_turns_the_page_and_the_answer_stays_in_that_language(
    portal, matching
) -> None:
    danish, english = await portal.client.get(PAGE), await portal.client.get(f"{PAGE}?language=en")
    assert '<html lang="da" dir="ltr">' in danish.text
    assert f'href="{CLEAN}?language=en" lang="en"' in danish.text
    assert '<html lang="en" dir="ltr">' in english.text
    assert "Tuesday 1 December, 10:15" in english.text
    assert f'action="{CLEAN}?language=en"' in english.text
    assert "brobyg-language" not in danish.headers.get("set-cookie", "")
    assert "brobyg-language=en; HttpOnly" in english.headers["set-cookie"]
    portal.client.cookies.clear()
    answered = await taken(portal, "accept", f"{PAGE}?language=en")
    assert "Thank you, you go along" in answered.text


async def test_a_language_that_was_chosen_stays_on_this_device(portal, matching) -> None:
    await portal.client.get(f"{PAGE}?language=en")
    assert '<html lang="en" dir="ltr">' in (await portal.client.get("/was")).text
    assert "Can you go along?" in (await portal.client.get(PAGE)).text, "over the helper's own"
    for nonsense in ("xx", "ar", "<b>", "e" * 5000):
        await portal.client.get(PAGE, params={"language": nonsense})
    assert '<html lang="en" dir="ltr">' in (await portal.client.get("/was")).text


async def test_a_page_nobody_is_known_for_follows_the_browser(portal) -> None:
    english = await portal.client.get(
        "/answer/unknown", headers={"accept-language": "en-GB,en;q=0.9"}
    )
    danish = await portal.client.get("/answer/unknown", headers={"accept-language": "fr"})
    assert '<html lang="en" dir="ltr">' in english.text
    assert '<html lang="da" dir="ltr">' in danish.text


async def test_every_page_keeps_the_link_to_itself(portal) -> None:
    for path in (PAGE, "/answer/unknown", "/was", "/nowhere"):
        headers = (await portal.client.get(path, headers={"accept": "text/html"})).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy


async def test_what_a_page_needs_is_served_from_here_and_kept(portal) -> None:
    page = await portal.client.get(PAGE)
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(found) == 3
    for address in found:
        answer = await portal.client.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["x-content-type-options"] == "nosniff"
        plain = await portal.client.get(address, headers={"accept-encoding": "identity"})
        assert plain.content == answer.content
    of_an_older_release = re.sub(r"/static/\w+/", "/static/0000/", found[0])
    answer = await portal.client.get(of_an_older_release)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    for name in ("portal.py", "vendor/README.md", "%2e%2e/errors.py", "x" * 3000):
        assert (await portal.client.get(f"/static/0000/{name}")).status_code == 404


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/static/0/none.css", 404)])
async def test_who_comes_by_browser_reads_a_page_about_what_went_wrong_others_a_problem(
    portal, path: str, status: int
) -> None:
    page = await portal.client.get(path, headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status_code == status
    assert "<h1>Den side findes ikke</h1>" in page.text
    assert "Ring til din koordinator" in page.text
    problem = await portal.client.get(path)
    assert problem.status_code == status
    assert problem.headers["content-type"] == "application/problem+json"


async def test_the_foot_of_a_page_says_whom_to_call(serve) -> None:
    known = {"portal_help_phone": "+45 87 00 00 00", "portal_help_mail": "hjaelp@example.org"}
    async with serve(SERVICE, matching_url=f"http://127.0.0.1:{free_port()}", **known) as running:
        away = await running.client.get(PAGE, follow_redirects=True)
    assert away.text.count('<a href="tel:+4587000000">+45 87 00 00 00</a>') == 2
    assert '<a href="mailto:hjaelp@example.org">' in away.text
    assert "<h2>Det virker stadig</h2>" in away.text


async def test_other_methods_are_refused(portal, matching) -> None:
    assert (await portal.client.delete(PAGE)).status_code == 405
    assert (await portal.client.put(PAGE, data={"answer": "accept"})).status_code == 405
    assert matching.given == []


async def test_behind_the_link_of_a_match_a_helper_who_was_never_asked_signs_off(
    portal, matching
) -> None:
    matching.offer |= {
        "state": "accepted", "withdrawable": True, "expires_at": None, "distance_metres": None,
    }  # fmt: skip
    opened = await portal.client.get(PAGE)
    assert opened.status_code == 200
    assert "Jeg kan alligevel ikke</button>" in opened.text
    matching.reply = (200, {"state": "withdrawn"})
    await taken(portal, "withdraw")
    assert matching.given == [{"answer": "withdraw"}]
    nothing = dict.fromkeys(matching.offer) | {"pathway": "escort", "role": ""}
    for reason, status, heading in (
        ("helper_withdrew", 200, "Tak, fordi du gav besked"),
        (None, 410, "Der er ikke brug for dig denne gang"),
        ("helper_restricted", 410, "Vi gør ikke noget med det, vi ved om dig, lige nu"),
        ("helper_erased", 410, "Det, vi vidste om dig, er slettet"),
    ):
        matching.offer = nothing | {"state": "withdrawn", "reason": reason, "withdrawable": False}
        gone = await portal.client.get(PAGE)
        assert gone.status_code == status
        assert f"<h1>{heading}</h1>" in gone.text


async def test_who_was_erased_is_told_so_whatever_they_answer(portal, matching) -> None:
    matching.offer |= {"state": "withdrawn", "reason": "helper_erased"}
    answer = await portal.client.post(PAGE, data={"answer": "accept"})
    assert answer.status_code == 410
    assert "<h1>Det, vi vidste om dig, er slettet</h1>" in answer.text
    assert "spørger dig gerne igen" not in answer.text
    assert matching.given == []


@pytest.mark.parametrize(
    ("told", "status", "heading"),
    [
        ({"state": "accepted"}, 200, "Tak, du følger med"),
        ({"state": "accepted", "expires_at": None}, 200, "Tak, du følger med"),  # a match
        ({"state": "declined"}, 200, "Tak for dit svar"),
        ({"state": "expired"}, 410, "Tiden til at svare er gået"),
        ({"state": "withdrawn", "expires_at": None}, 410, "Der er ikke brug for dig denne gang"),
    ],
)
async def test_a_form_without_a_clear_answer_asks_yes_or_no_only_while_the_offer_is_open(
    portal, matching, told: dict[str, object], status: int, heading: str
) -> None:
    matching.offer |= told | {"withdrawable": told["state"] == "accepted"}
    for form in ({}, {"answer": "maybe"}):
        answer = await portal.client.post(PAGE, data=form)
        assert answer.status_code == status
        assert f"<h1>{heading}</h1>" in answer.text
        assert 'value="accept"' not in answer.text
        assert ('value="withdraw"' in answer.text) == (told["state"] == "accepted")
    assert matching.given == []


@pytest.mark.parametrize(
    ("state", "status"), [("declined", 200), ("expired", 410), ("withdrawn", 410)]
)
@pytest.mark.parametrize("form", [None, {"answer": ""}, {"answer": "accept"}])
async def test_a_link_that_is_over_has_a_page_though_nothing_is_told_of_the_need(
    portal, matching, state: str, status: int, form: dict[str, str] | None
) -> None:
    """Matching tells state, reason, pathway and end, and the helper's own language."""
    told = {"state": state, "pathway": "escort", "role": "", "withdrawable": False}
    kept = {name: matching.offer[name] for name in ("language", "expires_at")}
    matching.offer = dict.fromkeys(matching.offer) | told | kept
    matching.reply = (409, {"type": "https://brobyg.dk/problems/withdrawn"})
    if form is None:
        assert (await portal.client.get(PAGE)).status_code == status
    else:
        answer = await portal.client.post(PAGE, data=form)
        assert answer.status_code == (409 if form["answer"] else status)


async def test_the_link_leaves_the_address_at_once_and_opens_in_that_browser_alone(
    portal, matching
) -> None:
    portal.client.follow_redirects = False
    sent = await portal.client.get(f"{PAGE}?language=en")
    portal.client.follow_redirects = True
    assert (sent.status_code, sent.headers["location"]) == (303, f"{CLEAN}?language=en")
    assert sent.headers["referrer-policy"] == "no-referrer"
    cookie = sent.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", f"Path={CLEAN};", "SameSite=lax"))
    assert matching.looked == 0
    page = await portal.client.get(CLEAN)
    assert page.status_code == 200
    assert "signed.token" not in page.text
    assert (await portal.client.post(CLEAN, data={"answer": "accept"})).status_code == 200
    assert matching.given == [{"answer": "accept"}]
    for other in ("brobyg-link=another.token", f"brobyg-link={CLEAN[8:]}", ""):
        portal.client.cookies.clear()
        answer = await portal.client.get(CLEAN, headers={"cookie": other})
        assert answer.status_code == 404
