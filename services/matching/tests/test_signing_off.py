"""Whoever has a seat can say "I can't after all", in whatever way they came to have it."""

from datetime import timedelta
from typing import Any

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running, bearer
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    PORTAL,
    READY_CITIZEN,
    attention,
    emitted,
    give,
    helper_token,
    open_offers,
    post,
    rows,
    said,
    seats,
    tell,
)
from matching_samples import (
    CASE,
    HOST,
    LATE,
    SESSION,
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    consent_withdrawn,
    event,
    facts,
    need_closed,
    need_opened,
)
from msgspec.json import decode

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def link_of(matching: Running, need: str = "need", no: int = 1) -> str:
    """The link in the message to whoever has the seat."""
    [(match_id,)] = await rows(
        matching,
        "select match_id::text from seat where need_id = cast(:need as uuid) and no = :no",
        need=an_id(need),
        no=no,
    )
    path = f"/needs/{an_id(need)}/matches/{match_id}/answer-link"
    answer = await matching.client.get(path, headers=NOTIFICATION)
    assert answer.status_code == 200, answer.text
    return f"/answers/{answer.json()['token']}"


async def look(matching: Running, link: str) -> dict[str, Any]:
    answer = await matching.client.get(link, headers=PORTAL)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def releases(matching: Running) -> list[tuple[str, bool]]:
    """Reason, and whether the least crew still stands."""
    found = [
        decode(one.data)
        for one in await emitted(matching)
        if one.type == "dk.brobyg.match.released"
    ]
    return [(one["reason"], one["crew_complete"]) for one in found]


async def same_way(matching: Running) -> None:
    """The second of a way whose first was called off: its helper was never asked for it."""
    await give(matching, a_helper("v"), a_helper("w"))
    await tell(matching, *READY_CITIZEN, event(need_opened(facts("first"))))
    offer = (await open_offers(matching))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")
    later = LATE + timedelta(minutes=45)
    await tell(matching, event(need_opened(facts("need", starts_at=later))))
    await tell(matching, event(need_closed("first")))


async def assigned(matching: Running) -> None:
    await give(matching, a_helper("n", pools=("navigator",), papers={}))
    await tell(matching, *READY_CITIZEN, event(need_opened(facts(**CASE))))


async def claimed(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened(facts(**CASE))))
    await give(matching, a_helper("n", pools=("navigator",), papers={}))
    path = f"/needs/{an_id('need')}/seats/1/claim"
    assert (await post(matching, path, headers=helper_token(an_id("n"))))[0] == 200


async def by_hand(matching: Running) -> None:
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    path = f"/needs/{an_id('need')}/seats/1/assign"
    assert (await post(matching, path, {"helper_id": an_id("a")}))[0] == 200


async def offered(matching: Running) -> None:
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offer = (await open_offers(matching))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")


@pytest.mark.parametrize("came", [same_way, assigned, claimed, by_hand, offered])
async def test_in_whatever_way_a_helper_came_to_the_seat_they_can_sign_off_behind_the_link(
    matching: Running, came: Any
) -> None:
    await came(matching)
    [(state, helper_id)] = await seats(matching)
    assert state == "filled"
    link = await link_of(matching)
    shown = await look(matching, link)
    assert (shown["state"], shown["withdrawable"], shown["language"]) == ("accepted", True, "da")
    assert len(await releases(matching)) == (1 if came is same_way else 0), "looking never acts"
    for _ in range(2):
        assert await post(matching, link, {"answer": "withdraw"}, PORTAL) == (
            200,
            {"state": "withdrawn"},
        )
    assert (await releases(matching))[-1] == ("helper_withdrew", False)
    assert len(await releases(matching)) == (2 if came is same_way else 1)
    [(state, now)] = await seats(matching)
    assert now != helper_id
    gone = await look(matching, link)
    assert (gone["state"], gone["reason"]) == ("withdrawn", "helper_withdrew")
    assert (gone["withdrawable"], gone["starts_at"], gone["language"]) == (False, None, None)
    assert helper_id is not None
    assert helper_id not in link


