"""Offers and answers over real HTTP, on the real database."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import Running, bearer
from brobyg_matching.adapters.links import Links
from brobyg_matching.domain import transitions
from brobyg_matching.use_cases.timers import RETRY_AFTER
from matching_api import (
    COORDINATOR,
    LINK_KEY,
    NOTIFICATION,
    PORTAL,
    active,
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
    event,
    referral_created,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_link_shows_without_spending_and_is_answered_once(matching: Running) -> None:
    await active(matching)
    await tell(matching, event(referral_created()), event(a_booking()))
    [(offer_id, _)] = await open_offers(matching)
    link = (
        await matching.client.get(f"/offers/{offer_id}/answer-link", headers=NOTIFICATION)
    ).json()
    url = f"/answers/{link['token']}"
    for _ in range(3):
        shown = (await matching.client.get(url, headers=PORTAL)).json()
        assert (shown["state"], shown["location_name"]) == ("open", "Regionshospitalet Randers")
    for _ in range(2):
        taken = await matching.client.post(url, json={"answer": "accept"}, headers=PORTAL)
        assert (taken.status_code, taken.json()) == (200, {"state": "accepted"})
    other = await matching.client.post(url, json={"answer": "decline"}, headers=PORTAL)
    assert other.status_code == 409
    assert (await said(matching)).count("volunteer.matched") == 1


async def test_a_forged_or_foreign_token_is_unknown(matching: Running) -> None:
    forged = Links(["another-key-than-this-service-has"]).token(an_id("offer"))
    unknown = "https://brobyg.dk/problems/unknown-link"  # the portal tells the volunteer by it
    for token, kind in (
        (forged, unknown),
        ("nonsense", unknown),
        ("x" * 250, unknown),
        (Links([LINK_KEY]).token(an_id("no such offer")), "about:blank"),
    ):
        answer = await matching.client.get(f"/answers/{token}", headers=PORTAL)
        assert (answer.status_code, answer.json()["type"]) == (404, kind)
    assert (await matching.client.get(f"/answers/{'x' * 400}", headers=PORTAL)).status_code == 422
    assert (await matching.client.get(f"/answers/{forged}", headers=COORDINATOR)).status_code == 403
    assert (await matching.client.get(f"/answers/{forged}")).status_code == 401


async def test_a_token_that_signs_something_else_is_unknown(matching: Running) -> None:
    assert (
        await matching.client.get(f"/answers/{Links([LINK_KEY]).token('x')}", headers=PORTAL)
    ).status_code == 404


async def test_the_portal_carries_answers_and_reads_no_contact(matching: Running) -> None:
    somebodys = f"/volunteers/{derived_id('somebody')}/contact?purpose=offer"
    for path in (somebodys, f"/offers/{derived_id('an offer')}/answer-link", "/matches"):
        assert (await matching.client.get(path, headers=PORTAL)).status_code == 403, path
    assert (await matching.client.get("/answers/x", headers=NOTIFICATION)).status_code == 403


async def test_an_offer_is_answered_by_its_own_volunteer_or_a_coordinator_only(
    matching: Running,
) -> None:
    own, other = await active(matching), await active(matching, 1)
    await tell(matching, event(referral_created()), event(a_booking()))
    mine = next(offer for offer, who in await open_offers(matching) if who == own)
    stranger = await matching.client.post(
        f"/offers/{mine}/accept", headers=bearer("volunteer", subject=other)
    )
    assert stranger.status_code == 404
    taken = await matching.client.post(
        f"/offers/{mine}/accept", headers=bearer("volunteer", subject=own)
    )
    assert taken.json() == {"state": "accepted"}
    late = next(
        iter(
            await rows(matching, f"select offer_id::text from offer where volunteer_id = '{other}'")
        )
    )[0]
    refused = await matching.client.post(
        f"/offers/{late}/accept", headers=bearer("volunteer", subject=other)
    )
    assert (refused.status_code, refused.json()["title"]) == (409, "Somebody else has it already")


async def test_an_expired_offer_is_gone_even_before_its_timer_fires(
    own: Running, clock: ManualClock
) -> None:
    await active(own)
    await tell(own, event(referral_created()), event(a_booking()))
    [(offer_id, _)] = await open_offers(own)
    clock.advance(timedelta(hours=8))
    answer = await own.client.post(f"/offers/{offer_id}/accept", headers=COORDINATOR)
    assert answer.status_code == 410
    assert (await own.client.get(f"/offers/{offer_id}", headers=COORDINATOR)).json()[
        "state"
    ] == "expired"


async def test_a_cancelled_appointment_withdraws_the_question(matching: Running) -> None:
    await active(matching)
    await tell(matching, event(referral_created()), event(a_booking()))
    [(offer_id, _)] = await open_offers(matching)
    await tell(matching, event(cancelled(a_booking())))
    answer = await matching.client.post(f"/offers/{offer_id}/accept", headers=COORDINATOR)
    assert (answer.status_code, answer.json()["title"]) == (409, "The question was withdrawn")
    link = await matching.client.get(f"/offers/{offer_id}/answer-link", headers=NOTIFICATION)
    assert (link.status_code, link.json()["state"]) == (200, "withdrawn")


async def test_of_two_yeses_at_the_same_instant_exactly_one_has_it(matching: Running) -> None:
    for number in range(3):
        await active(matching, number, weekly_limit=50)
    await tell(matching, event(referral_created()))
    for attempt in range(25):
        start = NOW + timedelta(days=2 + attempt // 3, hours=(attempt % 3) * 6)
        await tell(matching, event(a_booking(f"appointment {attempt}", starts_at=start)))
        offers = await open_offers(matching)
        assert len(offers) == 3
        answers = await asyncio.gather(
            *(
                matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
                for offer, _ in offers
            )
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 2}
    assert (await said(matching)).count("volunteer.matched") == 25


async def _both_at_once(matching: Running, tries: int) -> Counter[tuple[int, ...]]:
    """One volunteer says yes to two overlapping appointments at the same instant, `tries` times."""
    await active(matching, weekly_limit=50)
    seen: Counter[tuple[int, ...]] = Counter()
    await tell(matching, event(referral_created("one")), event(referral_created("two")))
    for attempt in range(tries):
        start = NOW + timedelta(days=2 + attempt)
        bookings = [a_booking(f"{name} {attempt}", name, start) for name in ("one", "two")]
        await tell(matching, *(event(booking) for booking in bookings))
        offers = await open_offers(matching)
        assert len(offers) == 2
        answers = await asyncio.gather(
            *(
                matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
                for offer, _ in offers
            )
        )
        seen[tuple(sorted(answer.status_code for answer in answers))] += 1
        await tell(matching, *(event(cancelled(booking), 1) for booking in bookings))
    return seen


async def test_one_volunteer_saying_yes_to_two_overlapping_offers_at_once_gets_one(
    matching: Running,
) -> None:
    assert await _both_at_once(matching, 15) == {(200, 409): 15}


async def test_the_constraint_alone_keeps_a_volunteer_from_two_places(
    matching: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "commitment_rule_broken", lambda *_: None)
    assert await _both_at_once(matching, 8) == {(200, 409): 8}


async def test_control_without_both_guards_a_volunteer_is_in_two_places(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "commitment_rule_broken", lambda *_: None)
    await rows(own, "alter table match drop constraint never_two_places_at_once")
    assert await _both_at_once(own, 3) == {(200, 200): 3}


@pytest.mark.parametrize(("limit", "hours"), [(50, 0), (1, 24)], ids=["elsewhere", "weekly limit"])
async def test_a_yes_withdraws_what_the_volunteer_can_not_do_beside_it_and_asks_the_next(
    matching: Running, limit: int, hours: int
) -> None:
    mine = await active(matching, weekly_limit=limit)
    free = a_booking("free", starts_at=NOW + timedelta(days=9))
    against = a_booking("against", starts_at=a_booking().starts_at + timedelta(hours=hours))
    await tell(matching, event(referral_created()), event(a_booking()), event(against), event(free))
    other = await active(matching, 1)
    [(offer,)] = await rows(
        matching,
        f"select offer_id::text from offer where appointment_id = '{an_id('appointment')}'",
    )
    assert (
        await matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
    ).status_code == 200
    await fire(matching)
    gone = "select appointment_id::text, reason from offer where state = 'withdrawn'"
    assert await rows(matching, gone) == [(an_id("against"), "volunteer_promised")]
    still = "select appointment_id::text, volunteer_id::text from offer where state = 'open'"
    assert sorted(await rows(matching, still)) == sorted(
        [(an_id("free"), mine), (an_id("against"), other)]
    )


async def test_of_yeses_and_the_timers_at_the_same_instant_nobody_is_waited_for_in_vain(
    own: Running, clock: ManualClock
) -> None:
    matching = own
    for number in range(3):
        await active(matching, number, weekly_limit=50)
    await tell(matching, event(referral_created("one")), event(referral_created("two")))
    for attempt in range(12):
        start = NOW + timedelta(days=2 + attempt)
        bookings = [a_booking(f"{name} {attempt}", name, start) for name in ("one", "two")]
        await tell(matching, *(event(booking) for booking in bookings))
        still = "select offer_id::text from offer where state = 'open'"
        found = await rows(matching, f"{still} order by volunteer_id, appointment_id")
        first, second, third = found[0][0], found[1][0], found[-1][0]
        answers = await asyncio.gather(
            *(
                matching.client.post(f"/offers/{o}/accept", headers=COORDINATOR)
                for o in (first, second, third)
            ),
            fire(matching),
        )
        assert {answer.status_code for answer in answers[:3] if answer is not None} <= {200, 409}
        clock.advance(RETRY_AFTER)  # a search that somebody held was put off
        await fire(matching)
        in_vain = await rows(
            matching,
            "select o.volunteer_id from offer o join match m on m.volunteer_id = o.volunteer_id"
            " and tstzrange(m.leave_at, m.home_at) && tstzrange(o.leave_at, o.home_at)"
            " where o.state = 'open'",
        )
        assert in_vain == []
        await tell(matching, *(event(cancelled(booking), 1) for booking in bookings))


async def test_a_paused_volunteer_and_one_at_the_weekly_limit_are_refused_on_accepting(
    matching: Running,
) -> None:
    volunteer_id = await active(matching, weekly_limit=1)
    first, second = a_booking("one"), a_booking("two", starts_at=NOW + timedelta(days=4))
    await tell(matching, event(referral_created()), event(first), event(second))
    offers = await open_offers(matching)
    answers = [
        await matching.client.post(f"/offers/{offer}/accept", headers=COORDINATOR)
        for offer, _ in offers
    ]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json()["type"].endswith("weekly-limit")
    await matching.client.post(f"/volunteers/{volunteer_id}/pause", headers=COORDINATOR)
    paused = await matching.client.post(f"/offers/{offers[1][0]}/accept", headers=COORDINATOR)
    assert paused.json()["type"].endswith("withdrawn")
