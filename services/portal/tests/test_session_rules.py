"""The rules of signing in, without a portal."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.export import unaccounted
from brobyg_kit.tokens import AUDIENCE, generate_keys
from brobyg_portal.adapters import http
from brobyg_portal.adapters.holdings import HOLDINGS
from brobyg_portal.adapters.http import HttpServices, Minter
from brobyg_portal.adapters.owners import HttpOwners
from brobyg_portal.adapters.tables import metadata
from brobyg_portal.domain.challenge import challenge, is_challenge
from brobyg_portal.domain.requests import Tries, form_token, is_foreign, networks_of, nonce_of
from brobyg_portal.domain.session import Lifetime, Session, State, Times, state_of
from brobyg_portal.domain.sign_in import Attempt, ClaimMapping, granted, own_path
from brobyg_portal.domain.sign_in_link import Known
from brobyg_portal.entrypoints.cookies import Cookies
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.settings import PortalSettings
from fastapi.responses import Response
from joserfc import jwt
from joserfc.jwk import KeySet
from pydantic import ValidationError

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
MAPPING = ClaimMapping(
    roles=("realm_access", "roles"),
    values={"bb-koordinator": "coordinator", "bb-dpo": "data_protection"},
    organisation=("org",), department=("dept",), every_department="*",
)  # fmt: skip
WHO = Session(
    "s", "staff", "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11", frozenset({"coordinator"}), None,
    "randers-norddjurs", NOON,
)  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/sessions", "/sessions?ended=1", "/a/b?next=/c#d"])
def test_a_path_of_ours_is_gone_on_to(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None, "", "x", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "https://evil.example", "javascript:alert(1)", "/\tevil", "/\n/evil", " /", "/ x",
        "/" + "x" * 500, "/\x00", "/æ",
    ],
)  # fmt: skip
def test_every_other_address_is_the_first_page(path: str | None) -> None:
    assert own_path(path) == "/"


@pytest.mark.parametrize("text", ["", "x", "e30", "bnVsbA", "æ", "A" * 5000, ".", "e30.", "e30.æ"])
def test_a_cookie_that_no_sign_in_has_set_is_none(text: str) -> None:
    assert Attempt.of_cookie(text, b"k", NOON) is None


def test_a_sign_in_on_its_way_is_good_for_ten_minutes_and_as_it_was_signed() -> None:
    made = Attempt("s", "n", "v", "/", int(NOON.timestamp()))
    good = made.to_cookie(b"k")
    later = NOON + timedelta(seconds=599)
    assert Attempt.of_cookie(good, b"k", later) == made
    assert Attempt.of_cookie(good, b"k", later + timedelta(seconds=1)) is None
    assert Attempt.of_cookie(good, b"another", NOON) is None
    other = Attempt("t", "n", "v", "/", made.begun_at).to_cookie(b"k")
    forged = f"{other.partition('.')[0]}.{good.partition('.')[2]}"
    assert Attempt.of_cookie(forged, b"k", NOON) is None


def told(given: object, **more: object) -> dict[str, object]:
    return {"org": "o", "dept": "*", "realm_access": {"roles": given}, **more}


@pytest.mark.parametrize(
    ("claims", "roles", "department"),
    [
        (told(["bb-koordinator", "offline"], dept="randers"), {"coordinator"}, "randers"),
        (told("bb-koordinator bb-dpo", dept=["r"]), {"coordinator", "data_protection"}, "r"),
        (told(["bb-dpo"]), {"data_protection"}, None),
        (told(["bb-dpo"], org=None), set(), None),
        (told(["bb-koordinator"], dept=None), set(), None),
        (told(["bb-koordinator"], dept=""), set(), None),
        (told(["bb-koordinator"], dept=["a", "b"]), set(), None),
        (told(["bb-koordinator"], dept={"x": 1}), set(), None),
        (told(["bb-koordinator"], dept="x" * 101), set(), None),
        (told([["bb-koordinator"], None, 7]), set(), None),
        (told({"bb-koordinator": 1}), set(), None),
        (told(None), set(), None),
        (told([], realm_access=["bb-koordinator"]), set(), None),
        (told([], roles=["coordinator"]), set(), None),
    ],
)
def test_claims_become_roles_by_the_mapping_alone_and_for_whom_must_be_said(
    claims: dict[str, object], roles: set[str], department: str | None
) -> None:
    given = granted(claims, MAPPING)
    assert (given.roles, given.department) == (roles, department)
    assert given.organisation == claims.get("org")


@pytest.mark.parametrize(
    ("rotated", "taken_up", "seen", "ends", "former", "state"),
    [
        (10, 9, 5, 300, False, "open"),
        (60, 59, 5, 300, False, "rotate"),
        (10, 9, 30, 300, False, "ended"),
        (10, 9, 5, 0, False, "ended"),
        (9, 1, 1, 300, True, "open"),
        (9, 2, 1, 300, True, "stolen"),
        (9, 2, 31, 300, True, "ended"),
        (1, None, 1, 300, True, "open"),
        (2, None, 1, 300, True, "rotate"),
        (2, None, 31, 300, True, "ended"),
    ],
)  # fmt: skip
def test_the_state_of_a_session(
    rotated: int, taken_up: int | None, seen: int, ends: int, former: bool, state: State
) -> None:
    minutes = [timedelta(minutes=one) for one in (rotated, seen, ends)]
    used = None if taken_up is None else NOON - timedelta(minutes=taken_up)
    times = Times(NOON - minutes[0], used, NOON - minutes[1], NOON + minutes[2], None)
    assert state_of(times, Lifetime(), NOON, former=former) == state
    ended = Times(times.rotated_at, used, times.seen_at, times.ends_at, NOON)
    assert state_of(ended, Lifetime(), NOON, former=former) == "ended"


def test_ten_thousand_tries_of_one_address_are_bounded_and_shut_nobody_else_out() -> None:
    clock = ManualClock(NOON)
    tries = Tries(clock.now, 120)
    assert sum(tries.another("10.0.0.1") for _ in range(10_000)) == 120
    assert tries.another("10.0.0.2")
    clock.advance(timedelta(minutes=1))
    assert tries.another("10.0.0.1"), "a minute later it may again"


def test_one_house_is_one_address_however_it_is_written() -> None:
    tries = Tries(ManualClock(NOON).now, 2)
    found = [
        tries.another(one)
        for one in ("2001:db8::5", "2001:db8:0:0:1::6", "2001:0db8::7%eth0", "2001:db8:0:1::5")
    ]
    assert found == [True, True, False, True]
    assert networks_of("::1") == ("::/64", "::/48")
    mapped = [tries.another(one) for one in ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1")]
    assert mapped == [True, True, False]


def test_tries_of_ever_new_addresses_are_bounded_and_shut_out_their_own_network_alone() -> None:
    clock = ManualClock(NOON)
    tries = Tries(clock.now, 120)
    of_one_network = [f"2001:db8:0:{number:x}::1" for number in range(30_000)]
    assert sum(tries.another(one) for one in of_one_network) == 10_000 + 120
    assert tries.another("2001:db8:0:1::2"), "who was counted before is not shut out"
    newcomers = [*(f"10.{n // 256}.{n % 256}.1" for n in range(30_000)), "2a00::1"]
    assert all(tries.another(one) for one in newcomers)
    assert len(tries._own) + len(tries._wider) <= 20_000
    clock.advance(timedelta(minutes=1))
    assert tries.another("2001:db8:0:7530::1")


@pytest.mark.parametrize(
    ("site", "origin", "foreign"),
    [
        ("same-origin", None, False), ("none", None, False), (None, None, False),
        (None, "https://own.example", False), (None, "null", False),
        ("cross-site", None, True), ("same-site", "https://own.example", True),
        (None, "https://evil.example", True), (None, "https://own.example.evil", True),
        (None, "http://own.example", True), ("nonsense", None, True),
    ],
)  # fmt: skip
def test_what_another_sites_page_sends_is_foreign(
    site: str | None, origin: str | None, foreign: bool
) -> None:
    assert is_foreign(site, origin, "https://own.example") == foreign


def test_a_forms_token_is_good_for_its_session_and_its_path() -> None:
    token = form_token(b"k" * 32, "/a", "nonce")
    assert nonce_of(token, b"k" * 32, "/a") == "nonce"
    assert nonce_of(token, b"k" * 32, "/b") is None
    assert nonce_of(token, b"x" * 32, "/a") is None


def test_where_browsers_come_by_https_the_cookies_are_for_this_host_and_https_alone() -> None:
    secure, plain = Response(), Response()
    Cookies(secure=True).put(secure, "session", "x")
    Cookies(secure=False).put(plain, "session", "x")
    assert secure.headers["set-cookie"] == (
        "__Host-brobyg=x; HttpOnly; Path=/; SameSite=lax; Secure"
    )
    assert plain.headers["set-cookie"] == "brobyg=x; HttpOnly; Path=/; SameSite=lax"


@pytest.mark.parametrize(
    "wrong",
    [
        {"portal_url": "portal.example.org"},
        {"portal_url": "https://portal.example.org/path"},
        {"portal_url": "http://portal.example.org"},
        {"portal_url": "http://127.example.org"},
        {"portal_provider_issuer": "https://id.example.org"},
        {"portal_provider_issuer": "id.example.org", "portal_signing_key": "k"},
    ],
    ids=str,
)
def test_settings_with_which_nobody_could_sign_in_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="portal_"):
        PortalSettings.model_validate(wrong)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://[::1]:1", "https://p.example.org"])
def test_an_address_on_this_machine_or_by_https_is_taken(url: str) -> None:
    assert PortalSettings.model_validate({"portal_url": url}).portal_url == url


def test_every_table_is_told_of_or_says_why_not() -> None:
    assert unaccounted(HOLDINGS, metadata.tables.values()) == []


async def test_a_service_is_asked_with_a_token_for_whoever_is_signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_keys(tmp_path / "private", tmp_path / "public")
    public = KeySet.import_key_set(json.loads((tmp_path / "public").read_text()))
    answers = [
        httpx2.Response(200, json={"a": 1}, headers={"Brobyg-Position": "t:s:1"}),
        httpx2.Response(409, json={"type": "https://brobyg.dk/problems/taken"}),
        httpx2.Response(404, text="<html>"),
        httpx2.Response(500),
    ]
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answers[len(asked) - 1]

    own = httpx2.BasicAuth("portal", "its own token")  # which the person's is not replaced by
    transport = httpx2.MockTransport(handle)
    client = httpx2.AsyncClient(base_url="http://m", transport=transport, auth=own)
    minter = Minter(tmp_path / "private", WallClock())
    services = HttpServices(minter, {"matching": client})
    said = await services.ask(WHO, "matching", "POST", "/x", body={"b": 2}, key="once")
    assert (said.status, said.body, said.position, said.problem) == (200, b'{"a":1}', "t:s:1", "")
    assert asked[0].headers["idempotency-key"] == "once"
    token = jwt.decode(asked[0].headers["authorization"].split()[1], public, algorithms=["ES256"])
    claims = token.claims
    assert claims.pop("exp") - claims.pop("iat") == 60
    assert claims == {
        "iss": "brobyg-portal", "aud": AUDIENCE, "sub": WHO.subject, "roles": ["coordinator"],
        "department": "randers-norddjurs", "act": {"sub": "service:portal"},
    }  # fmt: skip
    everywhere = jwt.decode(minter.token(replace(WHO, department=None)), public)
    assert everywhere.claims["department"] == "*", "head office is said, never left out"
    helper = replace(WHO, kind="helper", department=None)
    assert "department" not in jwt.decode(minter.token(helper), public).claims
    said = await services.ask(WHO, "matching", "GET", "/x", query={"q": "1"})
    assert (said.status, said.problem) == (409, "https://brobyg.dk/problems/taken")
    assert (await services.ask(WHO, "matching", "GET", "/x")).problem == ""
    with pytest.raises(ServiceUnavailable, match="matching: 500"):
        await services.ask(WHO, "matching", "GET", "/x")

    class Drips(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0)

    answers.append(httpx2.Response(200, stream=Drips()))
    monkeypatch.setattr(http, "_IN_ALL", 0.05)
    with pytest.raises(ServiceUnavailable, match="TimeoutError"):
        await services.ask(WHO, "matching", "GET", "/x")
    owners = HttpOwners({"matching": client})
    answers.append(httpx2.Response(200, stream=Drips()))
    with pytest.raises(ServiceUnavailable, match="TimeoutError"):
        await owners.may_sign_in(Known("helper", WHO.subject))
    assert asked[-1].headers["authorization"].startswith("Basic "), "in the portal's own name"
    answers.append(httpx2.Response(200, content=b" " * (http._LONGEST_ANSWER + 1)))
    with pytest.raises(ServiceUnavailable, match="matching says too much"):
        await owners.find("helper", "ida@example.org")
    with pytest.raises(ServiceUnavailable, match="no signing key"):
        await HttpServices(Minter(None, WallClock()), {}).ask(WHO, "matching", "GET", "/x")
    await client.aclose()


def test_a_challenge_is_taken_from_whom_it_was_made_for_and_in_time() -> None:
    now, key = WallClock().now(), b"k" * 32
    made = challenge(key, "somebody", now, b"n" * 16)
    late = now + timedelta(minutes=10, seconds=1)
    assert is_challenge(made, key, "somebody", now + timedelta(minutes=9))
    assert not is_challenge(made, key, "somebody", late)
    assert not is_challenge(made, key, "", now)
    assert not is_challenge(made, b"o" * 32, "somebody", now)
    later = int(late.timestamp()).to_bytes(8, "big") + made[8:]
    for wrong in (b"", made[:-1], made + b"x", later, b"\xff" * len(made)):
        assert not is_challenge(wrong, key, "somebody", now)
