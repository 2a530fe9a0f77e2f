"""A session is one browser's, ends when it should, and what is typed in it is never lost."""

import random
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import as_owner, eventually, tables_naming
from brobyg_portal.adapters import provider as adapter
from brobyg_portal.adapters.authenticators import NewPasskey
from brobyg_portal.adapters.forms import KeptForms, Spent
from brobyg_portal.adapters.passkeys import Passkeys
from brobyg_portal.adapters.retention import retention
from brobyg_portal.adapters.sessions import Administrators, Sessions
from brobyg_portal.adapters.sign_in_links import SignInLinks
from brobyg_portal.adapters.tables import kept_form, session, spent
from brobyg_portal.domain.session import Lifetime
from brobyg_portal.domain.sign_in_link import Known
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.testing import IDLE, Browser, Portal
from sqlalchemy import func, select
from structlog.testing import capture_logs

pytestmark = pytest.mark.asyncio(loop_scope="module")
STAFF = {
    "roles": ["coordinator"],
    "organisation": "social-sundhed",
    "department": "randers-norddjurs",
}
SOMEBODY = "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11"
OUT = "/sign-in?next="


async def signed_in(portal: Portal, **who: object) -> Browser:
    browser = portal.browser()
    assert (await browser.sign_in(**{**STAFF, **who})).status_code == 303
    return browser


async def administrator(portal: Portal, sub: str = "chief") -> Browser:
    browser = await signed_in(portal, sub=sub)
    page = (await browser.client.get("/")).text
    whose = page.partition("<dt>Dit nummer</dt><dd>")[2].partition("<")[0]
    await Administrators(portal.database, portal.running.runtime.clock).add(whose)
    return browser


def sessions_of(portal: Portal) -> Sessions:
    return Sessions(portal.database, portal.running.runtime.clock, Lifetime())


async def is_in(browser: Browser) -> bool:
    return (await browser.client.get("/")).status_code == 200


def copy_of(portal: Portal, browser: Browser) -> Browser:
    """A browser with the same cookie, as a thief's."""
    thief = portal.browser()
    thief.client.cookies.set("brobyg", browser.cookie)
    return thief


async def test_after_the_sign_out_the_cookie_is_nothing_and_the_provider_is_told(staffed) -> None:
    browser = await signed_in(staffed)
    thief = copy_of(staffed, browser)
    assert await is_in(thief), "else this shows nothing"
    out = await browser.send("/sign-out", "/")
    assert out.status_code == 200
    assert "<h1>Du er logget ud</h1>" in out.text
    assert f'content="0;url={staffed.provider.issuer}/end?client_id=brobyg-portal' in out.text
    assert "id_token_hint=ey" in out.text
    assert browser.cookie is None
    assert not await is_in(thief)
    assert (await browser.client.get("/sign-out/back?state=x")).status_code == 200


async def test_signing_out_everywhere_ends_ones_own_sessions_and_no_others(staffed) -> None:
    first, second = await signed_in(staffed, sub="a"), await signed_in(staffed, sub="a")
    other = await signed_in(staffed, sub="b")
    await first.send("/sign-out", "/", everywhere="yes")
    assert [await is_in(one) for one in (first, second, other)] == [False, False, True]


async def test_a_sign_out_works_though_the_provider_is_away(staffed) -> None:
    browser = await signed_in(staffed)
    staffed.provider.down = True
    out = await browser.send("/sign-out", "/")
    staffed.provider.down = False
    assert out.status_code == 200
    assert not await is_in(browser)


async def test_a_session_ends_without_requests_and_in_any_case_after_ten_hours(
    staffed, time
) -> None:
    resting, working = await signed_in(staffed), await signed_in(staffed)
    for _ in range(23):
        time.advance(timedelta(minutes=25))
        assert await is_in(working)
    assert not await is_in(resting)
    time.advance(timedelta(minutes=25))
    assert not await is_in(working)