async def test_a_link_of_a_match_that_is_gone_says_so_and_does_nothing(matching: Running) -> None:
    await by_hand(matching)
    link = await link_of(matching)
    path = f"/needs/{an_id('need')}/seats/1"
    assert (await post(matching, f"{path}/assign", {"helper_id": an_id("b")}))[0] == 200
    gone = await look(matching, link)
    assert (gone["state"], gone["reason"], gone["withdrawable"]) == ("withdrawn", None, False)
    for answer, problem in (("withdraw", "not-matched"), ("accept", "withdrawn")):
        status, told = await post(matching, link, {"answer": answer}, PORTAL)
        assert (status, told["type"].rpartition("/")[2]) == (409, problem)
    assert await seats(matching) == [("filled", an_id("b"))], "the next one's match is untouched"


async def test_behind_the_link_of_a_match_nothing_else_is_answered(matching: Running) -> None:
    await by_hand(matching)
    link = await link_of(matching)
    assert await post(matching, link, {"answer": "accept"}, PORTAL) == (200, {"state": "accepted"})
    status, told = await post(matching, link, {"answer": "decline"}, PORTAL)
    assert (status, told["type"].rpartition("/")[2]) == (409, "accepted")
    assert await seats(matching) == [("filled", an_id("a"))]


async def test_once_it_has_begun_the_link_says_to_call(own: Running, clock: ManualClock) -> None:
    await by_hand(own)
    link = await link_of(own)
    clock.advance(LATE - clock.now())
    assert (await look(own, link))["withdrawable"] is False
    status, told = await post(own, link, {"answer": "withdraw"}, PORTAL)
    assert (status, told["type"].rpartition("/")[2]) == (409, "begun")
    await tell(own, event(need_closed(reason="completed")))
    assert (await look(own, link))["state"] == "accepted"


async def test_signing_off_late_is_told_to_the_coordinator(
    own: Running, clock: ManualClock
) -> None:
    await by_hand(own)
    link = await link_of(own)
    clock.advance(LATE - timedelta(hours=3) - clock.now())
    assert (await post(own, link, {"answer": "withdraw"}, PORTAL))[0] == 200
    assert ("late_cancellation", an_id("need")) in await attention(own)


async def test_only_services_get_links_and_only_of_needs_there_are(matching: Running) -> None:
    await by_hand(matching)
    path = f"/needs/{an_id('need')}/matches/{an_id('match')}/answer-link"
    for headers in (COORDINATOR, PORTAL, helper_token(an_id("a"))):
        assert (await matching.client.get(path, headers=headers)).status_code == 403
    other = f"/needs/{an_id('other')}/matches/{an_id('match')}/answer-link"
    assert (await matching.client.get(other, headers=NOTIFICATION)).status_code == 404


async def test_a_coordinator_who_takes_a_helper_off_a_seat_is_not_told_as_the_helper(
    matching: Running,
) -> None:
    await by_hand(matching)
    path = f"/needs/{an_id('need')}/seats/1/release"
    assert (await post(matching, path, headers=bearer("coordinator", subject="kirsten")))[0] == 200
    assert await releases(matching) == [("coordinator_released", False)]
    offer = (await open_offers(matching))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")
    for _ in range(2):
        assert (await post(matching, f"/offers/{offer.offer_id}/withdraw"))[0] == 200
    assert [reason for reason, _ in await releases(matching)] == ["coordinator_released"] * 2


async def decisions(matching: Running) -> list[tuple[Any, ...]]:
    found = [
        decode(one.data) for one in await emitted(matching) if one.type == "dk.brobyg.need.decided"
    ]
    return [
        (one["outcome"], one.get("actor"), one.get("actor_role"), len(one["considered"]))
        for one in found
    ]


