"""Staff sign in at a real Keycloak in a real browser, without JavaScript, and out."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running
from brobyg_kit.tokens import generate_keys
from brobyg_local.keycloak import ADMINISTRATOR, Keycloak
from brobyg_portal.adapters.sessions import Administrators
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.testing import IDLE
from playwright.async_api import Page

from .conftest import Visit

#: Keycloak is built once on a machine, which takes minutes.
pytestmark = pytest.mark.timeout(900)

#: Where the realm is administered.
_REALM = "/admin/realms/brobyg"


@dataclass(frozen=True, slots=True)
class SignedInto:
    """A portal whose staff sign in at a provider."""

    url: str
    clock: ManualClock
    administrators: Administrators


@pytest_asyncio.fixture(loop_scope="session")
async def staffed(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
    keycloak: Keycloak,
    tmp_path: Path,
) -> AsyncIterator[SignedInto]:
    """The portal, before Keycloak."""
    generate_keys(tmp_path / "private", tmp_path / "public")
    port, clock = free_port(), ManualClock(WallClock().now())
    async with serve(
        PORTAL,
        clock=clock,
        portal_port=port,
        portal_url=f"http://127.0.0.1:{port}",
        portal_provider_issuer=keycloak.issuer,
        portal_signing_key=tmp_path / "private",
    ) as running:
        assert running.runtime.database is not None
        administrators = Administrators(running.runtime.database, clock)
        yield SignedInto(running.url, clock, administrators)


async def sign_in(page: Page, user: str) -> None:
    """From the portal's page, with Keycloak's form."""
    await page.get_by_role("link", name="Log ind som medarbejder").click()
    await page.locator("#username").fill(user)
    await page.locator("#password").fill(user)
    await page.locator("#kc-login").click()


@asynccontextmanager
async def administering(keycloak: Keycloak) -> AsyncIterator["Administrator"]:
    """Keycloak's administrator, signed in to its own interface."""
    form = {
        "grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR,
        "password": ADMINISTRATOR,
    }  # fmt: skip
    async with httpx2.AsyncClient(base_url=keycloak.address, timeout=60) as http:
        told = await http.post("/realms/master/protocol/openid-connect/token", data=form)
        assert told.status_code == 200, told.text
        http.headers["authorization"] = f"Bearer {told.json()['access_token']}"
        yield Administrator(http)


@dataclass(frozen=True, slots=True)
class Administrator:
    """What an administrator does in Keycloak."""

    http: httpx2.AsyncClient

    async def tells_of_sign_outs(self, url: str) -> None:
        """Have the portal told at this address."""
        (client,) = (
            await self.http.get("/admin/realms/brobyg/clients?clientId=brobyg-portal")
        ).json()
        client["attributes"] |= {
            "backchannel.logout.url": f"{url}/sign-out/back-channel",
            "backchannel.logout.session.required": "true",
        }
        done = await self.http.put(f"{_REALM}/clients/{client['id']}", json=client)
        assert done.status_code == 204, done.text

    async def removes(self, user: str) -> None:
        """Sign somebody out who leaves."""
        found = await self.http.get(f"{_REALM}/users", params={"username": user, "exact": True})
        (one,) = found.json()
        done = await self.http.post(f"{_REALM}/users/{one['id']}/logout")
        assert done.status_code == 204, done.text

    async def changes_keys(self) -> None:
        """Sign by a new key from now on."""
        realm = (await self.http.get(_REALM)).json()["id"]
        new = {
            "name": "newer", "parentId": realm, "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["1000"], "algorithm": ["RS256"], "keySize": ["2048"]},
        }  # fmt: skip
        done = await self.http.post(f"{_REALM}/components", json=new)
        assert done.status_code == 201, done.text


async def test_who_leaves_is_out_at_once_and_new_keys_need_no_restart(
    staffed: SignedInto, visit: Visit, keycloak: Keycloak
) -> None:
    page, heading = visit.page, visit.page.get_by_role("heading", level=1)
    async with administering(keycloak) as admin:
        await admin.tells_of_sign_outs(staffed.url)
        await page.goto(staffed.url)
        await sign_in(page, "head-office")
        assert await heading.text_content() == "Velkommen til Brobyg"
        await admin.removes("head-office")
        await page.goto(staffed.url)
        assert await heading.text_content() == "Log ind"
        await admin.changes_keys()
        await sign_in(page, "head-office")
        assert await heading.text_content() == "Velkommen til Brobyg"
        assert await page.locator("dd").nth(1).text_content() == "koordinator"


async def test_staff_sign_in_lose_nothing_typed_and_sign_out_at_the_provider_too(
    staffed: SignedInto, visit: Visit
) -> None:
    page = visit.page
    heading = page.get_by_role("heading", level=1)

    await page.goto(staffed.url)
    await sign_in(page, "coordinator")
    assert await heading.text_content() == "Velkommen til Brobyg"
    assert page.url == f"{staffed.url}/"
    await staffed.administrators.add(await page.locator("dd").first.text_content() or "")
    await page.reload()
    await page.get_by_role("link", name="Hvem der er logget ind").click()

    typed = "ikke et nummer, men længe tænkt over"
    await page.get_by_label("Nummer på den, der skal logges ud").fill(typed)
    staffed.clock.advance(IDLE)
    await page.get_by_role("button", name="Log personen ud").click()
    assert await heading.text_content() == "Log ind"
    await page.get_by_role("link", name="Log ind som medarbejder").click()
    # Keycloak's own session is still there: it asks for nothing.
    assert page.url == f"{staffed.url}/sessions"
    field = page.get_by_label("Nummer på den, der skal logges ud")
    assert await field.input_value() == typed
    await page.get_by_role("button", name="Log personen ud").click()
    assert await page.locator("#subject-error").count() == 1

    await page.goto(staffed.url)
    cookies = await visit.context.cookies()
    await page.get_by_role("button", name="Log ud", exact=True).click()
    await page.wait_for_url(f"{staffed.url}/sign-out/back**")
    assert await heading.text_content() == "Du er logget ud"
    await page.go_back()
    await page.goto(staffed.url)
    assert await heading.text_content() == "Log ind"
    await visit.context.add_cookies([one for one in cookies if one["name"] == "brobyg"])  # type: ignore[misc]
    await page.goto(staffed.url)
    assert await heading.text_content() == "Log ind", "a stolen cookie is nothing"
    assert len(visit.complaints) == 1, "the one that the form's mistake is answered with (422)"
