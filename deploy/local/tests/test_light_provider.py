"""The demo's provider: who picks a role has it, and nobody from elsewhere can ask."""

import os
from pathlib import Path

import httpx2
import lxml.html
import psutil
import pytest
from brobyg_kit.tokens import AUDIENCE
from brobyg_local.light_provider import LightProvider
from brobyg_local.providers import provided
from brobyg_local.sign_ins import PORTAL_CLIENT, User, sign_ins
from brobyg_local.state import StateFolder
from brobyg_local.testing import Flow


def picked(flow: Flow, user: User) -> str:
    """The code that comes back once the user's button is pressed, as a browser presses it."""
    page = flow.asked()
    forms = lxml.html.fromstring(page.text).forms
    form = next(form for form in forms if form.fields["username"] == user.id)
    return flow.code_of(flow.http.post(page.url, data=dict(form.fields)))


@pytest.mark.parametrize("user", sign_ins().user, ids=lambda user: user.id)
def test_who_picks_a_role_has_it_in_the_claims(light_provider: LightProvider, user: User) -> None:
    flow = Flow(light_provider.issuer)
    answer = flow.redeemed(picked(flow, user)).json()
    claims = flow.claims(answer["id_token"])
    assert claims.items() >= {"sub": user.id, "nonce": flow.nonce, **user.claims()}.items()
    assert (claims["iss"], claims["aud"]) == (light_provider.issuer, PORTAL_CLIENT)


def test_a_code_is_taken_once_and_by_who_asked_alone(light_provider: LightProvider) -> None:
    flow = Flow(light_provider.issuer)
    code = picked(flow, sign_ins().user[0])
    assert flow.redeemed(code, code_verifier="x" * 50).json()["error"] == "invalid_grant"
    assert flow.redeemed(code).json()["error"] == "invalid_grant"
    code = picked(flow, sign_ins().user[0])
    assert flow.redeemed(code).status_code == 200
    assert flow.redeemed(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("machine", sign_ins().machine, ids=lambda machine: machine.id)
def test_a_machine_has_its_role_by_client_credentials(light_provider, machine) -> None:
    flow = Flow(light_provider.issuer)
    claims = flow.claims(flow.token_of(machine).json()["access_token"])
    expected = {**machine.claims(), "sub": machine.id, "aud": AUDIENCE}
    assert claims.items() >= expected.items()


def test_its_page_says_that_it_is_for_demo_and_development_alone(light_provider) -> None:
    page = lxml.html.fromstring(Flow(light_provider.issuer).asked().text)
    assert "Kun til demo og udvikling: her er ingen adgangskode" in page.text_content()
    assert [button.get("id") for button in page.iter("button")] == [u.id for u in sign_ins().user]


def test_it_listens_on_this_machine_alone_and_is_small(light_provider: LightProvider) -> None:
    port = int(light_provider.issuer.split(":")[2].split("/")[0])
    listening = [
        one
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port
    ]
    assert [one.laddr.ip.removeprefix("::ffff:") for one in listening] == ["127.0.0.1"]
    assert psutil.Process(listening[0].pid).memory_info().rss < 200 * 2**20


def test_what_it_signed_before_a_restart_stays_valid(tmp_path: Path) -> None:
    machine = sign_ins().machine[0]
    with provided(LightProvider, tmp_path, os.getpid()) as provider:
        before = provider.issuer
        token = Flow(before).token_of(machine).json()["access_token"]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(before)
    with provided(LightProvider, tmp_path, os.getpid()) as provider:
        assert provider.issuer == before
        assert Flow(before).claims(token)["sub"] == machine.id
    key = StateFolder(tmp_path).local / "light-provider" / "key.jwk.json"
    assert key.stat().st_mode & 0o777 == 0o600
