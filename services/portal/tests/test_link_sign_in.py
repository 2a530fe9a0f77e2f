"""Helpers and citizens sign in by a link: once, soon, where they asked, and nobody learns who."""

import asyncio
import base64
import statistics
import time as wall
from collections.abc import AsyncIterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.testing import tables_naming
from brobyg_portal.adapters.authenticators import NewPasskey
from brobyg_portal.adapters.passkeys import Passkeys
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.adapters.sign_in_links import SignInLinks
from brobyg_portal.adapters.tables import session, sign_in_link, sign_in_request
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.requests import EverybodysTries, Tries
from brobyg_portal.domain.session import Lifetime
from brobyg_portal.domain.sign_in_link import (
    AN_HOUR,
    AN_HOUR_IN_ALL,
    IN_ALL,
    Known,
    Link,
    state_of_link,
)
from brobyg_portal.testing import IDLE, Browser, Portal, portal_with, provided
from brobyg_portal.testing_owners import Owners, follow, owning
from brobyg_portal.use_cases.still_there import StillThere
from sqlalchemy import delete, event, func, select

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELPER = "0190f000-0000-7000-8000-00000000aaaa"
CITIZEN = "0190f000-0000-7000-8000-00000000cccc"
ADDRESS, NOBODYS = "ida@example.org", "ibs@example.org"
KEY, OLD_KEY = b"k" * 32, b"o" * 32
TRIES = 120


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def linking(addresses, tmp_path_factory) -> AsyncIterator[tuple[Portal, Owners, ManualClock]]:
    """The portal, its owners and its time, for all tests of the module."""
    folder, clock = tmp_path_factory.mktemp("portal"), ManualClock(WallClock().now())
    keys = ",".join(base64.b64encode(one).decode() for one in (KEY, OLD_KEY))
    async with (
        provided() as provider,
        owning() as owners,
        portal_with(
            SERVICE, addresses.database, addresses.kafka, provider, folder, clock,
            portal_encryption_key=keys, portal_sign_in_tries=TRIES, **owners.settings,
        ) as found,
    ):  # fmt: skip
        yield found, owners, clock


@pytest.fixture
def staff(linking) -> Portal:
    """The portal."""
    return linking[0]


@pytest.fixture
def owners(linking) -> Owners:
    """A helper is known at ADDRESS."""
    linking[1].forget()
    linking[1].known["volunteers", ADDRESS] = [HELPER]
    return linking[1]


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def time(linking) -> ManualClock:
    """Two hours later than the test before: nobody's tries count any more, nobody is signed in."""
    linking[2].advance(timedelta(hours=2))
    async with linking[0].database.connect() as connection:
        await connection.execute(delete(session))
    return linking[2]


async def ask(browser: Browser, email: str = ADDRESS, **fields: str):
    return await browser.client.post("/sign-in/link", data={"email": email, **fields})


async def linked(portal: Portal, owners: Owners, **fields: str) -> tuple[Browser, str]:
    """A browser that has asked, and the path of the link that was mailed."""
    browser = portal.browser()
    assert (await ask(browser, **fields)).status_code == 303
    await follow(portal.running)
    return browser, f"/sign-in/link/{owners.mails[-1]['token']}"


async def opened(browser: Browser, path: str):
    """The page behind the link, and its own address."""
    first = await browser.client.get(path)
    assert first.status_code == 303
    clean = first.headers["location"]
    return clean, await browser.client.get(clean)


async def sessions(portal: Portal, subject: str) -> list[tuple[str, list[str]]]:
    """Kind and roles of the sessions that were not ended."""
    found = select(session.c.kind, session.c.roles).where(
        session.c.subject == subject, session.c.ended_at.is_(None)
    )
    async with portal.database.connect() as connection:
        return [(row.kind, row.roles) for row in await connection.execute(found)]


