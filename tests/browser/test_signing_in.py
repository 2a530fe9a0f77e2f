"""Staff sign in and out in a real browser, without JavaScript."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import Running
from brobyg_kit.tokens import generate_keys
from brobyg_local.light_provider import LightProvider
from brobyg_portal.adapters.sessions import Administrators
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.testing import IDLE

from .conftest import Visit


@dataclass(frozen=True, slots=True)
class SignedInto:
    """A portal whose staff sign in at a provider."""

    url: str
    clock: ManualClock
    administrators: Administrators


@pytest.fixture
async def staffed(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
    light_provider: LightProvider,
    tmp_path: Path,
) -> AsyncIterator[SignedInto]:
    """The portal, before the demo's provider."""
    generate_keys(tmp_path / "private", tmp_path / "public")
    port, clock = free_port(), ManualClock(WallClock().now())
    async with serve(
        PORTAL,
        clock=clock,
        portal_port=port,
        portal_url=f"http://127.0.0.1:{port}",
        portal_provider_issuer=light_provider.issuer,
        portal_signing_key=tmp_path / "private",
    ) as running:
        assert running.runtime.database is not None
        administrators = Administrators(running.runtime.database, clock)
        yield SignedInto(running.url, clock, administrators)


async def test_staff_sign_in_lose_nothing_typed_and_sign_out_at_the_provider_too(
    staffed: SignedInto, visit: Visit
) -> None:
    page = visit.page
    heading = page.get_by_role("heading", level=1)

    async def picks(user: str) -> None:
        await page.get_by_role("link", name="Log ind som medarbejder").click()
        await page.locator(f"#{user}").click()

    await page.goto(staffed.url)
    await picks("coordinator")
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
    await picks("coordinator")
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
