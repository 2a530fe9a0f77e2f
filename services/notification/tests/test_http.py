"""Asking the owners: what is agreed is used, everything else waits."""

import httpx2
import pytest
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import free_port
from brobyg_notification.adapters.http import HttpPeople
from brobyg_notification.ports import AnswerLink, Contact, OwnerUnavailable

CITIZEN, VOLUNTEER, OFFER = derived_id("citizen"), derived_id("volunteer"), derived_id("offer")


@pytest.fixture
async def people(owners):
    async with httpx2.AsyncClient(base_url=owners.url) as client:
        yield HttpPeople(client, client)


async def test_each_question_carries_its_purpose(people, owners) -> None:
    assert await people.citizen(CITIZEN, "notify_offer") == Contact(
        "Einer", "einer@example.org", "da", "Testgrusgraven 3, 3.th"
    )
    assert await people.volunteer(VOLUNTEER, "notify_offer") == Contact(
        "Ellen", "ellen@example.org", "en"
    )
    assert [purpose for _, purpose in owners.asked] == ["notify_offer", "notify_offer"]


async def test_a_link_says_whether_the_offer_is_open(people, owners) -> None:
    assert isinstance(link := await people.answer_link(OFFER), AnswerLink)
    assert link.is_open
    owners.offer("withdrawn")
    assert not (await people.answer_link(OFFER)).is_open


@pytest.mark.parametrize("status", [404, 410])
async def test_who_is_gone_is_gone(people, owners, status: int) -> None:
    owners.citizen(status)
    assert await people.citizen(CITIZEN, "notify_offer") is None


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 503])
async def test_every_other_answer_is_asked_again_later(people, owners, status: int) -> None:
    owners.citizen(status)
    with pytest.raises(OwnerUnavailable, match=f"referral: {status}"):
        await people.citizen(CITIZEN, "notify_offer")


async def test_an_answer_that_is_not_as_agreed_is_asked_again_later(people, owners) -> None:
    owners.answers[f"/citizens/{CITIZEN}/contact"] = (200, {"name": "x"})
    with pytest.raises(OwnerUnavailable, match="not as agreed"):
        await people.citizen(CITIZEN, "notify_offer")


async def test_nobody_at_home_is_asked_again_later() -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(OwnerUnavailable):
            await HttpPeople(client, client).volunteer(VOLUNTEER, "notify_offer")