async def test_a_link_signs_in_who_presses_its_button(staff, owners) -> None:
    """And neither address nor token is anywhere in the portal's database."""
    browser = staff.browser()
    page = await browser.client.get("/sign-in/link?next=/me?language=en")
    assert "Skriv den mailadresse, vi har på dig" in page.text
    sent = await ask(browser, f" {ADDRESS} ", next="/me?language=en")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in/link/sent")
    assert owners.asked == [], "the request asks nobody"
    async with staff.database.connect() as connection:
        assert (await connection.execute(select(sign_in_request.c.sealed))).scalar()
    assert await tables_naming(staff.database, ADDRESS) == set()
    await follow(staff.running)
    assert sorted(owners.asked) == ["citizens", "volunteers"]
    (mail,) = owners.mails
    token = mail.pop("token")
    assert mail == {"role": "helper", "person_id": HELPER, "seconds": 600}
    async with staff.database.connect() as connection:
        assert (await connection.execute(select(sign_in_request.c.sealed))).scalar() is None
    clean, shown = await opened(browser, f"/sign-in/link/{token}")
    assert token not in clean
    assert "<h1>Log ind på Brobyg</h1>" in shown.text
    assert browser.cookie is None, "to look signs nobody in"
    entered = await browser.client.post(clean)
    assert (entered.status_code, entered.headers["location"]) == (303, "/me?language=en")
    assert await sessions(staff, HELPER) == [("helper", ["volunteer"])]
    me = await browser.client.get("/me?language=en")
    assert "You are signed in as somebody who helps." in me.text
    assert await tables_naming(staff.database, token) == set()
    assert (await browser.send("/sign-out", "/me")).status_code == 200
    assert await sessions(staff, HELPER) == []


async def test_who_helps_and_is_helped_is_sent_a_link_for_each(staff, owners) -> None:
    owners.known["citizens", ADDRESS] = [CITIZEN]
    browser = staff.browser()
    await ask(browser)
    await follow(staff.running)
    assert sorted(one["role"] for one in owners.mails) == ["citizen", "helper"]
    (path,) = (f"/sign-in/link/{one['token']}" for one in owners.mails if one["role"] == "citizen")
    clean, _ = await opened(browser, path)
    assert (await browser.client.post(clean)).headers["location"] == "/me"
    assert await sessions(staff, CITIZEN) == [("citizen", ["citizen"])]
    assert "der får hjælp" in (await browser.client.get("/me")).text


async def test_a_link_works_nowhere_but_in_the_browser_that_asked(staff, owners) -> None:
    """Scanners of mail and those it was forwarded to open it, press its button, and get nothing."""
    browser, path = await linked(staff, owners)
    thief = staff.browser()
    await ask(thief, NOBODYS)  # it has asked for one too
    for other in (staff.browser(), thief):
        for _ in range(2):
            clean, shown = await opened(other, path)
            assert shown.status_code == 403
            assert "Åbn linket dér, hvor du bad om det" in shown.text
            assert 'href="/sign-in/link"' in shown.text
        assert (await other.client.post(clean)).status_code == 403
        assert (await other.client.post(path)).status_code == 403
        assert other.cookie is None
    clean, _ = await opened(browser, path)
    assert (await browser.client.post(clean)).status_code == 303
    assert browser.cookie


