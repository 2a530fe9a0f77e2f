"""Staff sign in at a provider: by its word alone, once, in the browser that asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from brobyg_kit.clock import WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import tables_naming
from brobyg_portal.adapters import provider as adapter
from brobyg_portal.adapters.tables import session, spent
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.sign_in import Attempt
from brobyg_portal.errors import ProviderUnavailable
from brobyg_portal.testing import IDLE, Portal, portal_with
from sqlalchemy import func, select

pytestmark = pytest.mark.asyncio(loop_scope="module")
COORDINATOR = {
    "roles": ["coordinator"], "organisation": "social-sundhed", "department": "randers-norddjurs",
    "name": "Kim Test",
}  # fmt: skip


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _well(staffed: Portal) -> AsyncIterator[None]:
    yield
    provider = staffed.provider
    provider.down, provider.slow, provider.wrong = False, 0.0, {}
    provider.places, provider.padding = {}, 0


async def test_who_signs_in_goes_on_where_they_were_and_sees_what_they_may(staffed) -> None:
    browser = staffed.browser()
    asked = await browser.client.get("/?language=en")
    assert asked.headers["location"] == "/sign-in?next=%2F%3Flanguage%3Den"
    chosen = await browser.client.get(asked.headers["location"])
    assert 'href="/sign-in/staff?next=/%3Flanguage%3Den"' in chosen.text
    back = await browser.sign_in("/?language=en", **COORDINATOR)
    assert (back.status_code, back.headers["location"]) == (303, "/?language=en")
    cookie = next(c for c in back.headers.get_list("set-cookie") if c.startswith("brobyg="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = await browser.client.get("/?language=en")
    assert "<dd>coordinator</dd>" in page.text
    assert "<dd>randers-norddjurs</dd>" in page.text
    assert (await browser.client.get("/sign-in?next=/sessions")).headers["location"] == "/sessions"
    assert browser.cookie
    assert await tables_naming(staffed.database, browser.cookie) == set()
    assert await tables_naming(staffed.database, "Kim") == set()


async def test_the_request_to_the_provider_is_bound_to_this_browser(staffed) -> None:
    sent = await staffed.browser().client.get("/sign-in/staff")
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["openid"]
    assert all(len(query[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert query["redirect_uri"] == [f"{staffed.running.url}/sign-in/back"]


@pytest.mark.parametrize(
    "who", [{}, {"roles": ["coordinator"]}, {**COORDINATOR, "roles": ["king"]}]
)
async def test_who_is_given_no_role_sees_a_page_and_gets_no_session(
    staffed, who: dict[str, object]
) -> None:
    browser = staffed.browser()
    answer = await browser.sign_in(**who)
    assert answer.status_code == 403
    assert "<h1>Du har ikke adgang her</h1>" in answer.text
    assert browser.cookie is None
    assert (await browser.client.get("/")).headers["location"].startswith("/sign-in")


async def test_an_answer_of_the_provider_is_taken_once(staffed) -> None:
    browser = staffed.browser()
    back = await browser.to_provider()
    attempt = browser.client.cookies["brobyg-sign-in"]
    browser.provider.who = {"sub": "kim", **COORDINATOR}
    back = await browser.to_provider()
    attempt = browser.client.cookies["brobyg-sign-in"]
    assert (await browser.client.get(back)).status_code == 303
    assert "brobyg-sign-in" not in browser.client.cookies
    asked = dict(staffed.provider.asked)
    thief = staffed.browser()
    thief.client.cookies.set("brobyg-sign-in", attempt)
    again = await thief.client.get(back)
    assert (again.status_code, thief.cookie) == (400, None)
    assert "<h1>Du er ikke logget ind</h1>" in again.text
    assert staffed.provider.asked == asked, "the provider is not even asked"


async def test_an_answer_is_taken_in_the_browser_alone_that_asked(staffed) -> None:
    staffed.provider.who = {"sub": "mallory", **COORDINATOR}
    attackers = await staffed.browser().to_provider()
    victim = staffed.browser()
    await victim.to_provider()
    for answer in (
        await victim.client.get(attackers),
        await staffed.browser().client.get(attackers),
        await victim.client.get("/sign-in/back?error=access_denied"),
        await victim.client.get("/sign-in/back?code=x&state=y"),
        await victim.client.get("/sign-in/back"),
    ):
        assert answer.status_code == 400
    assert victim.cookie is None


async def test_an_answer_to_what_was_not_begun_here_or_long_ago_costs_nothing(
    staffed, time
) -> None:
    browser, made = staffed.browser(), Attempt("s", "n", "v", "/", int(time.now().timestamp()))
    browser.client.cookies.set("brobyg-sign-in", made.to_cookie(b"a guess"))
    late = staffed.browser()
    back = await late.to_provider()
    time.advance(timedelta(minutes=10))
    asked = dict(staffed.provider.asked)
    count = select(func.count()).select_from(spent)
    async with staffed.database.connect() as connection:
        before = await connection.scalar(count)
        assert (await browser.client.get("/sign-in/back?code=x&state=s")).status_code == 400
        assert (await late.client.get(back)).status_code == 400
        assert await connection.scalar(count) == before
    assert staffed.provider.asked == asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "somebody-else"}, {"iss": "http://evil"},
        {"aud": ["brobyg-portal", "else"], "azp": "else"}, {"exp": 1}, {"iat": None}, {"sub": ""},
        {"sub": 7}, {"algorithm": "none"}, {"algorithm": "HS256"}, {"at_hash": "AAAA"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_token_that_proves_nothing_signs_nobody_in(
    staffed, wrong: dict[str, object]
) -> None:
    browser, staffed.provider.wrong = staffed.browser(), wrong
    assert (await browser.sign_in(**COORDINATOR)).status_code == 400
    assert browser.cookie is None


async def test_control_the_same_without_a_fault_signs_in(staffed) -> None:
    browser = staffed.browser()
    assert (await browser.sign_in(**COORDINATOR)).status_code == 303
    assert browser.cookie


async def test_a_cookie_that_was_planted_is_nobodys_session_afterwards(staffed) -> None:
    attacker, victim = staffed.browser(), staffed.browser()
    await attacker.sign_in(**COORDINATOR)
    planted = attacker.cookie
    victim.client.cookies.set("brobyg", planted)
    await victim.sign_in(**{**COORDINATOR, "sub": "victim"})
    cookies = [c.value for c in victim.client.cookies.jar if c.name == "brobyg"]
    assert any(c != planted for c in cookies)
    assert (await attacker.client.get("/")).headers["location"].startswith("/sign-in")


async def test_a_provider_that_is_away_is_said_to_be_and_works_again_by_itself(
    staffed, monkeypatch
) -> None:
    inside, browser = staffed.browser(), staffed.browser()
    await inside.sign_in(**COORDINATOR)
    browser.provider.who = {"sub": "kim", **COORDINATOR}
    for trouble in ("down", "slow"):
        back = await browser.to_provider()
        if trouble == "down":
            staffed.provider.down = True
        else:
            monkeypatch.setattr(adapter, "_IN_ALL", 0.2)
            staffed.provider.slow = 0.5
        answer = await browser.client.get(back)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert "<h1>Vi kan ikke logge dig ind lige nu</h1>" in answer.text
        assert "links i mails virker" in answer.text
        assert (await inside.client.get("/")).status_code == 200, "who is in works on"
        staffed.provider.down, staffed.provider.slow = False, 0.0
        monkeypatch.undo()
        assert (await browser.sign_in(**COORDINATOR)).status_code == 303


async def test_a_provider_that_says_too_much_is_not_listened_to(staffed) -> None:
    browser, staffed.provider.padding = staffed.browser(), 600_000
    assert (await browser.sign_in(**COORDINATOR)).status_code == 503
    assert browser.cookie is None


@pytest.mark.parametrize("place", ["authorization_endpoint", "end_session_endpoint"])
async def test_nobody_is_sent_where_a_provider_may_not_send_them(staffed, place: str) -> None:
    staffed.provider.places = {place: "javascript:alert(1)"}
    known = adapter.Client(staffed.provider.issuer, "brobyg-portal", "", staffed.running.url)
    provider = adapter.OidcProvider(known, WallClock())
    with pytest.raises(ProviderUnavailable, match="places that are not https"):
        await provider.sign_out_address("")
    await provider.close()


async def test_new_keys_of_the_provider_need_no_restart(staffed) -> None:
    for _ in range(2):
        staffed.provider.change_keys()
        assert (await staffed.browser().sign_in(**COORDINATOR)).status_code == 303


async def test_a_provider_that_was_never_there_is_said_to_be_away(
    staffed, addresses, tmp_path
) -> None:
    """And so are tries too many: 3 a minute are allowed here."""
    gone = type(staffed.provider)(f"http://127.0.0.1:{free_port()}")
    clock = staffed.running.runtime.clock
    async with portal_with(
        SERVICE, addresses.database, addresses.kafka, gone, tmp_path, clock, portal_sign_in_tries=3
    ) as portal:
        browser = portal.browser()
        found = [(await browser.client.get("/sign-in/staff")).status_code for _ in range(5)]
        assert found == [503, 503, 503, 429, 429]
        assert (await browser.client.get("/sign-in")).status_code == 200
        clock.advance(IDLE)
        assert (await browser.client.get("/sign-in/staff")).status_code == 503


async def test_many_sign_ins_at_once_leave_nothing_behind_until_they_come_back(
    staffed,
) -> None:
    """What a sign-in needs is in its browser's cookie, and the provider is asked when one comes."""
    async with staffed.database.connect() as connection:
        before = await connection.scalar(select(func.count()).select_from(session))
        asked = dict(staffed.provider.asked)
        browser = staffed.browser()
        for _ in range(4):
            answers = await asyncio.gather(
                *(browser.client.get("/sign-in/staff") for _ in range(50))
            )
            assert {answer.status_code for answer in answers} == {303}
        assert await connection.scalar(select(func.count()).select_from(session)) == before
    assert staffed.provider.asked == asked