async def test_the_cookie_changes_hourly_and_who_comes_late_with_the_former_ends_the_session(
    staffed, time
) -> None:
    browser = await signed_in(staffed)
    first = browser.cookie
    thief, late = copy_of(staffed, browser), copy_of(staffed, browser)
    for _ in range(3):
        time.advance(timedelta(minutes=25))
        assert await is_in(browser)
    assert browser.cookie != first
    assert await is_in(thief), "a request that was on its way"
    assert "set-cookie" not in (await thief.client.get("/")).headers
    out = await browser.send("/sign-out", "/")
    assert "id_token_hint=ey" in out.text, "the provider's token went over to the new cookie"
    browser = await signed_in(staffed)
    late = copy_of(staffed, browser)
    for _ in range(4):
        time.advance(timedelta(minutes=20))
        assert await is_in(browser)
    time.advance(timedelta(minutes=2))
    with capture_logs() as told:
        assert not await is_in(late)
    assert not await is_in(browser), "one of the two was stolen"
    stolen = [one for one in told if one["event"] == "session.stolen"]
    assert len(stolen) == 1
    assert UUID(str(stolen[0]["session_id"]))
    figures = (await staffed.running.client.get("/metrics")).text
    assert "brobyg_portal_sessions_stolen_total 1.0" in figures


async def test_who_never_got_the_new_cookie_stays_in_with_the_former_and_gets_another(
    staffed, time
) -> None:
    browser = await signed_in(staffed)
    first, thief = browser.cookie, copy_of(staffed, browser)
    for _ in range(3):
        time.advance(timedelta(minutes=20))
        lost = await browser.client.get("/")
        assert lost.status_code == 200
    browser.client.cookies.clear()
    browser.client.cookies.set("brobyg", first, domain="127.0.0.1")
    time.advance(timedelta(minutes=2))
    found = [await is_in(browser) for _ in range(2)]
    assert (found, browser.cookie == first) == ([True, True], False)
    time.advance(timedelta(minutes=2))
    assert not await is_in(thief)
    assert not await is_in(browser)
    browser = await signed_in(staffed)
    first = browser.cookie
    for _ in range(3):
        time.advance(timedelta(minutes=20))
        page = await browser.client.get("/")
    browser.client.cookies.clear()
    browser.client.cookies.set("brobyg", first, domain="127.0.0.1")
    token = page.text.partition('name="form" value="')[2].partition('"')[0]
    out = await browser.client.post("/sign-out", data={"form": token})
    assert "id_token_hint=ey" in out.text, "the former cookie opens the provider's token still"


async def test_a_part_that_keeps_itself_fresh_keeps_nobody_signed_in(staffed, time) -> None:
    browser, live = await signed_in(staffed), {"HX-Request": "true"}
    for _ in range(2):
        time.advance(timedelta(minutes=14))
        polled = await browser.client.get("/", headers=live)
        assert (polled.status_code, "set-cookie" in polled.headers) == (200, False)
    time.advance(timedelta(minutes=3))
    polled = await browser.client.get("/", headers=live)
    assert (polled.status_code, polled.content) == (401, b"")
    assert (await browser.client.get("/")).status_code == 303


async def test_the_new_cookie_comes_whatever_the_answer_is(staffed, time) -> None:
    for path in ("/sessions", "/sign-in"):  # not for this role; on to the first page
        browser = await signed_in(staffed, sub="nobody")
        for _ in range(2):
            time.advance(timedelta(minutes=29))
            assert await is_in(browser)
        before = browser.cookie
        time.advance(timedelta(minutes=3))
        await browser.client.get(path)
        assert browser.cookie != before
        time.advance(timedelta(minutes=2))
        assert await is_in(browser)