async def test_a_link_works_once_even_when_it_is_pressed_twice_at_once(staff, owners) -> None:
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    answers = await asyncio.gather(*(browser.client.post(clean) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [303, 410, 410, 410, 410]
    assert len(await sessions(staff, HELPER)) == 1
    again = await browser.client.get(clean)
    assert again.headers["location"] == "/me", "Back and reload lead to where it led"
    browser.client.cookies.delete("brobyg")
    used = await browser.client.get(clean)
    assert (used.status_code, "Linket er brugt" in used.text) == (410, True)


async def test_a_link_is_over_after_ten_minutes_and_what_is_none_is_unknown(
    staff, owners, time
) -> None:
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    time.advance(timedelta(minutes=10))
    for answer in (await browser.client.get(clean), await browser.client.post(clean)):
        assert (answer.status_code, "ti minutter" in answer.text) == (410, True)
    for wrong in (path[:-1], f"{path}x", "/sign-in/link/x", f"/sign-in/link/{'x' * 43}"):
        _, shown = await opened(browser, wrong)
        assert (shown.status_code, "kender ikke dette link" in shown.text) == (404, True)
    assert await sessions(staff, HELPER) == []


@pytest.mark.parametrize(
    ("typed", "says"), [("", "Skriv din mailadresse"), ("x", "ser ud"), ("a\nb@c.dk", "ser ud")]
)
async def test_what_is_no_address_is_said_beside_the_field(staff, typed: str, says: str) -> None:
    answer = await ask(staff.browser(), typed)
    assert answer.status_code == 422
    assert says in answer.text


async def test_no_other_site_asks_or_leads_away(staff, owners) -> None:
    browser = staff.browser()
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser.client.post("/sign-in/link", data={"email": ADDRESS}, headers=foreign)
    assert answer.status_code == 403
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example"):
        browser, path = await linked(staff, owners, next=evil)
        clean, _ = await opened(browser, path)
        assert (await browser.client.post(clean)).headers["location"] == "/me"


@contextmanager
def counted(portal: Portal):
    """The statements that are sent to the portal's database meanwhile."""
    said: list[str] = []

    def note(_connection, _cursor, statement, *_: object) -> None:
        said.append(statement)

    engine = portal.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)


async def test_nothing_that_who_asks_can_see_tells_who_is_known(staff, owners) -> None:
    """The same answer, by the same work: the same statements, and no question to an owner."""
    told, work, seconds = {}, {}, {ADDRESS: [], NOBODYS: []}
    browser = staff.browser()
    await ask(browser, "first@example.org")  # connections are open, and the cookie is there
    for turn in range(25):
        for email in (ADDRESS, NOBODYS) if turn % 2 else (NOBODYS, ADDRESS):
            began = wall.perf_counter()
            with counted(staff) as said:
                answer = await ask(browser, email)
            seconds[email].append(wall.perf_counter() - began)
            headers = {
                name: value for name, value in answer.headers.items()
                if name not in ("date", "x-request-id", "x-correlation-id", "set-cookie")
            }  # fmt: skip
            told[email] = (answer.status_code, answer.content, headers)
            work[email] = said
    assert told[ADDRESS] == told[NOBODYS]
    assert work[ADDRESS] == work[NOBODYS] != []
    assert owners.asked == []
    # By the work alone they are equal; a look-up would make one of them some milliseconds longer
    # each time. The bound is wide, as the machine may be busy.
    quicker, slower = sorted(statistics.median(some) for some in seconds.values())
    assert slower < 2 * quicker
    owners.known.clear()
    asked = len(owners.asked)
    await follow(staff.running)
    assert owners.mails == []
    # Each followed request asks both owners, whoever is known; those over the limit ask nobody.
    assert len(owners.asked) - asked == 2 * (2 * AN_HOUR + 1)


async def test_a_thousand_requests_for_somebody_are_a_few_mails_and_end_no_link(
    staff, owners, time
) -> None:
    browser, path = await linked(staff, owners)
    links = SignInLinks(staff.database, time, [KEY])
    for _ in range(10):
        asked = (
            links.ask(ADDRESS.upper(), "a" * 43, "/me", network="127.0.0.0/24") for _ in range(100)
        )
        await asyncio.gather(*asked)
    await follow(staff.running)
    assert len(owners.mails) == AN_HOUR
    async with staff.database.connect() as connection:
        kept = select(func.count()).where(sign_in_request.c.sealed.is_not(None))
        assert await connection.scalar(kept) == 0
    clean, _ = await opened(browser, path)
    assert (await browser.client.post(clean)).status_code == 303, "theirs still lets them in"
    time.advance(timedelta(hours=1))
    await ask(staff.browser())
    await follow(staff.running)
    assert len(owners.mails) == AN_HOUR + 1


async def test_who_asks_from_elsewhere_is_sent_a_link_whatever_somebody_asks_in_their_place(
    staff, owners, time
) -> None:
    links = SignInLinks(staff.database, time, [KEY])

    async def mailed(network: str) -> int:
        for _ in range(AN_HOUR + 2):
            await links.ask(ADDRESS, "a" * 43, "/me", network=network)
        await follow(staff.running)
        return len(owners.mails)

    count = [await mailed(f"10.0.{number}.0/24") for number in range(AN_HOUR_IN_ALL // AN_HOUR + 1)]
    assert count == [5, 10, 15, 20, 20]
    assert await tables_naming(staff.database, "10.0.1.0") == set()


async def test_who_was_signed_in_before_is_sent_a_link_whatever_others_ask(staff, owners) -> None:
    """In the same browser, by the same address; what it shows is nobody's to make."""
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    await browser.client.post(clean)
    await browser.send("/sign-out", "/me")
    attacker, proof = staff.browser(), browser.client.cookies["brobyg-known"]
    attacker.client.cookies.set("brobyg-known", proof[:-1] + ("0" if proof[-1] != "0" else "1"))
    for _ in range(2 * AN_HOUR):
        await ask(attacker)
    await follow(staff.running)
    assert len(owners.mails) == AN_HOUR
    for expected in (1, 2):
        assert (await ask(browser)).status_code == 303
        await follow(staff.running)
        assert len(owners.mails) == AN_HOUR + expected
    owners.known["volunteers", NOBODYS] = [CITIZEN]
    for _ in range(AN_HOUR + 1):
        await ask(browser, NOBODYS)  # by another address it is as unknown as any
    await follow(staff.running)
    assert len(owners.mails) == AN_HOUR + 2 + AN_HOUR
    assert await tables_naming(staff.database, proof) == set()


async def test_tries_without_end_hold_up_nobody_who_is_signed_in_or_has_a_link(
    staff, owners, time
) -> None:
    browser, path = await linked(staff, owners)
    signed_in, other = await linked(staff, owners)
    clean, _ = await opened(signed_in, other)
    await signed_in.client.post(clean)
    attacker = staff.browser()
    answers = [(await ask(attacker, f"{one}@example.org")).status_code for one in range(100)]
    allowed = IN_ALL // 10 - 2
    assert answers == [303] * allowed + [429] * (100 - allowed)
    assert (await ask(attacker, "no address")).status_code == 422, "which is not counted"
    assert (await ask(signed_in)).status_code == 303, "who is known is not counted among all"
    assert (await ask(signed_in, NOBODYS)).status_code == 429, "by another address they are"
    assert (await signed_in.client.get("/me")).status_code == 200
    clean, shown = await opened(browser, path)
    assert shown.status_code == 200
    assert (await browser.client.post(clean)).status_code == 303
    time.advance(timedelta(minutes=1))
    assert (await ask(staff.browser())).status_code == 303


async def test_of_ten_thousand_tries_a_minute_no_network_takes_over_a_tenth_of_what_all_may() -> (
    None
):
    time = ManualClock(WallClock().now())
    everybody = EverybodysTries(time.now, IN_ALL)
    for shape in ("192.0.2.{}", "2001:db8:1:{:x}::1"):
        taken = [everybody.another(shape.format(number % 250)) for number in range(10_000)]
        assert sum(taken) == IN_ALL // 10
    assert everybody.another("198.51.100.7"), "the others' is left to them"
    taken = [everybody.another(f"10.{number % 250}.0.1") for number in range(10_000)]
    assert sum(taken) == IN_ALL - 2 * IN_ALL // 10 - 1
    flood = Tries(time.now, TRIES)
    assert sum(flood.another("192.0.2.1") for _ in range(10_000)) == TRIES
    time.advance(timedelta(minutes=1))
    assert flood.another("192.0.2.1")


async def test_an_owner_that_is_away_is_asked_again_until_the_request_is_too_old(
    staff, owners, time
) -> None:
    owners.known["citizens", ADDRESS] = [CITIZEN]
    owners.away.add("citizens")
    await ask(browser := staff.browser())
    await follow(staff.running)
    assert [one["role"] for one in owners.mails] == ["helper"], "the other's people have theirs"
    owners.away = {"mail"}
    time.advance(timedelta(seconds=6))
    await follow(staff.running)
    owners.away.clear()
    time.advance(timedelta(seconds=6))
    await follow(staff.running)
    assert len(owners.mails) == 2, "one each"
    clean, _ = await opened(browser, f"/sign-in/link/{owners.mails[0]['token']}")
    assert (await browser.client.post(clean)).status_code == 303
    owners.away.add("volunteers")
    await ask(browser)
    await follow(staff.running)
    time.advance(timedelta(minutes=11))
    assert owners.mails[2:][0]["role"] == "citizen"
    owners.away.clear()
    await follow(staff.running)
    assert len(owners.mails) == 3, "who is away too long sends none"
    async with staff.database.connect() as connection:
        kept = select(func.count()).where(sign_in_request.c.sealed.is_not(None))
        assert await connection.scalar(kept) == 0, "and the address is gone"


async def test_while_one_owner_is_away_the_others_people_have_links_and_no_more_than_ever(
    staff, owners, time
) -> None:
    owners.known["volunteers", NOBODYS] = [CITIZEN]
    owners.away.add("citizens")
    for email in (ADDRESS, NOBODYS):
        for _ in range(2 * AN_HOUR):
            await ask(staff.browser(), email)
    for _ in range(2):
        await follow(staff.running)
        had = sorted(one["person_id"] for one in owners.mails)
        assert had == [HELPER] * AN_HOUR + [CITIZEN] * AN_HOUR
        time.advance(timedelta(seconds=6))


async def test_a_link_can_be_opened_as_soon_as_it_is_mailed(staff, owners) -> None:
    """Though the timer goes on with others."""
    browser, shown = staff.browser(), []

    async def open_it(token: str) -> None:
        shown.append((await opened(browser, f"/sign-in/link/{token}"))[1].status_code)

    owners.before_mail = open_it
    await ask(browser)
    await follow(staff.running)
    assert shown == [200]


async def test_what_was_sealed_by_a_former_key_is_opened_and_by_a_lost_one_ends(
    staff, owners, time
) -> None:
    for key in (OLD_KEY, b"lost" * 8):
        await SignInLinks(staff.database, time, [key]).ask(ADDRESS, "a" * 43, "/me")
    await follow(staff.running)
    assert len(owners.mails) == 1


def checks(portal: Portal) -> StillThere:
    """What the portal does each minute."""
    made = portal.running.runtime.parts.workers["still_there"].__self__
    assert isinstance(made, StillThere)
    return made


async def test_who_is_erased_is_out_and_gets_in_no_more(staff, owners, time) -> None:
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    await browser.client.post(clean)
    _, waiting = await linked(staff, owners)
    owners.away.add("volunteers")
    owners.gone.add(HELPER)
    assert await checks(staff).round() == 0
    assert (await browser.client.get("/me")).status_code == 200, "while nobody can say so"
    owners.away.clear()
    assert await checks(staff).round() == 1
    assert (await browser.client.get("/me")).headers["location"].startswith("/sign-in")
    _, shown = await opened(browser, waiting)
    assert shown.status_code == 404, "what was mailed is gone with them"
    assert await checks(staff).round() == 0
    async with staff.database.connect() as connection:
        assert await connection.scalar(
            select(func.count()).where(sign_in_link.c.subject == HELPER)
        ) == 0  # fmt: skip


async def test_of_whom_an_owner_can_tell_nothing_keeps_nobody_else_signed_in(staff, owners) -> None:
    """Whatever the order, by the second round: of more than are asked at once."""
    broken = [f"0190f000-0000-7000-8000-{one:012x}" for one in range(0, 0x10000, 0xE00)]
    owners.broken.update(broken)
    sessions = checks(staff)._sessions
    for one in (*broken, HELPER):
        await sessions.begin(Known("helper", one).person)
    owners.gone.add(HELPER)
    assert sum([await checks(staff).round() for _ in range(2)]) == 1


async def test_who_is_erased_after_the_mail_is_asked_about_once_more(staff, owners) -> None:
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    owners.away.add("volunteers")
    assert (await browser.client.post(clean)).status_code == 503
    owners.away.clear()
    owners.gone.add(HELPER)
    assert (await browser.client.post(clean)).status_code == 410
    owners.gone.clear()
    assert (await browser.client.post(clean)).status_code == 303, "it was not used by that"


async def test_a_browser_has_a_new_session_whatever_it_had(staff, owners, time) -> None:
    """An open one of somebody else's, and one of their own that has ended while they slept."""
    browser, path = await linked(staff, owners)
    await browser.sign_in(roles=["coordinator"], organisation="x", department="aarhus")
    former = browser.cookie
    clean, _ = await opened(browser, path)
    assert (await browser.client.post(clean)).status_code == 303
    assert browser.cookie != former
    thief = staff.browser()
    thief.client.cookies.set("brobyg", former)
    assert (await thief.client.get("/me")).headers["location"].startswith("/sign-in")
    time.advance(IDLE)
    assert (await browser.client.get("/me")).headers["location"] == "/sign-in?next=%2Fme"
    assert (await ask(browser, next="/me")).status_code == 303
    await follow(staff.running)
    clean, _ = await opened(browser, f"/sign-in/link/{owners.mails[-1]['token']}")
    assert (await browser.client.post(clean)).headers["location"] == "/me"
    assert (await browser.client.get("/me")).status_code == 200


@pytest.mark.parametrize("way", ["everywhere", "administrator"])
async def test_whatever_ends_all_sessions_of_somebody_leaves_no_way_in_again(
    staff, owners, time, way: str
) -> None:
    browser, path = await linked(staff, owners)
    _, waiting = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    await browser.client.post(clean)
    passkeys = Passkeys(staff.database, time)
    await passkeys.add(Known("helper", HELPER), NewPasskey(way.encode(), b"key", 0))
    if way == "everywhere":
        await browser.send("/sign-out", "/me", everywhere="yes")
    else:
        assert await Sessions(staff.database, time, Lifetime()).end_all_of(HELPER) == 1
    assert (await browser.client.get("/me")).headers["location"].startswith("/sign-in")
    assert await passkeys.of(HELPER) == []
    assert (await opened(staff.browser(), waiting))[1].status_code == 404


async def test_a_passkey_is_added_only_by_who_has_just_signed_in(staff, owners, time) -> None:
    browser, path = await linked(staff, owners)
    clean, _ = await opened(browser, path)
    await browser.client.post(clean)
    time.advance(timedelta(minutes=9, seconds=59))
    form = 'data-passkey="add"'
    assert form in (await browser.client.get("/passkeys")).text
    token = await browser.field("/passkeys", "/passkeys")
    time.advance(timedelta(seconds=1))
    page = (await browser.client.get("/passkeys")).text
    assert (form in page, "bed om et nyt link" in page) == (False, True)
    late = {"form": token, "credential": "{}"}
    answer = await browser.client.post("/passkeys", data=late)
    assert (answer.status_code, "bed om et nyt link" in answer.text) == (422, True)


async def test_the_state_of_a_link() -> None:
    now = WallClock().now()
    link = Link(Known("helper", HELPER), b"here", now, None, "/me")
    before, used = now - timedelta(seconds=1), Link(link.known, b"here", now, now, "/me")
    assert state_of_link(None, b"here", before) == "unknown"
    assert state_of_link(link, b"here", before) == "open"
    assert state_of_link(link, b"here", now) == "over"
    assert state_of_link(used, b"here", before) == "used"
    for one in (link, used):
        for other in (None, b"there"):
            assert state_of_link(one, other, now) == "elsewhere", "nothing is told of it"
