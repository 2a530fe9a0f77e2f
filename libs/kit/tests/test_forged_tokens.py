"""Tokens that are not to be believed, and keys that change: over a real app, with real signatures.

Three issuers: `brobyg`, whose keys are in a file; `hospital`, whose keys are at an address, and
which may give one role for one organisation; `region`, which says its own words in its own places.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from brobyg_kit import issuers
from brobyg_kit.api import create_app
from brobyg_kit.auth import MAX_TOKEN, Caller, Verifier, requires_act
from brobyg_kit.clock import ManualClock
from brobyg_kit.domain import domain
from brobyg_kit.errors import InvalidIssuers
from brobyg_kit.health import Health
from brobyg_kit.issuers import (
    AGAIN,
    MAX_BYTES,
    STALE,
    Claims,
    Issuer,
    IssuerKeys,
    fetch,
    own_issuer,
    read_issuers,
)
from brobyg_kit.metrics import Metrics
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import eventually
from fastapi import APIRouter, Depends
from joserfc import jwe, jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ADDRESS = "https://login.example.org/certs"
OWN, OLDER = (ECKey.generate_key("P-256", {"kid": kid}) for kid in ("own", "older"))
HOSPITAL, FOREIGN = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("rsa", "foreign"))
NEXT = RSAKey.generate_key(2048, {"kid": "next"})
Key = ECKey | RSAKey
REFUSED = "the token is not valid or has expired"


def jwks(*keys: Key, **more: object) -> bytes:
    return json.dumps({"keys": [{**key.as_dict(private=False), **more} for key in keys]}).encode()


@dataclass
class Provider:
    """What is at the address of the hospital's keys."""

    body: bytes = field(default_factory=lambda: jwks(HOSPITAL))
    error: Exception | None = None
    asked: int = 0

    async def __call__(self, address: str) -> bytes:
        assert address == ADDRESS
        self.asked += 1
        if self.error:
            raise self.error
        return self.body


@dataclass
class Served:
    http: httpx2.AsyncClient
    clock: ManualClock
    provider: Provider
    file: Path
    health: Health

    async def answer(self, token: str) -> httpx2.Response:
        return await self.http.get("/me", headers={"Authorization": f"Bearer {token}"})

    async def status(self, token: str) -> int:
        return (await self.answer(token)).status_code


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    file, clock, provider = tmp_path / "keys.json", ManualClock(NOW), Provider()
    file.write_bytes(jwks(OWN))
    routes, acts = APIRouter(), ["withdraw-consent", "reach-citizen"]

    @routes.get("/me")
    async def me(caller: Annotated[Caller, Depends(requires_act(*acts))]) -> list[Any]:
        return [caller.subject, sorted(caller.roles), caller.organisation, caller.department]

    hospital = Issuer(
        issuer="hospital", keys=ADDRESS, algorithms=("RS256", "PS256"),
        roles=frozenset({"hospital", "referrer"}), organisations=frozenset({"rm-hospital"}),
    )  # fmt: skip
    region = Issuer(
        issuer="region", keys=ADDRESS, audience="api://brobyg", algorithms=("RS256",),
        roles=frozenset({"coordinator"}), every_department="*",
        words={"Koordinator": "coordinator"},
        claims=Claims(roles=("realm_access", "roles"), department=("https://region.dk/afdeling",)),
    )  # fmt: skip
    declared = [own_issuer(file, domain().ROLES), hospital, region]
    verifier, health = Verifier(declared, clock, provider), Health()
    health.ends.append(verifier.ends)
    parts = Parts(routers=[routes])
    service = Service("thing", "thing", KitSettings, lambda _: parts)

    async def numbers() -> dict[str, object]:
        return {}

    app = create_app(service, parts, clock, verifier, Metrics(), health, numbers)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://thing") as http:
        yield Served(http, clock, provider, file, health)


def claims(**changed: object) -> dict[str, Any]:
    now = int(NOW.timestamp())
    told = {
        "iss": "brobyg", "aud": "brobyg", "sub": "anna", "roles": ["coordinator"],
        "organisation": "randers", "department": "randers-norddjurs",
        "iat": now, "exp": now + 600, **changed,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def hospital_claims(**changed: object) -> dict[str, Any]:
    more = {"iss": "hospital", "roles": "referrer", "organisation": "rm-hospital", **changed}
    return claims(department=None, **more)


def of_region(own: str | None, **changed: object) -> dict[str, Any]:
    more = {"iss": "region", "aud": "api://brobyg", "roles": None, "department": None, **changed}
    words = {"realm_access": {"roles": ["Koordinator", "service"]}}
    return claims(**more, **words, **{"https://region.dk/afdeling": own})


def signed(told: dict[str, Any], key: Any = OWN, alg: str = "ES256", **header: object) -> str:
    """Signed whatever the header says."""
    whole = {"alg": alg, "kid": key.kid, **header}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, told, key, [alg])


