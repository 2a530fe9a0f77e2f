"""Keycloak as the tests have it: a real provider, which refuses what it should."""

import os
import time
from pathlib import Path

import lxml.html
import psutil
import pytest
from brobyg_kit.tokens import AUDIENCE
from brobyg_local.keycloak import Keycloak
from brobyg_local.providers import provided
from brobyg_local.sign_ins import PORTAL_CLIENT, User, sign_ins
from brobyg_local.testing import Flow

pytestmark = pytest.mark.timeout(900)
USERS = sign_ins().user
#: Bytes that Keycloak may have: 350 MB were seen.
MEMORY = 700 * 2**20


def signed_in(flow: Flow, user: User, password: str = "") -> str:
    """The code that comes back once the form of the sign-in page is sent."""
    form = lxml.html.fromstring(flow.asked().text).forms[0]
    fields = {**dict(form.fields), "username": user.id, "password": password or user.id}
    answer = flow.http.post(form.action, data={k: v for k, v in fields.items() if v is not None})
    return flow.code_of(answer)


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.id)
def test_who_signs_in_has_their_roles_in_the_claims(keycloak: Keycloak, user: User) -> None:
    flow = Flow(keycloak.issuer)
    claims = flow.claims(flow.redeemed(signed_in(flow, user)).json()["id_token"])
    ours = set(realm_words()) & set(claims.get("roles", []))
    assert ours == set(user.roles)
    expected = {"organisation": user.organisation, "department": user.department}
    assert claims.items() >= {**expected, "nonce": flow.nonce, "iss": keycloak.issuer}.items()
    assert claims["aud"] == PORTAL_CLIENT


def realm_words() -> list[str]:
    return [word for one in (*USERS, *sign_ins().machine) for word in one.roles]


@pytest.mark.parametrize("machine", sign_ins().machine, ids=lambda machine: machine.id)
def test_a_machine_has_its_role_by_its_secret_and_not_by_another(keycloak, machine) -> None:
    flow = Flow(keycloak.issuer)
    assert flow.token_of(machine, secret="of-another").json()["error"] == "unauthorized_client"
    claims = flow.claims(flow.token_of(machine).json()["access_token"])
    assert set(machine.roles) <= set(claims.get("roles", []))
    assert AUDIENCE in claims["aud"]
    expected = {"organisation": machine.organisation, "department": machine.department}
    assert claims.items() >= expected.items()


def test_a_wrong_password_brings_no_code(keycloak: Keycloak) -> None:
    with pytest.raises(AssertionError, match="Invalid username or password"):
        signed_in(Flow(keycloak.issuer), USERS[0], "wrong")


@pytest.mark.parametrize(
    "other",
    [
        {"redirect_uri": "http://127.0.0.1/elsewhere"},
        {"redirect_uri": "https://evil.example/sign-in/back"},
        {"client_id": "unknown"},
    ],
)
def test_an_unknown_client_or_address_is_refused_before_anybody_signs_in(keycloak, other) -> None:
    answer = Flow(keycloak.issuer).asked(**other)
    assert answer.status_code == 400
    assert not answer.headers.get("location")


def test_a_sign_in_without_pkce_is_sent_back_refused(keycloak: Keycloak) -> None:
    for other in ({"code_challenge_method": "plain"}, {"code_challenge": ""}):
        answer = Flow(keycloak.issuer).asked(**other)
        assert "error=invalid_request" in answer.headers["location"]


def test_a_code_is_taken_once_and_with_its_verifier_alone(keycloak: Keycloak) -> None:
    flow = Flow(keycloak.issuer)
    code = signed_in(flow, USERS[0])
    assert flow.redeemed(code, code_verifier="x" * 50).json()["error"] == "invalid_grant"
    flow = Flow(keycloak.issuer)
    code = signed_in(flow, USERS[0])
    assert flow.redeemed(code).status_code == 200
    assert flow.redeemed(code).json()["error"] == "invalid_grant"


def test_a_second_one_starts_quickly_from_what_was_built_and_both_are_bounded(
    keycloak: Keycloak, tmp_path: Path
) -> None:
    began = time.monotonic()
    with provided(Keycloak, tmp_path, os.getpid()) as second:
        seconds = time.monotonic() - began
        assert second.address != keycloak.address
        assert Flow(second.issuer).places["issuer"] == second.issuer
    print(f"Keycloak was ready after {seconds:.1f} s")
    assert seconds < 120
    for process in processes():
        assert process.memory_info().rss < MEMORY
        for one in process.net_connections("tcp"):
            assert one.status != psutil.CONN_LISTEN or "127.0.0.1" in one.laddr.ip


def processes() -> list[psutil.Process]:
    """The Keycloaks of this run."""
    found = []
    for one in psutil.process_iter():
        try:
            if any("kc.home.dir" in word for word in one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found
