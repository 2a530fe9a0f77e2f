"""/docs as a developer meets it: in a real browser, with no internet."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from brobyg_kit.testing import Running
from brobyg_portal.bootstrap import SERVICE as PORTAL

from .conftest import Visit

Serve = Callable[..., AbstractAsyncContextManager[Running]]


async def test_the_api_is_described_without_the_internet(serve: Serve, scripted: Visit) -> None:
    async with serve(PORTAL) as portal:
        await scripted.page.goto(f"{portal.url}/docs")
        operation = scripted.page.locator(".opblock-summary-path", has_text="/livez")
        await operation.click()
        await scripted.page.get_by_role("button", name="Try it out").click()
        await scripted.page.get_by_role("button", name="Execute").click()
        await scripted.page.locator(".live-responses-table").get_by_text('"alive": true').wait_for()

        assert scripted.hosts == {portal.url.removeprefix("http://")}
        assert scripted.complaints == []
        assert await scripted.page.locator("script:not([src])").count() == 0
