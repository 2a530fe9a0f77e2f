"""An operator finds out at night what is not well, and settles what could not be handled.

The portal and matching are real; the other services are down.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_kit.free_ports import free_port
from brobyg_kit.ids import new_id
from brobyg_kit.parking import Origin, Parking, Received
from brobyg_kit.testing import Running
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_portal.bootstrap import SERVICE as PORTAL
from msgspec import Raw

from .conftest import MATCHING_KEYS, Visit, believed, sign_in
from .known_services import OPERATOR


@dataclass(frozen=True)
class System:
    """The portal in front of a matching that could not handle some events."""

    portal: Running
    matching: Running

    @property
    def database(self) -> Database:
        """Matching's."""
        assert self.matching.runtime.database is not None
        return self.matching.runtime.database

    async def park(self, subject: str) -> int:
        """Have an event of this subject be dead, or wait behind such a one; its number."""
        parking = Parking("matching")
        async with self.database.transaction() as tx:
            event = Event(
                id=new_id(self.database.clock), source="test", type=f"dk.brobyg.{subject}.broken",
                subject=subject, time=tx.now, dataschema="", correlationid=subject, sequence=1,
                data=Raw(b"null"),
            )  # fmt: skip
            received = Received(event, Origin("hospital.appointment.v1", 0, 2**40))
            await parking.park(tx, received, ValueError(), permanent=True)
        return max(one.id for one in await parking.listed(self.database))

    async def parked(self) -> dict[str, str]:
        """Subject to state of what is parked."""
        found = await Parking("matching").listed(self.database)
        return {one.subject: one.state for one in found}


@pytest_asyncio.fixture(loop_scope="session")
async def system(
    serve: Callable[..., AbstractAsyncContextManager[Running]], tmp_path: Path
) -> AsyncIterator[System]:
    """The services believe the portal, and it signs in people of its own."""
    issuers, signing = believed(tmp_path)
    nobody = {
        f"{name}_url": f"http://127.0.0.1:{free_port()}"
        for name in ("referral", "notification", "reporting")
    }
    async with (
        serve(MATCHING, issuers=issuers, **MATCHING_KEYS) as matching,
        serve(
            PORTAL,
            matching_url=matching.url,
            portal_signing_key=signing,
            **nobody,
        ) as portal,
    ):
        yield System(portal, matching)


async def test_an_operator_settles_dead_letters_without_javascript_and_each_once(
    system: System, visit: Visit
) -> None:
    for subject in ("first", "second"):
        await system.park(subject)
    page = await sign_in(visit, system.portal, OPERATOR)
    await page.goto(f"{system.portal.url}/operations")
    wrong = page.get_by_role("alert").first
    assert "referral svarer ikke." in await wrong.inner_text()
    assert "brobyg local start referral" in await wrong.inner_text()
    assert "henvisninger" not in await page.get_by_role("alert").nth(1).inner_text()
    assert "har 2 hændelser" in await page.get_by_role("alert").nth(1).inner_text()
    row = page.get_by_role("row").filter(has=page.get_by_text("matching", exact=True)).first
    assert "Klar" in await row.inner_text()

    await page.get_by_role("link", name="dk.brobyg.first.broken").click()
    await page.get_by_role("link", name="Prøv igen …").click()
    assert await system.parked() == {"first": "dead", "second": "dead"}, "a link acts not"
    await page.get_by_role("button", name="Prøv igen").click()
    assert page.url == f"{system.portal.url}/operations?done=replayed"
    assert await system.parked() == {"first": "retrying", "second": "dead"}
    assert "Prøves igen" in await page.locator("#dead-letters").inner_text()
    await page.go_back()
    assert await page.get_by_role("button", name="Prøv igen").count() == 0, "it is not dead"
    await page.get_by_role("link", name="Tilbage til Drift").click()

    await page.get_by_role("link", name="dk.brobyg.second.broken").click()
    await page.get_by_role("link", name="Kassér den …").click()
    await page.get_by_role("button", name="Kassér den").click()
    assert await page.locator("#reason-error").count() == 1
    await page.get_by_label("Den skulle ikke have været sendt").check()
    await page.get_by_role("button", name="Kassér den").click()
    assert page.url == f"{system.portal.url}/operations?done=discarded"
    assert await system.parked() == {"first": "retrying"}
    assert await page.get_by_role("link", name="dk.brobyg.second.broken").count() == 0


async def test_the_page_keeps_itself_fresh_and_leaves_the_focus_where_it_is(
    system: System, scripted: Visit
) -> None:
    await system.park("first")
    page = await sign_in(scripted, system.portal, OPERATOR)
    await page.goto(f"{system.portal.url}/operations")
    first = page.get_by_role("link", name="dk.brobyg.first.broken")
    await first.focus()
    await system.park("second")
    await page.evaluate("htmx.trigger(document.querySelector('#operations'), 'refresh')")
    await page.get_by_role("link", name="dk.brobyg.second.broken").wait_for()
    assert await first.evaluate("link => link === document.activeElement")
    assert scripted.complaints == []