async def test_what_was_typed_when_the_session_ended_is_there_again_for_who_typed_it(
    staffed, time
) -> None:
    browser = await administrator(staffed, "typist")
    token = await browser.field("/sessions", "/sessions")
    time.advance(IDLE)
    typed = "Næppe et nummer 🙂"
    out = await browser.client.post("/sessions", data={"form": token, "subject": typed})
    assert (out.status_code, out.headers["location"]) == (303, f"{OUT}%2Fsessions")
    assert await tables_naming(staffed.database, "Næppe") == set()
    kept = browser.client.cookies["brobyg-typed"]
    other = await administrator(staffed, "another")
    other.client.cookies.set("brobyg-typed", kept)
    assert typed not in (await other.client.get("/sessions")).text
    await browser.sign_in("/sessions", **{**STAFF, "sub": "typist"})
    for _ in range(2):  # Back and reload show it again
        assert f'value="{typed}"' in (await browser.client.get("/sessions")).text
    sent = await browser.send("/sessions", subject=SOMEBODY)
    assert sent.headers["location"] == "/sessions?ended=0"
    assert browser.client.cookies["brobyg-typed"] == kept
    assert typed not in (await browser.client.get("/sessions")).text


async def test_forms_in_two_tabs_and_all_that_was_chosen_in_them_are_kept(staffed, time) -> None:
    browser = await administrator(staffed, "typist")
    tokens = {path: await browser.field(path, path) for path in ("/sessions", "/parts")}
    time.advance(IDLE)
    for path, token in tokens.items():
        typed = f"form={token}&subject=of+{path[1:]}&way=foot&way=bus&place=Torvet"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        out = await browser.client.post(path, content=typed, headers=headers)
        assert out.status_code == 303
    await browser.sign_in(**{**STAFF, "sub": "typist"})
    assert 'value="of sessions"' in (await browser.client.get("/sessions")).text
    assert 'value="Torvet"' in (await browser.client.get("/parts")).text
    found = (await sessions_of(staffed).seen(browser.cookie)).session
    assert found is not None
    kept, secret = KeptForms(staffed.database, time), browser.client.cookies["brobyg-typed"]
    assert [one for one in await kept.typed(secret, found, "/parts") if one[0] == "way"] == [
        ("way", "foot"), ("way", "bus"),
    ]  # fmt: skip


async def test_whoever_was_not_answered_may_have_acted_so_the_same_is_sent_by_the_same_key(
    staffed, monkeypatch
) -> None:
    browser, asked = await administrator(staffed), []

    async def lost(_: Sessions, subject: str) -> int:
        asked.append(subject)
        raise ServiceUnavailable

    token = await browser.field("/sessions", "/sessions")
    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "end_all_of", lost)
        sent = await browser.client.post("/sessions", data={"form": token, "subject": SOMEBODY})
    assert (sent.status_code, asked) == (503, [SOMEBODY])
    assert "<h1>Vi kan ikke se, om det blev gjort</h1>" in sent.text
    again = dict(re.findall('type="hidden" name="([^"]+)" value="([^"]*)"', sent.text))
    assert again == {"form": token, "subject": SOMEBODY}
    for _ in range(2):
        done = await browser.client.post("/sessions", data=again)
        assert (done.status_code, done.headers["location"]) == (303, "/sessions?ended=0")


async def test_what_was_typed_is_kept_half_an_hour_and_twenty_of_one_person(staffed, time) -> None:
    browser = await administrator(staffed, "typist")
    token = await browser.field("/sessions", "/sessions")
    time.advance(IDLE)
    for number in range(25):  # each in a browser of its own
        if "brobyg-typed" in browser.client.cookies:
            browser.client.cookies.delete("brobyg-typed")
        await browser.client.post("/sessions", data={"form": token, "subject": f"no {number}"})
    count = select(func.count()).select_from(kept_form)
    async with staffed.database.connect() as connection:
        assert await connection.scalar(count) == 20
    time.advance(timedelta(minutes=31))
    await browser.sign_in("/sessions", **{**STAFF, "sub": "typist"})
    assert "no 24" not in (await browser.client.get("/sessions")).text
    handler = staffed.running.runtime.parts.timers["kept_form"]
    async with staffed.database.transaction() as tx:
        await handler(tx, [])
    async with staffed.database.connect() as connection:
        assert await connection.scalar(count) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
        ({}, 303),
    ],
)
async def test_a_form_is_taken_from_our_own_page_alone(
    staffed, headers: dict[str, str], status: int
) -> None:
    browser = await administrator(staffed)
    token = await browser.field("/sessions", "/sessions")
    form = {"form": token, "subject": SOMEBODY}
    sent = await browser.client.post("/sessions", data=form, headers=headers)
    assert sent.status_code == status


