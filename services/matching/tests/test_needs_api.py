"""Needs over HTTP: shown, and what a coordinator does by hand."""

from datetime import timedelta
from typing import Any

import pytest
from brobyg_kit.testing import Running, as_owner, bearer
from brobyg_matching.adapters.queries import Queries
from matching_api import (
    COORDINATOR,
    READY_CITIZEN,
    attention,
    database_of,
    give,
    helper_token,
    open_offers,
    post,
    rows,
    said,
    seats,
    tell,
)
from matching_samples import DEPARTMENT, LATE, a_helper, an_id, event, facts, need_opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = f"/needs/{an_id('need')}"


async def test_a_need_is_shown_with_its_seats_offers_and_bookings(matching: Running) -> None:
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offer = (await open_offers(matching))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")
    shown = (await matching.client.get(PATH, headers=COORDINATOR)).json()
    assert (shown["state"], shown["missing"], shown["seats"][0]["way"]) == ("filled", 0, "offer")
    assert {one["state"] for one in shown["offers"]} == {"accepted", "withdrawn"}
    [booked] = shown["bookings"]
    assert (booked["seat_no"], booked["holder"]) == (1, offer.helper_id)


async def test_needs_come_a_page_at_a_time_by_their_start(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN)
    for day in range(5):
        one = facts(f"need {day}", starts_at=LATE + timedelta(days=day))
        await tell(matching, event(need_opened(one)))
    seen, after, page = [], "", {}
    for _ in range(3):
        page = (await matching.client.get(f"/needs?limit=2{after}", headers=COORDINATOR)).json()
        seen += [one["need_id"] for one in page["items"]]
        after = f"&after={page['next']}"
    assert seen == [an_id(f"need {day}") for day in range(5)]
    assert page["next"] is None
    for query, number in (("state=open", 5), ("seat=escalated", 5), ("state=filled", 0)):
        page = (await matching.client.get(f"/needs?{query}", headers=COORDINATOR)).json()
        assert len(page["items"]) == number, query


