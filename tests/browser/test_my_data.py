"""Who has seen somebody's data is told to them, by the real portal and the real referral."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest_asyncio
from brobyg_kit import access_log
from brobyg_kit.auth import Caller
from brobyg_kit.erasure import remember
from brobyg_kit.testing import Running
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.domain.session import Person
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from playwright.async_api import Page

from .conftest import REFERRAL_KEYS, Visit, believed, sign_in
from .known_services import CITIZEN, ERASED

OFFICER = Person("staff", CITIZEN.subject, frozenset({"data_protection"}), "brobyg")
COORDINATOR = replace(OFFICER, roles=frozenset({"coordinator"}), department="aarhus")


@dataclass(frozen=True)
class System:
    """The portal in front of referral."""

    portal: Running
    referral: Running

    async def seen(self, person_id: str, times: int, emergency: str | None = None) -> None:
        """Have a coordinator open who this is."""
        database = self.referral.runtime.database
        assert database is not None
        reader = Caller("r", frozenset({"coordinator"}), "municipality-0730", "aarhus")
        async with database.transaction() as tx:
            people = [person_id] * times
            await access_log.record(tx, reader, people, "call", emergency)

    async def rows(self, page: Page) -> list[str]:
        """What the table says, row by row."""
        return await page.locator("tbody tr").all_inner_texts()


@pytest_asyncio.fixture(loop_scope="session")
async def system(
    serve: Callable[..., AbstractAsyncContextManager[Running]], tmp_path: Path
) -> AsyncIterator[System]:
    """Referral believes the portal."""
    issuers, signing = believed(tmp_path)
    async with (
        serve(REFERRAL, issuers=issuers, **REFERRAL_KEYS) as referral,
        serve(PORTAL, referral_url=referral.url, portal_signing_key=signing) as portal,
    ):
        yield System(portal, referral)


async def test_citizens_see_all_who_have_seen_theirs_and_nobody_elses(
    system: System, visit: Visit
) -> None:
    await system.seen(CITIZEN.subject, 501)
    await system.seen(CITIZEN.subject, 1, "acute")
    await system.seen(ERASED.subject, 3)
    page = await sign_in(visit, system.portal, CITIZEN)
    await page.goto(f"{system.portal.url}/")
    await page.get_by_role("link", name="Mine oplysninger").click()
    newest = (await system.rows(page))[0]
    assert "Koordinator, municipality-0730" in newest
    assert "Nødsituation akut fare for liv eller helbred" in newest
    assert await page.locator(".pages .count").inner_text() == "500 i alt"
    await page.get_by_role("link", name="Vis ældre").click()
    assert len(await system.rows(page)) == 2
    refused = await page.goto(f"{system.portal.url}/citizens/{ERASED.subject}/accesses")
    assert refused is not None
    assert refused.status == 404
    assert "Den borger findes ikke" in await page.inner_text("main")


async def test_who_was_erased_is_told_so_and_shown_no_list(system: System, visit: Visit) -> None:
    await system.seen(ERASED.subject, 3)
    page = await sign_in(visit, system.portal, ERASED)
    address = f"{system.portal.url}/my-data"
    await page.goto(address)
    assert len(await system.rows(page)) == 3
    database = system.referral.runtime.database
    assert database is not None
    async with database.transaction() as tx:
        await remember(tx, [ERASED.subject])
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 410
    assert "Vi ved ikke længere, hvem du er" in await page.inner_text("main")
    assert await system.rows(page) == []


async def test_staff_see_those_of_a_citizen_as_the_table_of_access_says(
    system: System, visit: Visit
) -> None:
    await system.seen(CITIZEN.subject, 2)
    address = f"{system.portal.url}/citizens/{CITIZEN.subject}/accesses"
    for who, status in ((OFFICER, 200), (COORDINATOR, 404)):
        page = await sign_in(visit, system.portal, who)
        answer = await page.goto(address)
        assert answer is not None
        assert answer.status == status
    page = await sign_in(visit, system.portal, replace(OFFICER, roles=frozenset({"operator"})))
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 403