def raw(header: object, payload: object, key: Any = OWN) -> str:
    """ES256 over these, byte for byte where they are bytes."""
    parts = [
        one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, payload)
    ]
    text = ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)
    algorithm = jws.JWSRegistry.algorithms["ES256"]
    signature = algorithm.sign(text.encode(), key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def confused(key: Key, as_secret: bytes) -> str:
    """HS256 whose secret is the public key, which everybody has."""
    told = hospital_claims() if isinstance(key, RSAKey) else claims()
    parts = [{"alg": "HS256", "kid": key.kid, "typ": "JWT"}, told]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)
    mac = hmac.digest(as_secret, text, hashlib.sha256)
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def unsigned(alg: str) -> str:
    return signed(claims()).replace(
        signed(claims()).split(".")[0],
        base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "own"}).encode()).decode(),
    ).rpartition(".")[0] + "."  # fmt: skip


def altered(**changed: object) -> str:
    """The signature of other claims."""
    head, _, mark = signed(claims()).split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(**changed)).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{mark}"


def encrypted() -> str:
    secret = OctKey.generate_key(256)
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, signed(claims()), secret)


def deep(levels: int) -> bytes:
    plain = json.dumps(claims())[:-1]
    return f'{plain}, "deep": {"[" * levels}{"]" * levels}}}'.encode()


def at(minutes: float) -> int:
    return int((NOW + timedelta(minutes=minutes)).timestamp())