async def test_a_form_needs_a_token_of_this_session_for_this_act(staffed) -> None:
    browser, other = await administrator(staffed), await administrator(staffed, "another")
    good = await browser.field("/sessions", "/sessions")
    nonce, _, signature = good.partition(".")
    for wrong in (
        "", ".", "x", f"{nonce}.", f".{signature}", f"{nonce}x.{signature}", f"{nonce}.æ",
        await browser.field("/", "/sign-out"), await other.field("/sessions", "/sessions"),
    ):  # fmt: skip
        sent = await browser.client.post("/sessions", data={"form": wrong, "subject": SOMEBODY})
        assert sent.status_code == 403, wrong
        assert "<h1>Det blev ikke sendt fra vores side</h1>" in sent.text


async def test_a_form_that_is_sent_again_acts_once_and_leads_to_the_same_page(staffed) -> None:
    browser, victim = await administrator(staffed), await signed_in(staffed, sub="victim")
    page = (await victim.client.get("/")).text
    whose = page.partition("<dt>Dit nummer</dt><dd>")[2].partition("<")[0]
    form = {"form": await browser.field("/sessions", "/sessions"), "subject": whose}
    first = await browser.client.post("/sessions", data=form)
    assert first.headers["location"] == "/sessions?ended=1"
    assert "1 login blev afsluttet." in (await browser.client.get("/sessions?ended=1")).text
    assert not await is_in(victim)
    again = await browser.client.post("/sessions", data=form)
    assert (again.status_code, again.headers["location"]) == (303, "/sessions?ended=1")
    victim = await signed_in(staffed, sub="victim")
    await browser.client.post("/sessions", data=form)
    assert await is_in(victim), "it did not act again"


async def test_what_was_wrong_in_a_form_is_said_beside_it_and_may_be_sent_again(staffed) -> None:
    browser = await administrator(staffed)
    form = {"form": await browser.field("/sessions", "/sessions"), "subject": "<b>x"}
    for _ in range(2):
        sent = await browser.client.post("/sessions", data=form)
        assert sent.status_code == 422
        assert 'aria-describedby="subject-error"' in sent.text
        assert 'value="&lt;b&gt;x"' in sent.text
    good = await browser.client.post("/sessions", data={**form, "subject": SOMEBODY})
    assert good.status_code == 303


async def test_only_an_administrator_sees_who_is_signed_in_and_no_longer_than_they_are_one(
    staffed,
) -> None:
    browser = await signed_in(staffed, sub="nobody")
    refused = await browser.client.get("/sessions")
    assert (
        refused.status_code,
        "<h1>Din rolle giver ikke adgang til det her</h1>" in refused.text,
    ) == (
        403,
        True,
    )
    chief = await administrator(staffed)
    assert (await chief.client.get("/sessions")).status_code == 200
    administrators = Administrators(staffed.database, staffed.running.runtime.clock)
    for one in await administrators.all():
        await administrators.remove(one)
    assert (await chief.client.get("/sessions")).status_code == 403


