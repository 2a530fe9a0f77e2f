"""Offers and answer links over HTTP."""

from datetime import timedelta

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    PORTAL,
    READY_CITIZEN,
    active,
    attention,
    fire,
    give,
    helper_token,
    open_offers,
    post,
    said,
    seats,
    tell,
)
from matching_samples import (
    a_helper,
    an_id,
    event,
    facts,
    need_closed,
    need_opened,
    of_another_citizen,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def link_of(matching: Running, offer_id: str) -> str:
    answer = await matching.client.get(f"/offers/{offer_id}/answer-link", headers=NOTIFICATION)
    token: str = answer.json()["token"]
    return f"/answers/{token}"


async def test_a_link_shows_and_answers_and_the_same_answer_again_has_no_effect(
    matching: Running,
) -> None:
    await active(matching)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    link = await link_of(matching, offer.offer_id)
    shown = (await matching.client.get(link, headers=PORTAL)).json()
    assert (shown["state"], shown["location_name"]) == ("open", "Randers hospital")
    assert (shown["language"], shown["role"], shown["withdrawable"]) == ("da", "companion", False)
    for _ in range(2):
        assert await post(matching, link, {"answer": "accept"}, PORTAL) == (
            200,
            {"state": "accepted"},
        )
    assert (await said(matching)).count("volunteer.matched") == 1
    status, _ = await post(matching, link, {"answer": "decline"}, PORTAL)
    assert status == 409


async def test_who_said_yes_can_say_i_can_not_after_all_behind_the_same_link(
    matching: Running,
) -> None:
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offer = (await open_offers(matching))[0]
    link = await link_of(matching, offer.offer_id)
    await post(matching, link, {"answer": "accept"}, PORTAL)
    assert (await matching.client.get(link, headers=PORTAL)).json()["withdrawable"] is True
    for _ in range(2):
        assert await post(matching, link, {"answer": "withdraw"}, PORTAL) == (
            200,
            {"state": "withdrawn"},
        )
    assert (await said(matching)).count("match.released") == 1
    [again] = await open_offers(matching)
    assert again.helper_id != offer.helper_id
    assert await attention(matching) == set()


async def test_who_can_not_at_the_last_moment_is_told_to_the_coordinator(
    own: Running, clock: ManualClock
) -> None:
    await give(own, a_helper("a"), a_helper("b"))
    start = clock.now() + timedelta(hours=20)
    await tell(own, *READY_CITIZEN, event(need_opened(facts(starts_at=start))))
    offer = (await open_offers(own))[0]
    await post(own, f"/offers/{offer.offer_id}/accept")
    assert (await post(own, f"/offers/{offer.offer_id}/withdraw"))[0] == 200
    assert ("late_cancellation", an_id("need")) in await attention(own)
    clock.advance(timedelta(hours=20))
    await tell(own, event(need_closed(reason="completed")))
    assert await attention(own) == set()


async def test_an_answer_after_its_time_is_refused(own: Running, clock: ManualClock) -> None:
    await give(own, a_helper("a"))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(own)
    clock.advance(timedelta(hours=9))
    status, told = await post(own, f"/offers/{offer.offer_id}/accept")
    assert (status, told["type"].rpartition("/")[2]) == (410, "expired")


async def test_a_decline_asks_the_next_at_once(matching: Running) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(4)))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    for one in await open_offers(matching):
        assert (await post(matching, f"/offers/{one.offer_id}/decline"))[0] == 200
    assert len(await open_offers(matching)) == 1


async def test_others_do_not_know_of_an_offer(matching: Running) -> None:
    await give(matching, a_helper("a"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    path = f"/offers/{offer.offer_id}"
    other = await matching.client.get(path, headers=helper_token(an_id("b")))
    mine = await matching.client.get(path, headers=helper_token(offer.helper_id))
    assert (other.status_code, mine.status_code) == (404, 200)
    assert mine.json()["need_id"] == an_id("need")


async def test_a_forged_link_is_unknown(matching: Running) -> None:
    answer = await matching.client.get("/answers/abc.def", headers=PORTAL)
    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "https://brobyg.dk/problems/unknown-link",
    )


async def test_an_acceptance_ends_other_offers_that_clash_with_it(matching: Running) -> None:
    await give(matching, a_helper("a"))
    for number in range(2):
        await tell(matching, *of_another_citizen(number))
    first, _ = await open_offers(matching)
    assert (await post(matching, f"/offers/{first.offer_id}/accept", headers=COORDINATOR))[0] == 200
    await fire(matching)
    assert await open_offers(matching) == []
    assert ("filled", an_id("a")) in await seats(matching, "need 0") + await seats(
        matching, "need 1"
    )


@pytest.mark.parametrize("how", ["declined", "expired", "withdrawn"])
async def test_of_an_offer_that_is_over_nothing_is_shown_of_the_need(
    own: Running, clock: ManualClock, how: str
) -> None:
    await give(own, a_helper("a"))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(own)
    path, link = f"/offers/{offer.offer_id}", await link_of(own, offer.offer_id)
    if how == "declined":
        await post(own, f"{path}/decline")
    elif how == "withdrawn":
        await tell(own, event(need_closed()))
    else:
        clock.advance(timedelta(hours=9))
    helper = helper_token(offer.helper_id)
    behind_link = (await own.client.get(link, headers=PORTAL)).json()
    signed_in = (await own.client.get(path, headers=helper)).json()
    for shown in (behind_link, signed_in):
        assert (shown["state"], shown["pathway"], shown["role"]) == (how, "escort", "")
        there = {
            "starts_at", "ends_at", "location_name", "leave_at", "meet_at", "home_at",
            "distance_metres",
        }  # fmt: skip
        assert {shown[name] for name in there} == {None}
    assert (behind_link["meeting"], behind_link["language"]) == (None, "da")
    assert (signed_in["need_id"], signed_in["helper_id"]) == (an_id("need"), offer.helper_id)


@pytest.mark.parametrize("answer", ["decline", "accept"])
async def test_the_link_of_an_offer_that_is_over_tells_nothing_of_where_the_two_meet(
    matching: Running, answer: str
) -> None:
    await active(matching)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    path = f"/offers/{offer.offer_id}/answer-link"

    async def told() -> dict[str, object]:
        link = (await matching.client.get(path, headers=NOTIFICATION)).json()
        return {name: link[name] for name in ("meeting", "distance_metres", "meet_at")}

    assert None not in (await told()).values()
    await post(matching, f"/offers/{offer.offer_id}/{answer}")
    if answer == "accept":
        assert None not in (await told()).values(), "it stands"
        await tell(matching, event(need_closed()))
    assert {*(await told()).values()} == {None}