HEADER = {"alg": "ES256", "kid": "own", "typ": "JWT"}
TWICE = json.dumps(claims(roles=["volunteer"]))[:-1].encode() + b', "roles": ["coordinator"]}'
FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: unsigned("none"),
    "no algorithm, written otherwise": lambda: unsigned("nOnE"),
    "an empty signature": lambda: signed(claims()).rpartition(".")[0] + ".",
    "no signature": lambda: signed(claims()).rpartition(".")[0],
    "the signature of other claims": lambda: altered(roles=["data_protection"]),
    "a shared secret that is the public key as PEM": lambda: confused(
        HOSPITAL, HOSPITAL.as_pem(private=False)
    ),
    "a shared secret that is the public key as JWK": lambda: confused(
        OWN, json.dumps(OWN.as_dict(private=False)).encode()
    ),
    "an algorithm that the issuer does not use": lambda: signed(
        claims(), RSAKey.import_key(HOSPITAL.as_dict(private=True)), "RS256"
    ),
    "another curve's algorithm": lambda: raw({**HEADER, "alg": "ES384"}, claims()),
    "a foreign key under our key's name": lambda: signed(hospital_claims(), FOREIGN, "RS256",
                                                         kid="rsa"),
    "a foreign key under its own name": lambda: signed(hospital_claims(), FOREIGN, "RS256"),
    "the key of another issuer": lambda: signed(hospital_claims(iss="hospital"), OWN, kid="own"),
    "our issuer by another's key": lambda: signed(claims(), HOSPITAL, "RS256"),
    "an issuer that nobody declared": lambda: signed(claims(iss="https://evil.example.org")),
    "an issuer in other letters": lambda: signed(claims(iss="Brobyg")),
    "issuers in a list": lambda: signed(claims(iss=["brobyg"])),
    "no issuer": lambda: signed(claims(iss=None)),
    "another audience": lambda: signed(claims(aud="somebody-else")),
    "another issuer's audience": lambda: signed(claims(aud="api://brobyg")),
    "an audience that is an object": lambda: signed(claims(aud={"brobyg": True})),
    "no audience": lambda: signed(claims(aud=None)),
    "a key named by a path": lambda: signed(claims(), kid="../../../../dev/null"),
    "a key named by an address": lambda: signed(claims(), kid="https://evil.example.org/key"),
    "a key named by SQL": lambda: signed(claims(), kid="x' union select 'key' --"),
    "a key named by a number": lambda: raw({**HEADER, "kid": 0}, claims()),
    "a key named by a list": lambda: raw({**HEADER, "kid": ["own"]}, claims()),
    "a key named by null": lambda: raw({**HEADER, "kid": None}, claims()),
    "an address of keys": lambda: signed(claims(), jku="https://evil.example.org/jwks"),
    "an address of a certificate": lambda: signed(claims(), x5u="https://evil.example.org/c"),
    "a certificate": lambda: signed(claims(), x5c=["MIIB"]),
    "a key in the header": lambda: signed(
        hospital_claims(), FOREIGN, "RS256", kid=None, jwk=FOREIGN.as_dict(private=False)
    ),
    "our own key in the header": lambda: signed(claims(), jwk=OWN.as_dict(private=False)),
    "something critical that nobody knows": lambda: raw(
        {**HEADER, "crit": ["exp"], "exp": at(10)}, claims()
    ),
    "a payload that is not in base64": lambda: raw({**HEADER, "b64": False, "crit": ["b64"]},
                                                   claims()),
    "a token within a token": lambda: raw({**HEADER, "cty": "JWT"}, signed(claims()).encode()),
    "another kind of token": lambda: signed(claims(), typ="logout+jwt"),
    "an encrypted token": encrypted,
    "expired": lambda: signed(claims(iat=at(-20), exp=at(-1))),
    "expired, replayed by its time of issue": lambda: signed(claims(iat=at(0), exp=at(-1))),
    "not valid yet": lambda: signed(claims(nbf=at(5))),
    "issued in the future": lambda: signed(claims(iat=at(5))),
    "no end": lambda: signed(claims(exp=None)),
    "no time of issue": lambda: signed(claims(iat=None)),
    "an end in words": lambda: signed(claims(exp="2027-01-01")),
    "an end that is true": lambda: signed(claims(exp=True)),
    "an end that never comes": lambda: raw(
        HEADER, json.dumps(claims(exp=None))[:-1].encode() + b', "exp": Infinity}'
    ),
    "an end that is no number": lambda: raw(
        HEADER, json.dumps(claims(exp=None))[:-1].encode() + b', "exp": NaN}'
    ),
    "an end with 400 digits": lambda: signed(claims(exp=10**400)),
    "a longer life than its issuer gives": lambda: signed(
        hospital_claims(exp=at(61)), HOSPITAL, "RS256"
    ),
    "no subject": lambda: signed(claims(sub=None)),
    "an empty subject": lambda: signed(claims(sub="")),
    "a subject that is a number": lambda: signed(claims(sub=7)),
    "a subject with a line in it": lambda: signed(claims(sub="anna\nroot")),
    "a subject with a null": lambda: signed(claims(sub="anna\0")),
    "a long subject": lambda: signed(claims(sub="a" * 201)),
    "an organisation that is a list": lambda: signed(claims(organisation=["a", "b"])),
    "a department that is an object": lambda: signed(claims(department={"": ""})),
    "roles that are an object": lambda: signed(claims(roles={"coordinator": True})),
    "roles that are numbers": lambda: signed(claims(roles=[1])),
    "a role that its issuer may not give": lambda: signed(
        hospital_claims(roles="referrer service"), HOSPITAL, "RS256"
    ),
    "an organisation that its issuer may not speak for": lambda: signed(
        hospital_claims(organisation="gp-4411"), HOSPITAL, "RS256"
    ),
    "no organisation from who speaks for one": lambda: signed(
        hospital_claims(organisation=None), HOSPITAL, "RS256"
    ),
    "a claim that stands twice": lambda: raw(HEADER, TWICE),
    "an algorithm that stands twice": lambda: raw(
        b'{"alg": "none", "kid": "own", "alg": "ES256"}', claims()
    ),
    "more than fits": lambda: signed(claims(more="x" * MAX_TOKEN)),
    "1,900 levels": lambda: raw(HEADER, deep(1_900)),
    "a list for a payload": lambda: raw(HEADER, [claims()]),
    "no JSON": lambda: raw(HEADER, b"\xff\xfe"),
    "a header that is no object": lambda: raw(b'"ES256"', claims()),
    "four parts": lambda: signed(claims()) + ".x",
    "dots": lambda: "..",
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
async def test_a_forged_token_opens_nothing_and_is_told_no_more_than_that(
    served: Served, kind: str
) -> None:
    answer = await served.answer(FORGED[kind]())
    assert answer.status_code == 401
    assert (answer.json()["title"], answer.json()["detail"]) == (
        "A valid bearer token is needed", REFUSED,
    )  # fmt: skip
    assert answer.headers["www-authenticate"] == "Bearer"
    assert await served.status(signed(claims())) == 200  # the control: what it was made from