@pytest.mark.parametrize("everywhere", [False, True])
async def test_who_signs_out_after_the_session_has_ended_is_signed_out_at_the_provider_too(
    staffed, time, everywhere: bool
) -> None:
    browser = await signed_in(staffed)
    token = await browser.field("/", "/sign-out")
    if everywhere:
        await (await signed_in(staffed)).send("/sign-out", "/", everywhere="yes")
    else:
        time.advance(timedelta(minutes=31))
    out = await browser.client.post("/sign-out", data={"form": token})
    assert out.status_code == 200
    assert f"{staffed.provider.issuer}/end?" in out.text
    assert "id_token_hint=ey" in out.text
    assert (await browser.client.get("/")).status_code == 303


async def test_an_administrator_needs_no_role_of_the_providers(staffed, time) -> None:
    browser = staffed.browser()
    time.advance(timedelta(seconds=1))  # those of other tests are on the pages behind
    refused = await browser.sign_in(sub="first")
    whose = refused.text.partition('class="number">')[2].partition("<")[0]
    await Administrators(staffed.database, staffed.running.runtime.clock).add(whose)
    assert (await browser.sign_in("/sessions", sub="first")).status_code == 303
    assert "<span></span></td>" in (await browser.client.get("/sessions")).text


async def test_whom_the_provider_signs_out_is_out_at_once(staffed) -> None:
    first, second = [await signed_in(staffed, sub="leaver", sid=one) for one in ("one", "two")]
    other = await signed_in(staffed, sub="stays")

    async def told(token: str) -> int:
        answer = await staffed.browser().client.post(
            "/sign-out/back-channel", data={"logout_token": token}
        )
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code

    make, now = staffed.provider.logout_token, 1_700_000_000
    for wrong in (
        "", "x", "a.b.c", make("leaver", nonce="n"), make("leaver", aud="else"),
        make("leaver", iat=now), make("leaver", events={}), make("leaver", events={"x": {}}),
        make(None), make("leaver", exp=now),
        make("leaver", jti=None), make("leaver", iss="http://evil"), make(7),  # type: ignore[arg-type]
        staffed.provider.signed({"sub": "leaver"}, algorithm="none"),
        staffed.provider.signed({"sub": "leaver"}, algorithm="HS256"),
        *(
            staffed.provider.signed({"sub": "leaver"}, algorithm="HS256", kid=kid)
            for kid in ([1], {"a": 1}, 7, None)
        ),
    ):  # fmt: skip
        assert await told(wrong) == 400, wrong
    assert await is_in(first)
    assert await told(token := make("leaver", sid="two")) == 200
    assert [await is_in(one) for one in (first, second, other)] == [True, False, True]
    assert await told(token) == 400, "it was told before"
    assert await told(make("leaver")) == 200
    assert [await is_in(one) for one in (first, other)] == [False, True]


async def test_a_sign_out_that_was_told_is_never_lost(staffed, monkeypatch) -> None:
    browser, provider = await signed_in(staffed, sub="leaver", sid="three"), staffed.provider

    async def told(token: str) -> int:
        form = {"logout_token": token}
        return (
            await staffed.browser().client.post("/sign-out/back-channel", data=form)
        ).status_code

    token = provider.logout_token("leaver", sid="three")

    async def killed(*_: object) -> int:
        raise RuntimeError("killed before it has ended anything")

    async def released(*_: object) -> None:
        raise AssertionError("what was killed releases nothing")

    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "end_at_provider", killed)
        patched.setattr(Spent, "release", released)
        assert await told(token) == 500
    assert await is_in(browser)
    assert (await told(token), await is_in(browser)) == (200, False)
    # Told while the sign-in is on its way, there is no session yet.
    provider.who = {"sub": "leaver", **STAFF, "sid": "four"}
    back = await browser.to_provider()
    assert await told(provider.logout_token("leaver", sid="four")) == 200
    assert ((await browser.client.get(back)).status_code, await is_in(browser)) == (400, False)
    # By a new key, while the keys can't be read.
    browser = await signed_in(staffed, sub="leaver")
    provider.change_keys()
    assert await told(provider.logout_token("leaver")) == 503
    monkeypatch.setattr(adapter, "_PATIENCE", timedelta(0))  # it is over
    provider.down = True
    assert await told(provider.logout_token("leaver")) == 503
    provider.down = False
    assert (await told(provider.logout_token("leaver")), await is_in(browser)) == (200, False)