async def test_a_coordinator_of_another_department_knows_of_no_need(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    elsewhere = bearer("coordinator", department="aarhus")
    assert (await matching.client.get(PATH, headers=elsewhere)).status_code == 404
    assert (await post(matching, f"{PATH}/hold", headers=elsewhere))[0] == 404
    assert (await matching.client.get("/needs", headers=elsewhere)).json()["items"] == []


async def test_the_asking_is_held_and_resumed(matching: Running) -> None:
    await give(matching, a_helper("a"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    status, shown = await post(matching, f"{PATH}/hold")
    assert (status, shown["seats"][0]["state"]) == (200, "held")
    assert await open_offers(matching) == []
    assert (await post(matching, f"{PATH}/hold"))[0] == 409
    status, shown = await post(matching, f"{PATH}/resume")
    assert (status, shown["seats"][0]["state"]) == (200, "searching")
    assert len(await open_offers(matching)) == 1


async def test_what_nobody_took_is_searched_once_more_and_the_matter_is_settled(
    matching: Running,
) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert await attention(matching) == {("nobody_found", an_id("need"))}
    await give(matching, a_helper("a"))
    status, shown = await post(matching, f"{PATH}/reopen")
    assert (status, shown["seats"][0]["round"]) == (200, 2)
    assert await attention(matching) == set()
    assert (await post(matching, f"{PATH}/reopen"))[0] == 409


async def test_the_coordinator_gives_the_seat_to_somebody_whom_the_rules_rule_out(
    matching: Running,
) -> None:
    await give(matching, a_helper("a", languages=frozenset({"ar"})))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    path = f"{PATH}/seats/1/assign"
    for _ in range(2):
        status, shown = await post(matching, path, {"helper_id": an_id("a")})
        assert (status, shown["state"], shown["seats"][0]["way"]) == (200, "filled", "by_hand")
    assert (await said(matching)).count("volunteer.matched") == 1
    assert await attention(matching) == set()


async def test_nobody_is_given_two_seats_at_one_time(matching: Running) -> None:
    await give(matching, a_helper("a"))
    ids = {"citizen_id": None, "referral_id": None, "pathway": "toy_session"}
    for word in ("one", "two"):
        place = "toy-palace"
        await tell(matching, event(need_opened(facts(word, location_id=place, **ids))))
    body = {"helper_id": an_id("a")}
    first = await post(matching, f"/needs/{an_id('one')}/seats/1/assign", body)
    second = await post(matching, f"/needs/{an_id('two')}/seats/1/assign", body)
    assert (first[0], second[0]) == (200, 409)
    assert second[1]["type"].endswith("/elsewhere")


async def test_a_helper_leaves_their_own_seat_and_no_other(matching: Running) -> None:
    await give(matching, a_helper("a"), a_helper("b"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    await post(matching, f"{PATH}/seats/1/assign", {"helper_id": an_id("a")})
    path = f"{PATH}/seats/1/release"
    assert (await post(matching, path, headers=helper_token(an_id("b"))))[0] == 404
    status, shown = await post(matching, path, headers=helper_token(an_id("a")))
    assert (status, shown) == (200, {"state": "searching"})
    assert await seats(matching) == [("searching", None)]


async def test_nothing_is_done_by_hand_before_the_citizens_consent(matching: Running) -> None:
    await give(matching, a_helper("a"))
    await tell(matching, event(need_opened()))
    path = f"{PATH}/seats/1/assign"
    status, told = await post(matching, path, {"helper_id": an_id("a")})
    assert (status, told["type"].rpartition("/")[2]) == (409, "waiting")
    assert await rows(matching, "select * from booking") == []


async def test_an_item_is_claimed_and_settled_by_the_coordinator(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [(item,)] = await rows(matching, "select attention_id::text from attention")
    assert (await post(matching, f"/attention/{item}/claim"))[0] == 200
    status, _ = await post(matching, f"/attention/{item}/settle", {"outcome": "solved_by_phone"})
    assert status == 200
    assert [one for one in await said(matching) if one.startswith("attention")] == [
        "attention.raised", "attention.claimed", "attention.settled",
    ]  # fmt: skip


async def test_a_claim_without_a_helper_is_told_what_is_wrong(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    path = f"{PATH}/seats/1/claim"
    assert (await post(matching, path))[0] == 422
    assert (await post(matching, path, headers=helper_token("nobody in particular")))[0] == 404


@pytest.mark.parametrize("asked", ["state=open", "seat=escalated", "state=waiting&seat=held"])
async def test_what_has_not_ended_is_listed_without_walking_what_has(
    own: Running, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    await rows(own, CLOSED, department=DEPARTMENT)
    await as_owner(database_of(own), "vacuum analyze need")
    statements: list[str] = []

    async def read(_: Queries, statement: Any) -> list[Any]:
        compiled = statement.compile(database_of(own).engine.sync_engine, compile_kwargs=LITERAL)
        statements.append(str(compiled))
        return []

    monkeypatch.setattr(Queries, "_read", read)
    path = f"/needs?department={DEPARTMENT}&{asked}"
    assert (await own.client.get(path, headers=COORDINATOR)).status_code == 200
    async with database_of(own).transaction() as tx:
        plan = await tx.driver.fetch(f"explain {statements[0]}")
    assert "need_live" in str(plan)


LITERAL = {"literal_binds": True}
#: Two thousand needs that have ended.
CLOSED = """
    insert into need (need_id, about_kind, about_id, pathway, department, mode, priority,
        competences, crew, state, reason, opened_at, attention, waits)
    select gen_random_uuid(), 'appointment', gen_random_uuid(), 'escort', :department, 'in_person',
        1, '{}', '[]', 'closed', 'completed', now(), '{}', false
    from generate_series(1, 2000)
"""