GENUINE: dict[str, tuple[Callable[[], str], list[Any]]] = {
    "our own": (
        lambda: signed(claims()), ["anna", ["coordinator"], "randers", "randers-norddjurs"],
    ),
    "without the key's name, where there is one": (
        lambda: signed(claims(department=None), kid=None), ["anna", ["coordinator"], "randers",
                                                           None],
    ),
    "as an access token, for several": (
        lambda: signed(claims(aud=["other", "brobyg"]), typ="at+jwt"),
        ["anna", ["coordinator"], "randers", "randers-norddjurs"],
    ),
    "a provider's, with words of its own": (
        lambda: signed(hospital_claims(roles=["referrer", "offline_access"]), HOSPITAL, "PS256"),
        ["anna", ["referrer"], "rm-hospital", ""],
    ),
    "head office, by the provider's word for it": (
        lambda: signed(of_region("*"), HOSPITAL, "RS256"),
        ["anna", ["coordinator"], "randers", None],
    ),
    "for no department, where the provider names none": (
        lambda: signed(of_region(None), HOSPITAL, "RS256"),
        ["anna", ["coordinator"], "randers", ""],
    ),
    "by a declared mapping": (
        lambda: signed(
            of_region("odense", roles=["service"], department="aarhus"), HOSPITAL, "RS256"
        ),
        ["anna", ["coordinator"], "randers", "odense"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GENUINE)
async def test_a_genuine_token_says_who_asks(served: Served, kind: str) -> None:
    made, expected = GENUINE[kind]
    assert (await served.answer(made())).json() == expected


async def test_a_token_without_a_role_is_believed_and_opens_nothing(served: Served) -> None:
    assert await served.status(signed(claims(roles=["king"]))) == 403


async def test_keys_are_changed_under_requests_and_no_genuine_one_is_refused(
    served: Served,
) -> None:
    pairs: list[tuple[bool, str]] = []
    for file in (jwks(OWN), jwks(OWN, OLDER), jwks(OLDER)):
        (whole := served.file.with_suffix(".new")).write_bytes(file)
        whole.replace(served.file)
        served.provider.body = {jwks(OWN): jwks(HOSPITAL), jwks(OLDER): jwks(NEXT)}.get(
            file, jwks(HOSPITAL, NEXT)
        )
        first, second = file != jwks(OLDER), file != jwks(OWN)
        for _ in range(12):
            now = served.clock.now() - NOW
            when = {"iat": at(0) + now.seconds, "exp": at(10) + now.seconds}
            pairs = [
                (first, signed(claims(**when))), (second, signed(claims(**when), OLDER)),
                (first, signed(hospital_claims(**when), HOSPITAL, "RS256")),
                (second, signed(hospital_claims(**when), NEXT, "RS256")),
            ]  # fmt: skip
            for is_valid, token in pairs:
                if is_valid:
                    assert await served.status(token) == 200
            served.clock.advance(AGAIN)

    async def are_gone() -> bool:
        """What was taken away is no key any more, some minutes later."""
        return [await served.status(token) for _, token in pairs] == [401, 200, 401, 200]

    await eventually(are_gone, "keys that were taken away open nothing")


async def test_an_unknown_key_asks_the_provider_once_a_minute_however_often_it_comes(
    served: Served,
) -> None:
    unknown = signed(hospital_claims(), FOREIGN, "RS256")
    assert {await served.status(unknown) for _ in range(50)} == {401}
    assert served.provider.asked == 1
    served.clock.advance(AGAIN)
    assert {await served.status(unknown) for _ in range(50)} == {401}
    assert served.provider.asked == 2


async def asked_again(provider: Provider, before: int) -> bool:
    return provider.asked > before


@pytest.mark.parametrize(
    "error", [OSError("away"), httpx2.ConnectError("away"), TimeoutError(), b"[]", b'{"keys": []}',
              b"x" * (MAX_BYTES + 1), jwks(OWN), jwks(HOSPITAL, use="enc"), b"[" * 90_000]
)  # fmt: skip
async def test_a_provider_that_is_away_or_says_nonsense_ends_no_key_that_was_known(
    served: Served, error: Exception | bytes
) -> None:
    def break_it() -> None:
        served.provider.error = error if isinstance(error, Exception) else None
        served.provider.body = error if isinstance(error, bytes) else b""

    body = served.provider.body
    break_it()
    token = signed(hospital_claims(), HOSPITAL, "RS256")
    answer = await served.answer(token)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    served.provider.error, served.provider.body = None, body
    served.clock.advance(AGAIN)
    assert await served.status(token) == 200
    break_it()
    served.clock.advance(timedelta(minutes=8))
    assert await served.status(token) == 200
    asked = served.provider.asked
    served.clock.advance(STALE)
    late = {"iat": at(18), "exp": at(30)}
    again = signed(hospital_claims(**late), HOSPITAL, "RS256")
    assert [await served.status(again) for _ in range(3)] == [200] * 3
    await eventually(lambda: asked_again(served.provider, asked), "the provider is asked again")
    assert served.provider.asked == asked + 1


async def test_an_end_of_a_key_is_told_weeks_before_and_kept(served: Served) -> None:
    served.file.write_bytes(jwks(OWN, exp=at(30 * 24 * 60)))
    served.clock.advance(STALE)
    issued = {"iat": at(10), "exp": at(20)}
    assert await served.status(signed(claims(**issued))) == 200  # and it is read again, beside it

    async def is_read() -> bool:
        return bool(served.health.endings(NOW + timedelta(days=2)))

    await eventually(is_read, "the file is read again")
    assert served.health.endings(NOW) == []
    (told,) = served.health.endings(NOW + timedelta(days=3))
    assert (told["what"], told["days"]) == ("the key own of the issuer brobyg", 27)
    served.clock.advance(timedelta(days=30))
    issued = {"iat": at(30 * 24 * 60), "exp": at(30 * 24 * 60 + 20)}
    assert await served.status(signed(claims(**issued))) == 401


ANSWERS: dict[str, bytes] = {
    "too much": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * MAX_BYTES),
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    "a fault": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "nothing, for ever": b"",
    "no HTTP": b"\0" * 100,
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_question_for_keys_ends_soon_whatever_answers(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "FETCH_TIMEOUT", 0.2)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWERS[kind])
        if not ANSWERS[kind]:
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        over.set()

    over = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((OSError, httpx2.HTTPError, TimeoutError)):
            async with asyncio.timeout(3):
                await fetch(f"http://127.0.0.1:{port}/certs")
        await over.wait()


FILE = """
[[issuer]]
issuer = "region"
keys = "https://login.example.org/certs"
roles = ["hospital"]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hospital", "king", "unknown roles"),
        ("https://login", "http://login", "expected https://"),
        ('roles = ["hospital"]', "", "missing required field `roles`"),
        ('roles = ["hospital"]', 'roles = ["hospital"]\nalgorithms = ["HS256"]', "HS256"),
        ('roles = ["hospital"]', 'roles = ["hospital"]\nalgorithms = ["none"]', "none"),
        ('roles = ["hospital"]', 'roles = ["hospital"]\nrole = 1', "unknown field `role`"),
        (
            'roles = ["hospital"]', 'roles = ["hospital"]\nwords = {a = "service"}',
            "which roles does not have",
        ),
        ("[[issuer]]", "[[issuer", "region.toml"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_of_issuers_is_told(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = tmp_path / "region.toml"
    file.write_text(FILE.replace(old, new))
    with pytest.raises(InvalidIssuers, match=said):
        read_issuers(file)


def test_an_empty_file_of_issuers_names_nobody() -> None:
    assert read_issuers(Path(os.devnull)) == []


def test_files_of_keys_are_found_beside_it_and_missing_ones_are_told(tmp_path: Path) -> None:
    file = tmp_path / "region.toml"
    file.write_text(FILE.replace("https://login.example.org/certs", "keys.json"))
    (issuer,) = read_issuers(file)
    with pytest.raises(InvalidIssuers, match=r"keys\.json"):
        IssuerKeys(issuer, ManualClock(NOW))
    (tmp_path / "keys.json").write_bytes(jwks(OWN))
    IssuerKeys(issuer, ManualClock(NOW))
    with pytest.raises(InvalidIssuers, match="the same name"):
        Verifier([issuer, issuer], ManualClock(NOW))


def test_the_example_can_be_used_as_it_is() -> None:
    example = Path(__file__).parents[3] / "deploy/issuers.example.toml"
    assert [one.issuer for one in read_issuers(example)]