async def test_forms_and_answers_full_of_nonsense_are_answered_with_what_is_wrong(
    staffed, request
) -> None:
    seed = int(request.config.option.hypothesis_seed)
    print(f"seed {seed}")
    dice = random.Random(seed)
    browser = await administrator(staffed)
    token = await browser.field("/sessions", "/sessions")
    types = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
    ]
    for number in range(60):
        junk = dice.randbytes(dice.randrange(300))
        body = dice.choice(
            [junk, b"form=" + token.encode() + b"&subject=" + junk, b"&" * 1000, b"%00=%ff&%"]
        )
        path = dice.choice(["/sessions", "/sign-out", "/sign-out/back-channel"])
        if path == "/sign-out" and b"form=" in body:
            continue
        answer = await browser.client.post(
            path, content=body, headers={"content-type": dice.choice(types)}
        )
        assert 300 <= answer.status_code < 500, (number, path, body)
        query = junk.decode("latin-1")
        answer = await browser.client.get(
            dice.choice(["/sign-in/back", "/sign-in", "/sign-in/staff", "/sessions"]),
            params={dice.choice(["code", "state", "next", "ended", "error"]): query},
            headers={"cookie": f"brobyg-sign-in={token}{number}; brobyg-typed={token}"},
        )
        assert answer.status_code < 500
    huge = await browser.client.post("/sessions", data={"form": token, "subject": "x" * 70_000})
    assert (huge.status_code, "<h1>Det er for meget</h1>" in huge.text) == (413, True)


async def test_while_the_database_has_no_sessions_a_page_says_what_still_works(staffed) -> None:
    """And one whose service is away says that the other pages do."""
    browser = await signed_in(staffed)
    await as_owner(staffed.database, "alter table session rename to gone")
    away = await browser.client.get("/")
    await as_owner(staffed.database, "alter table gone rename to session")
    assert (away.status_code, away.headers["retry-after"]) == (503, "10")
    assert "<h1>Siden kan ikke vises lige nu</h1>" in away.text
    assert "kan du stadig svare med linket" in away.text
    assert "Resten virker" not in away.text

    async def again() -> bool:
        return await is_in(browser)

    await eventually(again, "the page is back")
    asked = await browser.client.get(f"/citizens/{uuid4()}/accesses")
    assert (asked.status_code, "Resten virker" in asked.text) == (503, True)


async def test_sessions_and_keys_are_deleted_a_day_after_their_end(staffed, time) -> None:
    await (await signed_in(staffed)).send("/sign-out", "/")
    time.advance(timedelta(hours=33))
    current = await signed_in(staffed)
    time.advance(timedelta(hours=2))
    carriers = retention(time)
    before = ManualClock(time.now() - timedelta(hours=25))
    await SignInLinks(staffed.database, before, [b"k" * 32]).ask("a@example.org", "b" * 43, "/")
    year = ManualClock(time.now() - timedelta(days=366))
    known = Known("helper", "0190f000-0000-7000-8000-00000000aaaa")
    await Passkeys(staffed.database, year).add(known, NewPasskey(b"id", b"key", 0))
    async with staffed.database.transaction() as tx:
        for carrier in carriers.values():
            assert await carrier.carry_out(tx, tx.now + timedelta(days=999), 500) > 0
            assert await carrier.carry_out(tx, tx.now + timedelta(days=999), 500) == 0
        left = select(func.count()).select_from(session)
        assert await tx.connection.scalar(left) == 1, "whose time is not over"
        assert await tx.connection.scalar(select(func.count()).select_from(spent)) == 1
    del current
