"""Who has not agreed to messages is sent none; a coordinator is told, and the helper too."""

import httpx2
import pytest
from brobyg_contracts import NotificationFailed, VolunteerMatched
from brobyg_kit.ids import derived_id
from brobyg_kit.problems import PROBLEM_TYPES
from brobyg_notification.adapters.people import HttpPeople
from brobyg_notification.errors import NotToBeWrittenTo, OwnerUnavailable

CITIZEN = derived_id("citizen")


async def test_the_message_ends_and_the_helper_learns_whom_to_meet(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.refused = "contact_not_consented"
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        told = dict(await parts.emitted())
        ((_, item),) = await parts.attention()
    assert told[NotificationFailed.EVENT_TYPE]["reason"] == "contact_not_consented"
    assert item["reasons"] == ["contact_not_consented", "citizen"]
    (message,) = mail_server.to("ellen@example.org")
    assert "Einer" in message.get_body().get_content()
    assert mail_server.to("einer@example.org") == []


async def test_only_the_owners_own_word_refuses(owners) -> None:
    async with httpx2.AsyncClient(base_url=owners.url) as client:
        people = HttpPeople(client, client)
        owners.refused = "contact_not_consented"
        with pytest.raises(NotToBeWrittenTo, match="contact_not_consented"):
            await people.contact("citizen", CITIZEN, "notify_offer")
        assert await people.contact("citizen", CITIZEN, "notify_offer", "meet")
        owners.refused = "something-else"
        with pytest.raises(OwnerUnavailable, match="referral: 403"):
            await people.contact("citizen", CITIZEN, "notify_offer")
        owners.refused = None
        path = f"/citizens/{CITIZEN}/contact"
        owners.answers[path] = (409, {"type": f"{PROBLEM_TYPES}contact_not_consented"})
        with pytest.raises(OwnerUnavailable, match="referral: 409"):
            await people.contact("citizen", CITIZEN, "notify_offer")
