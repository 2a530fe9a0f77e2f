"""Asking the owners: what is agreed is used, everything else waits."""

import httpx2
import pytest
from brobyg_kit.free_ports import free_port
from brobyg_kit.ids import derived_id
from brobyg_kit.problems import GONE, RESTRICTED
from brobyg_notification.adapters.people import HttpPeople
from brobyg_notification.domain.contact import Contact
from brobyg_notification.errors import NotToBeWrittenTo, OwnerUnavailable
from brobyg_notification.ports import AnswerLink

CITIZEN, HELPER, OFFER = derived_id("citizen"), derived_id("helper"), derived_id("offer")


@pytest.fixture
async def people(owners):
    async with httpx2.AsyncClient(base_url=owners.url) as client:
        yield HttpPeople(client, client)


async def test_each_question_carries_its_purpose(people, owners) -> None:
    assert await people.contact("citizen", CITIZEN, "notify_offer") == Contact(
        "Einer", "einer@example.org", "da", "home", "Testgrusgraven 3, 3.th"
    )
    assert await people.contact("helper", HELPER, "notify_offer") == Contact(
        "Ellen", "ellen@example.org", "en"
    )
    assert [purpose for _, purpose in owners.asked] == ["notify_offer", "notify_offer"]


async def test_a_link_says_whether_the_offer_is_open(people, owners) -> None:
    assert isinstance(link := await people.answer_link(OFFER), AnswerLink)
    assert (link.state, link.meeting, link.distance_metres) == ("open", "home", 4210)
    owners.offer("withdrawn")
    assert (await people.answer_link(OFFER)).state == "withdrawn"


async def test_a_matchs_times_are_told_while_it_stands(people, owners) -> None:
    link = await people.match_link(derived_id("need"), derived_id("match"))
    times = link.times
    assert link.token == "match.token"
    assert times.facts == {"meet_at": times.meet_at, "home_at": times.home_at, "minutes": 155}
    assert times.leave_at < times.meet_at < times.home_at
    owners.match("released")
    assert await people.match_link(derived_id("need"), derived_id("match")) is None


async def test_only_the_owner_itself_can_say_that_somebody_is_gone(people, owners) -> None:
    owners.gone(f"/citizens/{CITIZEN}/contact")
    assert await people.contact("citizen", CITIZEN, "notify_offer") is None


async def test_only_the_owner_itself_can_say_that_somebody_is_not_to_be_written_to(
    people, owners
) -> None:
    owners.restricted(f"/citizens/{CITIZEN}/contact")
    owners.restricted(f"/volunteers/{HELPER}/contact")
    for role, person in (("citizen", CITIZEN), ("helper", HELPER)):
        with pytest.raises(NotToBeWrittenTo) as refused:
            await people.contact(role, person, "notify_offer")
        assert refused.value.reason == "restricted"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"type": RESTRICTED}),
        (403, {"type": GONE}),
        (404, {"type": "https://brobyg.dk/problems/not-found", "title": "No such citizen"}),
        (404, {"type": GONE}),
        *(
            (status, body)
            for status in (404, 410)
            for body in (
                {"type": "about:blank", "title": "Not Found"},
                {"detail": "Not Found"},
                [],
                "no route",
            )
        ),
    ],
)
async def test_an_unknown_id_a_wrong_address_or_a_gateway_is_asked_again_later(
    people, owners, status: int, body: object
) -> None:
    for path in (f"/citizens/{CITIZEN}/contact", f"/volunteers/{HELPER}/contact"):
        owners.answers[path] = (status, body)
    owners.answers[f"/offers/{OFFER}/answer-link"] = (status, body)
    with pytest.raises(OwnerUnavailable, match="referral: 4"):
        await people.contact("citizen", CITIZEN, "notify_offer")
    with pytest.raises(OwnerUnavailable, match="matching: 4"):
        await people.contact("helper", HELPER, "notify_offer")
    with pytest.raises(OwnerUnavailable, match="matching: 4"):
        await people.answer_link(OFFER)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 503])
async def test_every_other_answer_is_asked_again_later(people, owners, status: int) -> None:
    owners.citizen(status)
    with pytest.raises(OwnerUnavailable, match=f"referral: {status}"):
        await people.contact("citizen", CITIZEN, "notify_offer")


async def test_an_answer_that_is_not_as_agreed_is_asked_again_later(people, owners) -> None:
    owners.citizen(meeting=None)
    with pytest.raises(OwnerUnavailable, match="not as agreed"):
        await people.contact("citizen", CITIZEN, "notify_offer")


async def test_an_unreachable_owner_is_asked_again_later() -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(OwnerUnavailable):
            await HttpPeople(client, client).contact("helper", HELPER, "notify_offer")
