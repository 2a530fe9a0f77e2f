"""A helper signs in by a link, and then by a passkey, in front of the real matching."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running, served, tables_naming
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.testing_owners import Owners, follow, owning
from playwright.async_api import CDPSession, Page, expect
from reference_data import give_reference

from .conftest import COORDINATOR, HELPER, MATCHING_KEYS, READY, Visit, registered

ADDRESS = str(HELPER["email"])


@dataclass
class Place:
    """The portal, where browsers reach it, and who answers behind."""

    url: str
    portal: Running
    matching: Running
    #: Stands in for referral, and for notification, which has the links.
    others: Owners
    helper_id: str

    async def link(self) -> str:
        """The link that was mailed last."""
        await follow(self.portal)
        return f"{self.url}/sign-in/link/{self.others.mails[-1]['token']}"

    async def ask(self, tab: Page) -> str:
        """Ask for a link; it."""
        await tab.goto(f"{self.url}/sign-in/link?language=da")
        await tab.get_by_label("Din mailadresse").fill(ADDRESS.upper())
        await tab.get_by_role("button", name="Send mig et link").click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Se i din mail")
        return await self.link()

    async def sign_in(self, tab: Page) -> None:
        """Ask for a link, open it and press its button."""
        await tab.goto(await self.ask(tab))
        await tab.get_by_role("button", name="Log ind").click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Velkommen til Brobyg")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(postgres: str, kafka: str) -> AsyncIterator[Place]:
    """A helper is active. The portal has a name, as no browser makes a passkey for a number."""
    port, clock = free_port(), ManualClock(WallClock().now())
    url = f"http://localhost:{port}"
    async with (
        owning() as others,
        served(MATCHING, postgres, kafka, clock=clock, **MATCHING_KEYS) as matching,
        served(
            PORTAL, postgres, kafka, clock=clock, portal_port=port, portal_url=url,
            portal_encryption_key=base64.b64encode(b"k" * 32).decode(),
            **others.settings | {"matching_url": matching.url},
        ) as portal,
    ):  # fmt: skip
        assert matching.runtime.database is not None
        await give_reference(matching.runtime.database)
        helper_id = await registered(matching, HELPER)
        path = f"/volunteers/{helper_id}/activate"
        await matching.client.post(path, json=READY, headers=COORDINATOR)
        yield Place(url, portal, matching, others, helper_id)


async def a_device(visit: Visit) -> tuple[CDPSession, str]:
    """One that makes passkeys for who has shown their finger, and its number."""
    device = await visit.context.new_cdp_session(visit.page)
    await device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = await device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return device, made["authenticatorId"]


async def test_a_helper_signs_in_by_a_link_without_javascript(place: Place, visit: Visit) -> None:
    tab = visit.page
    link = await place.ask(tab)
    assert place.others.mails[-1]["person_id"] == place.helper_id
    await tab.goto(link)
    assert link.rpartition("/")[2] not in tab.url
    await tab.get_by_role("button", name="Log ind").click()
    assert tab.url == f"{place.url}/me"
    await expect(tab.locator("main")).to_contain_text("Du er logget ind som en, der hjælper.")
    await tab.get_by_role("link", name="Forside").click()
    await expect(tab.locator("main")).to_contain_text("Du er logget ind som en, der hjælper.")
    await tab.get_by_role("link", name="adgangsnøgle").click()
    await expect(tab.locator("main")).to_contain_text("Et link virker uden.")
    await expect(tab.get_by_role("button", name="Tilføj")).to_have_count(0)
    assert visit.complaints == []


async def test_a_helper_adds_a_passkey_signs_in_with_it_and_removes_it(
    place: Place, scripted: Visit
) -> None:
    tab = scripted.page
    device, number = await a_device(scripted)
    verified = {"authenticatorId": number, "isUserVerified": False}
    await place.sign_in(tab)
    await tab.get_by_role("link", name="adgangsnøgle").click()
    await tab.get_by_role("button", name="Tilføj en adgangsnøgle").click()
    await expect(tab.locator(".alert")).to_contain_text("Adgangsnøglen er tilføjet.")
    told = place.others.mails[-1]
    assert (told["person_id"], told["token"]) == (place.helper_id, None), "a mail tells of it"
    await tab.get_by_role("button", name="Tilføj en adgangsnøgle").click()
    await expect(tab.locator("#passkey-failed")).to_be_visible()  # the device has one already
    await tab.goto(f"{place.url}/me")
    await tab.get_by_role("banner").get_by_role("button", name="Log ud").click()

    await tab.goto(f"{place.url}/sign-in/passkey")
    await device.send("WebAuthn.setUserVerified", verified)
    await tab.get_by_role("button", name="Brug en adgangsnøgle").click()
    await expect(tab.locator("#passkey-failed")).to_be_visible()  # somebody else has the device
    await device.send("WebAuthn.setUserVerified", verified | {"isUserVerified": True})
    async with tab.expect_request(lambda one: one.method == "POST") as sent:
        await tab.get_by_role("button", name="Brug en adgangsnøgle").click()
    await tab.wait_for_url("**/me")
    await expect(tab.locator("main")).to_contain_text("Du er logget ind som en, der hjælper.")
    body = (await sent.value).post_data
    assert body is not None
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    again = await place.portal.client.post("/sign-in/passkey", content=body, headers=form)
    assert again.status_code == 403, "what it said is good once"
    assert place.portal.client.cookies.get("brobyg") is None
    nonsense = [{"credential": one} for one in ("", "x", "{}", "[]", '{"id": 1}', "[" * 9_000)]
    for fields in nonsense:
        answer = await place.portal.client.post("/sign-in/passkey", data=fields)
        assert answer.status_code == 403, fields

    await tab.goto(f"{place.url}/passkeys")
    await tab.get_by_role("button", name="Fjern").click()
    await expect(tab.locator(".alert")).to_contain_text("Adgangsnøglen er fjernet her.")
    await expect(tab.get_by_role("button", name="Fjern")).to_have_count(0)
    await scripted.context.clear_cookies()
    await tab.goto(f"{place.url}/sign-in/passkey?language=da")
    await tab.get_by_role("button", name="Brug en adgangsnøgle").click()
    await expect(tab.locator(".alert")).to_contain_text("Vi kender ikke adgangsnøglen")
    assert [one for one in scripted.complaints if "403" not in one] == []


async def test_a_helper_who_is_erased_is_out_and_their_passkey_lets_nobody_in(
    place: Place, scripted: Visit
) -> None:
    tab = scripted.page
    await a_device(scripted)
    await place.sign_in(tab)
    await tab.goto(f"{place.url}/passkeys")
    await tab.get_by_role("button", name="Tilføj en adgangsnøgle").click()
    await expect(tab.locator(".alert")).to_contain_text("Adgangsnøglen er tilføjet.")
    path = f"/volunteers/{place.helper_id}?reason=requested"
    erased = await place.matching.client.delete(path, headers=COORDINATOR)
    assert erased.status_code == 202
    await tab.context.clear_cookies(name="brobyg")
    await tab.goto(f"{place.url}/sign-in/passkey?language=da")
    await tab.get_by_role("button", name="Brug en adgangsnøgle").click()
    await expect(tab.locator(".alert")).to_contain_text("Du er ikke logget ind")
    assert await place.portal.runtime.parts.workers["still_there"].__self__.round() == 1
    database = place.portal.runtime.database
    assert database is not None
    assert await tables_naming(database, place.helper_id) == {"session"}, "ended, for a day"
