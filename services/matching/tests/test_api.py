"""The API over real HTTP, on the real database."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Protocol

import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event, decode
from brobyg_kit.health import Heartbeat
from brobyg_kit.ids import derived_id
from brobyg_kit.problems import NOT_FOUND
from brobyg_kit.tables import outbox, stream, timer
from brobyg_kit.testing import Running, bearer, served
from brobyg_kit.timers import Timers
from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.tables import metadata
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.domain import rules, transitions
from brobyg_matching.use_cases.timers import RETRY_AFTER
from matching_samples import (
    NOW,
    a_booking,
    an_id,
    cancelled,
    consent_withdrawn,
    event,
    query,
    referral_created,
    rescheduled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINK_KEY = "a-link-key-of-these-tests-only"
KEYS: dict[str, Any] = {
    "matching_link_keys": LINK_KEY,
    "matching_registration_keys": "a-registration-key-of-these-tests",
}
COORDINATOR, NOTIFICATION, PORTAL = bearer("coordinator"), bearer("service"), bearer("portal")


class Addresses(Protocol):
    """Where the real parts are."""

    kafka: str
    database: str


Serve = Callable[..., AbstractAsyncContextManager[Running]]
READY = {
    "confidentiality_signed_on": "2026-09-01",
    "record_checked_on": "2026-09-02",
    "introduced_on": "2026-09-03",
}


@pytest_asyncio.fixture(loop_scope="module")
async def own(serve: Serve, clock: ManualClock) -> AsyncIterator[Running]:
    """A service and a database for one test that changes its time or its tables."""
    async with serve(SERVICE, clock=clock, **KEYS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(addresses: Addresses) -> AsyncIterator[Running]:
    """One service for all tests that leave time and tables as they are."""
    clock = ManualClock(NOW)
    async with served(SERVICE, addresses.database, addresses.kafka, clock=clock, **KEYS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def matching(shared: Running) -> Running:
    """The shared service, emptied."""
    assert shared.runtime.database is not None
    tables = ", ".join(one.name for one in (timer, stream, outbox, *metadata.sorted_tables))
    await query(shared.runtime.database, f"truncate {tables}")
    return shared


def somebody(number: int = 0, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "name": "Ida Test Lauridsen",
        "email": f"ida{number}@example.org",
        "language": "da",
        "pool": "student",
        "department": "randers",
        "languages": ["da"],
        "gender": "female",
        "home_postcode": "8900",
        "range_metres": 30000,
        "travel": "car",
        "availability": [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)],
        "weekly_limit": 5,
    }
    return body | changes


async def active(matching: Running, number: int = 0, **changes: object) -> str:
    made = await matching.client.post(
        "/volunteers", json=somebody(number, **changes), headers=COORDINATOR
    )
    assert made.status_code == 201, made.text
    volunteer_id: str = made.json()["volunteer_id"]
    done = await matching.client.post(
        f"/volunteers/{volunteer_id}/activate", json=READY, headers=COORDINATOR
    )
    assert (done.status_code, done.json()["status"]) == (200, "active")
    return volunteer_id


async def tell(matching: Running, *events: Event) -> None:
    handle = matching.runtime.parts.handle
    assert handle is not None
    assert matching.runtime.database is not None
    async with matching.runtime.database.transaction() as tx:
        await handle(tx, events)


async def rows(matching: Running, statement: str) -> list[tuple[Any, ...]]:
    assert matching.runtime.database is not None
    return await query(matching.runtime.database, statement)


async def said(matching: Running) -> list[str]:
    found = await rows(matching, "select value from outbox order by id")
    return [decode(value).type.removeprefix("dk.brobyg.") for (value,) in found]


async def open_offers(matching: Running) -> list[tuple[str, str]]:
    found = await rows(
        matching,
        "select offer_id::text, volunteer_id::text from offer where state = 'open' order by rank",
    )
    return [(str(offer), str(volunteer)) for offer, volunteer in found]


async def test_a_volunteer_is_registered_activated_read_and_paused(matching: Running) -> None:
    volunteer_id = await active(matching)
    shown = (await matching.client.get(f"/volunteers/{volunteer_id}", headers=COORDINATOR)).json()
    assert "name" not in shown
    assert shown["availability"][0] == {"weekday": 1, "from": "00:00", "to": "24:00"}
    paused = await matching.client.post(f"/volunteers/{volunteer_id}/pause", headers=COORDINATOR)
    assert paused.json()["status"] == "paused"
    assert await said(matching) == [
        "volunteer.registered",
        "volunteer.activated",
        "volunteer.paused",
    ]


async def test_a_double_click_registers_one_volunteer(matching: Running) -> None:
    async def register(key: str, subject: str = "tester", **changes: object) -> tuple[int, str]:
        headers = bearer("coordinator", subject=subject) | {"Idempotency-Key": key}
        answer = await matching.client.post(
            "/volunteers", json=somebody(0, **changes), headers=headers
        )
        return answer.status_code, answer.json().get("volunteer_id", "")

    clicks = await asyncio.gather(*(register("k-1") for _ in range(4)))
    assert len({*clicks, await register("k-1")}) == 1
    assert clicks[0][0] == 201
    assert await said(matching) == ["volunteer.registered"]
    assert (await register("k-1", name="Bo Test Lauridsen"))[0] == 422
    assert (await register("k" * 129))[0] == 422
    assert len(await rows(matching, "select 1 from volunteer_contact")) == 1
    others = {await register("k-2"), await register("k-1", subject="another coordinator")}
    assert len({*clicks, *others}) == 3
    kept = repr(await rows(matching, "select key_hash, request_hash from registration"))
    assert not any(word in kept for word in ("k-1", "Ida", "example.org"))


async def test_who_sends_the_same_again_without_a_key_after_a_lost_answer_registers_one_volunteer(
    matching: Running,
) -> None:
    async def register(subject: str = "tester", **changes: object) -> str:
        headers = bearer("coordinator", subject=subject)
        answer = await matching.client.post(
            "/volunteers", json=somebody(0, **changes), headers=headers
        )
        assert answer.status_code == 201
        volunteer_id: str = answer.json()["volunteer_id"]
        return volunteer_id

    clicks = await asyncio.gather(*(register() for _ in range(4)))
    assert len({*clicks, await register()}) == 1
    assert await said(matching) == ["volunteer.registered"]
    partner = await register(name="Bo Test Lauridsen")  # two may share an address
    assert len({*clicks, partner, await register("another coordinator")}) == 3
    kept = repr(await rows(matching, "select key_hash, request_hash from registration"))
    assert not any(word in kept for word in ("Ida", "example.org"))


async def test_who_registers_somebody_again_is_told_how_they_stand_now(matching: Running) -> None:
    made = (await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)).json()
    assert made["status"] == "applied"
    await matching.client.post(
        f"/volunteers/{made['volunteer_id']}/activate", json=READY, headers=COORDINATOR
    )
    again = (await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)).json()
    assert again == made | {"status": "active"}


async def test_reading_a_contact_is_recorded_with_its_purpose(matching: Running) -> None:
    volunteer_id = await active(matching)
    answer = await matching.client.get(
        f"/volunteers/{volunteer_id}/contact?purpose=offer", headers=NOTIFICATION
    )
    told = answer.json()
    assert (told["email"], told["name"], told["phone"]) == ("ida0@example.org", "Ida", None), (
        "what a message needs"
    )
    assert await rows(matching, "select volunteer_id::text, purpose from access_log") == [
        (volunteer_id, "offer")
    ]
    url = f"/volunteers/{volunteer_id}/contact?purpose=offer"
    assert (
        await matching.client.get(url, headers=bearer("volunteer", subject=volunteer_id))
    ).status_code == 403


async def test_a_coordinator_reads_contacts_of_their_own_department_and_that_is_recorded_too(
    matching: Running,
) -> None:
    url = f"/volunteers/{await active(matching)}/contact"
    mine, other = (
        bearer("coordinator", subject=f"in {department}", department=department)
        for department in ("randers", "norddjurs")
    )
    assert (await matching.client.get(url, headers=mine)).status_code == 422  # what for?
    assert (
        await matching.client.get(f"{url}?purpose=escalation", headers=other)
    ).status_code == 404
    assert (await matching.client.get(f"{url}?purpose=escalation", headers=mine)).json()[
        "email"
    ] == "ida0@example.org"
    assert await rows(matching, "select reader, purpose from access_log") == [
        ("in randers", "escalation")
    ]
    nobody = f"/volunteers/{an_id('nobody')}/contact?purpose=escalation"
    assert (await matching.client.get(nobody, headers=COORDINATOR)).status_code == 404
    no_offer = f"/offers/{an_id('no offer')}/answer-link"
    for path in (nobody, no_offer):  # what lets notification give a message up for good
        gone = await matching.client.get(path, headers=NOTIFICATION)
        assert (gone.status_code, gone.json()["type"]) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"home_postcode": "9999"},
        {"email": "no address"},
        {"availability": [{"weekday": 8, "from": "08:00", "to": "16:00"}]},
        {"availability": [{"weekday": 1, "from": "16:00", "to": "08:00"}]},
        {"languages": []},
        {"name": "two\nlines"},
        {"department": "nowhere"},
        {"weekly_limit": "many"},
        {"name": "x\u0000y"},
        {"email": "x\u0000y@example.org"},
        {"email": "a@example.org, b@example.org"},
        {"email": "ida[0@example.org"},
        {"weekly_limit": True},
        {"weekly_limit": "5"},
        {"range_metres": 30000.0},
        {"availability": [{"weekday": True, "from": "08:00", "to": "16:00"}]},
        {"exceptions": [{"date": 0}]},
        {"exceptions": [{"date": "20263-12-24"}]},
        {"exceptions": [{"date": "2026-12-24", "available": 0}]},
    ],
)
async def test_what_is_wrong_is_told_by_field_and_nothing_is_kept(
    matching: Running, wrong: dict[str, object]
) -> None:
    answer = await matching.client.post(
        "/volunteers", json=somebody(0, **wrong), headers=COORDINATOR
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert error["pointer"].startswith(f"/{next(iter(wrong))}")
    assert await rows(matching, "select 1 from volunteer") == []


@pytest.mark.parametrize("wrong", [0, 20260901, True, "2026-09-01T00:00:00", "1 September"])
async def test_what_is_no_date_is_not_taken_for_one(matching: Running, wrong: object) -> None:
    made = await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)
    url = f"/volunteers/{made.json()['volunteer_id']}/activate"
    answer = await matching.client.post(
        url, json=READY | {"introduced_on": wrong}, headers=COORDINATOR
    )
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], "2026-11-30" in error["detail"]) == ("/introduced_on", True)


async def test_activation_needs_all_three_and_none_in_the_future(matching: Running) -> None:
    made = await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)
    url = f"/volunteers/{made.json()['volunteer_id']}/activate"
    missing = {name: day for name, day in READY.items() if name != "record_checked_on"}
    future = READY | {"introduced_on": "2027-01-01"}
    for body in (missing, future):
        assert (await matching.client.post(url, json=body, headers=COORDINATOR)).status_code == 422


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
    for token in (forged, "nonsense", "x" * 250, Links([LINK_KEY]).token(an_id("no such offer"))):
        assert (await matching.client.get(f"/answers/{token}", headers=PORTAL)).status_code == 404
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


async def fire(matching: Running) -> None:
    """Carry out what is due, as the service does when it runs whole."""
    runtime = matching.runtime
    assert runtime.database is not None
    timers = Timers(
        runtime.database,
        runtime.clock,
        runtime.parts.timers,
        runtime.metrics,
        Heartbeat("timers of a test"),
    )
    while await timers.fire():
        pass


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


async def block(matching: Running, volunteer_id: str, headers: dict[str, str] = COORDINATOR) -> int:
    body = {"citizen_id": an_id("citizen of referral"), "asked_by": "citizen"}
    return (
        await matching.client.post(f"/volunteers/{volunteer_id}/blocks", json=body, headers=headers)
    ).status_code


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


async def test_another_departments_volunteer_is_neither_blocked_nor_paused(
    matching: Running,
) -> None:
    mine = await active(matching)
    elsewhere = bearer("coordinator", department="norddjurs")
    assert await block(matching, mine, elsewhere) == 404
    assert (
        await matching.client.post(f"/volunteers/{mine}/pause", headers=elsewhere)
    ).status_code == 404
    assert await block(matching, an_id("nobody")) == 404
    assert await rows(matching, "select 1 from block") == []


async def test_contacts_stay_in_their_own_table(matching: Running) -> None:
    await active(matching)
    assert matching.runtime.database is not None
    volunteers = PostgresVolunteers(matching.runtime.database)
    [(volunteer_id,)] = await rows(matching, "select volunteer_id::text from volunteer_contact")
    kept = await volunteers.get(str(volunteer_id))
    assert "Ida" not in repr(kept)