async def test_what_is_done_by_hand_is_told_with_who_did_it_and_who_could(
    matching: Running,
) -> None:
    kirsten = bearer("coordinator", subject="kirsten")
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    path = f"/needs/{an_id('need')}"
    for step, body in (
        ("hold", None), ("resume", None), ("seats/1/assign", {"helper_id": an_id("a")}),
        ("seats/1/release", None),
    ):  # fmt: skip
        assert (await post(matching, f"{path}/{step}", body, kirsten))[0] == 200
    by = (actor_of("kirsten"), "coordinator")
    assert await decisions(matching) == [
        ("asked", None, None, 2),
        ("held", *by, 0),
        ("resumed", *by, 0),
        ("asked", None, None, 2),
        ("by_hand", *by, 2),
        ("released", *by, 0),
        ("asked", None, None, 1),
    ]


async def test_who_claims_and_who_leaves_is_told_as_a_helper(matching: Running) -> None:
    await claimed(matching)
    me = helper_token(an_id("n"))
    assert (await post(matching, f"/needs/{an_id('need')}/seats/1/release", headers=me))[0] == 200
    told = [one for one in await decisions(matching) if one[1] is not None]
    assert told == [
        ("claimed", an_id("n"), "helper", 1),
        ("signed_off", an_id("n"), "helper", 0),
    ]


async def test_the_seat_of_a_need_on_the_same_way_gets_a_decision_too(matching: Running) -> None:
    await same_way(matching)
    assert [one[0] for one in await decisions(matching)] == ["asked", "accepted", "same_way"]


async def test_a_release_says_whether_the_least_crew_is_left(matching: Running) -> None:
    await give(matching, *(a_helper(f"h{n}", **HOST) for n in range(3)))
    guides = [a_helper(f"g{n}", pools=("toy_guide",)) for n in range(2)]
    await give(matching, *guides)
    await tell(matching, event(need_opened(facts(**SESSION))))
    crew = await rows(matching, "select no, role from seat order by no")
    for no, role in crew:
        somebody = f"h{no % 3}" if "host" in role else f"g{no % 2}"
        path = f"/needs/{an_id('need')}/seats/{no}/assign"
        status, told = await post(matching, path, {"helper_id": an_id(somebody)})
        assert status == 200, told
    least = {one.role: one.least or 0 for one in facts(**SESSION).crew}
    spare = next(r for r in least if least[r] < sum(role == r for _, role in crew))
    number = next(no for no, role in crew if role == spare)
    assert (await post(matching, f"/needs/{an_id('need')}/seats/{number}/release"))[0] == 200
    assert await releases(matching) == [("coordinator_released", True)]
    await tell(matching, event(need_closed(reason="withdrawn")))
    assert {complete for reason, complete in await releases(matching) if reason == "withdrawn"} == {
        False
    }


async def test_without_consent_nobody_stays_asked_or_promised(matching: Running) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(3)))
    ids = {"citizen_id": an_id("other"), "referral_id": an_id("another")}
    await tell(
        matching, event(citizen_recorded("other")), event(consent_given("another", "other")),
        event(need_opened(facts("asked", **ids))), *READY_CITIZEN,
        event(need_opened(facts("need", starts_at=LATE + timedelta(days=2)))),
    )  # fmt: skip
    offer = (await open_offers(matching, "need"))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")
    await tell(matching, event(consent_withdrawn("another", "other")), event(consent_withdrawn()))
    assert await open_offers(matching) == []
    assert await releases(matching) == [("consent_withdrawn", False)]
    withdrawn = await rows(
        matching, "select distinct reason from offer where state = 'withdrawn' and need_id ="
        " cast(:need as uuid)", need=an_id("asked"),
    )  # fmt: skip
    assert withdrawn == [("consent_withdrawn",)]
    assert await rows(matching, "select * from booking") == []
    assert await attention(matching) == set()
    assert (await said(matching)).count("match.released") == 1


async def test_a_changed_record_is_not_told_as_a_moved_appointment(matching: Running) -> None:
    await give(matching, a_helper("a"), a_helper("b", languages=frozenset({"ar"})))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    await post(matching, f"/offers/{offer.offer_id}/accept")
    await tell(matching, event(citizen_recorded(languages=("ar",))))
    assert await releases(matching) == [("citizen_changed", False)]
    assert [one.helper_id for one in await open_offers(matching)] == [an_id("b")]
