"""Searches, pauses and blocks over real HTTP, on the real database."""

import asyncio
import base64
from collections import Counter
from datetime import timedelta

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event
from brobyg_kit.testing import Running, bearer
from brobyg_matching.domain import rules
from matching_api import (
    COORDINATOR,
    active,
    block,
    fire,
    open_offers,
    rows,
    said,
    tell,
)
from matching_samples import (
    NOW,
    a_booking,
    an_id,
    cancelled,
    consent_withdrawn,
    event,
    referral_created,
    rescheduled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_pause_withdraws_what_is_open_keeps_what_was_accepted_and_asks_the_next(
    matching: Running,
) -> None:
    mine = await active(matching)
    await tell(matching, event(referral_created()), event(a_booking("accepted")))
    [(offer, _)] = await open_offers(matching)
    await matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
    await tell(matching, event(a_booking("open", starts_at=NOW + timedelta(days=4))))
    other = await active(matching, 1)
    for _ in range(2):  # again has no further effect
        assert (
            await matching.client.post(f"/volunteers/{mine}/pause", headers=COORDINATOR)
        ).status_code == 200
    assert [who for _, who in await open_offers(matching)] == [other]
    told = Counter(await said(matching))
    assert (told["volunteer.paused"], told["offer.withdrawn"], told["match.released"]) == (1, 1, 0)
    kept = (await matching.client.get(f"/matches/{an_id('accepted')}", headers=COORDINATOR)).json()
    assert (kept["state"], kept["volunteer_id"]) == ("matched", mine)


async def test_declining_goes_on_to_the_next_and_the_coordinator_sees_why(
    matching: Running,
) -> None:
    for number in range(4):
        await active(matching, number)
    await active(matching, 9, languages=["ar"])
    await tell(matching, event(referral_created()), event(a_booking()))
    for _ in range(4):
        offer, _ = (await open_offers(matching))[0]
        assert (
            await matching.client.post(f"/offers/{offer}/decline", headers=COORDINATOR)
        ).status_code == 200
    explained = (
        await matching.client.get(f"/matches/{an_id('appointment')}", headers=COORDINATOR)
    ).json()
    assert (explained["state"], explained["reason"], explained["asked"]) == (
        "escalated",
        "nobody_answered",
        4,
    )
    assert [decision["outcome"] for decision in explained["decisions"]] == [
        "asked",
        "asked",
        "nobody_answered",
    ]
    assert explained["decisions"][0]["counts"] == {"language": 1}
    assert [line["rank"] for decision in explained["decisions"] for line in decision["asked"]] == [
        1,
        2,
        3,
        4,
    ]
    assert {offer["state"] for offer in explained["offers"]} == {"declined"}
    assert (await said(matching))[-1] == "match.escalated"
    assert set(explained["decisions"][0]["excluded"]) <= set(rules.HARD_RULES)


async def test_a_released_match_is_searched_again(matching: Running) -> None:
    volunteer_id = await active(matching)
    await active(matching, 1)
    await tell(matching, event(referral_created()), event(a_booking()))
    offer, who = (await open_offers(matching))[0]
    await matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
    url = f"/matches/{an_id('appointment')}/release"
    stranger = await matching.client.post(
        url, headers=bearer("volunteer", subject=an_id("stranger"))
    )
    assert stranger.status_code == 404
    released = await matching.client.post(url, headers=bearer("volunteer", subject=who))
    assert (released.status_code, released.json()) == (200, {"state": "searching"})
    assert {asked for _, asked in await open_offers(matching)} != {who}
    assert volunteer_id
    assert (await matching.client.post(url, headers=COORDINATOR)).status_code == 409


async def test_a_coordinator_has_it_searched_once_more_with_whoever_can_now(
    own: Running, clock: ManualClock
) -> None:
    silent, unwilling = await active(own), await active(own, 1)
    await tell(own, event(referral_created()), event(a_booking()))
    url = f"/matches/{an_id('appointment')}/reopen"
    too_soon = await own.client.post(url, headers=COORDINATOR)
    assert (too_soon.status_code, too_soon.json()["title"]) == (
        409,
        "It is not with the coordinator",
    )
    no = next(offer for offer, who in await open_offers(own) if who == unwilling)
    await own.client.post(f"/offers/{no}/decline", headers=COORDINATOR)
    clock.advance(timedelta(hours=8))
    await fire(own)
    assert (await said(own))[-1] == "match.escalated"
    new = await active(own, 2)
    assert (
        await own.client.post(url, headers=bearer("coordinator", department="norddjurs"))
    ).status_code == 404
    assert (
        await own.client.post(url, headers=bearer("volunteer", subject=silent))
    ).status_code == 403
    nowhere = f"/matches/{an_id('nowhere')}/reopen"
    assert (await own.client.post(nowhere, headers=COORDINATOR)).status_code == 404
    answers = await asyncio.gather(*(own.client.post(url, headers=COORDINATOR) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert {who for _, who in await open_offers(own)} == {silent, new}
    assert (await said(own))[-2:] == ["offer.made", "offer.made"]
    explained = (
        await own.client.get(f"/matches/{an_id('appointment')}", headers=COORDINATOR)
    ).json()
    assert (explained["state"], explained["round"]) == ("searching", 2)


async def test_what_is_too_late_to_ask_anybody_for_is_not_searched_once_more(
    matching: Running,
) -> None:
    await tell(
        matching, event(referral_created()), event(a_booking(starts_at=NOW + timedelta(hours=2)))
    )
    late = await matching.client.post(
        f"/matches/{an_id('appointment')}/reopen", headers=COORDINATOR
    )
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (409, "too-late")
    assert await said(matching) == ["match.escalated"]


async def test_a_moved_appointment_asks_anew_and_the_old_link_says_withdrawn(
    matching: Running,
) -> None:
    await active(matching)
    await tell(matching, event(referral_created()), event(a_booking()))
    [(offer, _)] = await open_offers(matching)
    await matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
    await tell(matching, event(rescheduled(a_booking(), NOW + timedelta(days=5))))
    assert (await matching.client.get(f"/offers/{offer}", headers=COORDINATOR)).json()[
        "state"
    ] == "withdrawn"
    [(again, _)] = await open_offers(matching)
    assert again != offer
    assert "match.released" in await said(matching)


async def test_searches_are_paged_and_kept_to_the_department(matching: Running) -> None:
    await active(matching)
    await tell(matching, event(referral_created()), *(event(a_booking(f"a{n}")) for n in range(5)))
    seen: list[str] = []
    after: str | None = None
    while True:
        query = "/matches?limit=2" + (f"&after={after}" if after else "")
        page = (await matching.client.get(query, headers=COORDINATOR)).json()
        seen += [item["appointment_id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(an_id(f"a{n}") for n in range(5))
    elsewhere = bearer("coordinator", department="norddjurs")
    assert (await matching.client.get("/matches", headers=elsewhere)).json()["items"] == []
    assert (await matching.client.get(f"/matches/{seen[0]}", headers=elsewhere)).status_code == 404
    somewhere = f"|{an_id('a1')}"
    for wrong in (
        "bogus",
        "2026-12-02T09:00:00" + somewhere,
        "0001-01-01T00:00:00+14:00" + somewhere,
    ):
        for after in (wrong, base64.urlsafe_b64encode(wrong.encode()).decode()):
            refused = await matching.client.get(
                "/matches", params={"after": after}, headers=COORDINATOR
            )
            assert refused.status_code == 422
    assert (
        await matching.client.get("/matches?state=bogus", headers=COORDINATOR)
    ).status_code == 422


@pytest.mark.parametrize("wrong", ["%00", "nowhere", "", "x" * 41])
async def test_a_department_that_is_none_of_ours_is_told_as_a_wrong_field(
    matching: Running, wrong: str
) -> None:
    answer = await matching.client.get(f"/matches?department={wrong}", headers=COORDINATOR)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (
        await matching.client.get("/matches?department=randers", headers=COORDINATOR)
    ).status_code == 200


async def test_a_block_is_kept(matching: Running) -> None:
    volunteer_id = await active(matching)
    assert await block(matching, volunteer_id) == 404, (
        "of a citizen nobody has heard of it would only look like a block"
    )
    await tell(matching, event(referral_created()))
    assert await block(matching, volunteer_id) == 204
    await tell(matching, event(a_booking()))
    explained = (
        await matching.client.get(f"/matches/{an_id('appointment')}", headers=COORDINATOR)
    ).json()
    assert explained["decisions"][0]["excluded"] == {"blocked": [volunteer_id]}


async def test_a_block_withdraws_the_question_releases_the_match_and_asks_others(
    matching: Running,
) -> None:
    mine, other = await active(matching), await active(matching, 1)
    await tell(matching, event(referral_created()), event(a_booking("accepted")))
    taken = next(offer for offer, who in await open_offers(matching) if who == mine)
    await matching.client.post(f"/offers/{taken}/accept", headers=COORDINATOR)
    await tell(matching, event(a_booking("open", starts_at=NOW + timedelta(days=4))))
    for _ in range(2):
        assert await block(matching, mine) == 204
    assert [who for _, who in await open_offers(matching)] == [other, other]
    reasons = f"select reason from offer where volunteer_id = '{mine}' and state = 'withdrawn'"
    assert await rows(matching, reasons) == [("blocked",), ("blocked",)]
    told = Counter(await said(matching))
    assert (told["match.released"], told["offer.withdrawn"]) == (
        1,
        2,
    )  # one question of the other's went when mine was taken
    late = await matching.client.post(f"/offers/{taken}/accept", headers=COORDINATOR)
    assert late.json()["type"].endswith("withdrawn")


async def test_of_a_block_and_a_yes_at_the_same_instant_the_two_are_parted(
    matching: Running,
) -> None:
    mine = await active(matching, weekly_limit=50)
    await tell(matching, event(referral_created()))
    for attempt in range(12):
        start = NOW + timedelta(days=2 + attempt // 3, hours=(attempt % 3) * 6)
        await tell(matching, event(a_booking(f"appointment {attempt}", starts_at=start)))
        [(offer, _)] = await open_offers(matching)
        _, blocked = await asyncio.gather(
            matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR),
            block(matching, mine),
        )
        assert blocked == 204
        assert await rows(matching, "select 1 from match where volunteer_id is not null") == []
        await rows(matching, "delete from block")


@pytest.mark.parametrize("off", ["cancelled", "consent withdrawn"])
async def test_of_a_yes_and_a_no_from_the_other_side_at_the_same_instant_nobody_is_left_promised(
    matching: Running, off: str
) -> None:
    for number in range(2):
        await active(matching, number, weekly_limit=50)
    outcomes: Counter[int] = Counter()
    for attempt in range(15):
        name = f"referral {attempt}"
        booking = a_booking(f"appointment {attempt}", name, NOW + timedelta(days=2 + attempt // 3))
        await tell(matching, event(referral_created(name)), event(booking))
        offer, _ = (await open_offers(matching))[0]
        ended = event(cancelled(booking)) if off == "cancelled" else event(consent_withdrawn(name))

        async def end(ended: Event, head_start: int) -> None:
            for _ in range(head_start):
                await rows(matching, "select 1")
            await tell(matching, ended)

        answer, _ = await asyncio.gather(
            matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR),
            end(ended, 4 * attempt),
        )
        outcomes[answer.status_code] += 1
        assert (
            await rows(
                matching, "select 1 from match where state <> 'closed' or volunteer_id is not null"
            )
            == []
        )
        assert await rows(matching, "select 1 from offer where state in ('open', 'accepted')") == []
    told = Counter(await said(matching))
    assert set(outcomes) == {200, 409}
    # Whoever was first: each yes that was taken is told, and told to be off.
    assert (told["volunteer.matched"], told["match.released"]) == (outcomes[200], outcomes[200])
    assert told["offer.made"] == told["offer.accepted"] + told["offer.withdrawn"] == 30
