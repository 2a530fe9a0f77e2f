"""Two at the same instant: the database and the locks let one of them have it."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from brobyg_kit.testing import Running
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.errors import DoubleBooking
from matching_api import (
    READY_CITIZEN,
    database_of,
    fire,
    give,
    helper_token,
    never_twice,
    open_offers,
    post,
    rows,
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
    event,
    facts,
    need_closed,
    need_opened,
    of_another_citizen,
    query,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_two_claims_on_the_last_seat_at_the_same_instant(matching: Running) -> None:
    hosts = [a_helper(f"h{n}", **HOST) for n in range(6)]
    await give(matching, *hosts)
    await tell(matching, event(need_opened(facts(**SESSION))))
    path = f"/needs/{an_id('need')}/seats/3/claim"
    answers = await asyncio.gather(
        *(post(matching, path, headers=helper_token(one.helper_id)) for one in hosts)
    )
    assert sorted(status for status, _ in answers) == [200, *[409] * 5]
    assert (await seats(matching))[2][0] == "filled"
    await never_twice(matching)


async def test_two_claims_on_a_helpers_last_case_at_the_same_instant(matching: Running) -> None:
    await give(matching, a_helper("n", pools=("navigator",), papers={}, caseload_limit=0))
    for number in range(4):
        await tell(matching, *of_another_citizen(number, **CASE))
    assert {one for (one,) in await rows(matching, "select state from seat")} == {"waiting"}
    await rows(matching, "update helper set caseload_limit = 1")
    answers = await asyncio.gather(
        *(
            post(
                matching,
                f"/needs/{an_id(f'need {number}')}/seats/1/claim",
                headers=helper_token(an_id("n")),
            )
            for number in range(4)
        )
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    await never_twice(matching)


async def test_two_sessions_want_the_last_room_at_the_same_instant(matching: Running) -> None:
    await give(matching, *(a_helper(f"h{n}", **HOST) for n in range(2)))
    events = [event(need_opened(facts(f"session {n}", **SESSION))) for n in range(5)]
    await asyncio.gather(*(tell(matching, one) for one in events))
    held = await rows(matching, "select need_id from booking where holder = 'toy-room'")
    assert len(held) == 1
    reasons = await rows(
        matching,
        "select distinct s.reason from seat s join need n using (need_id)"
        " where n.resource_id is null",
    )
    assert reasons == [("no_room",)]
    await never_twice(matching)


async def test_of_many_acceptances_of_one_seat_at_the_same_instant_one_is_taken(
    matching: Running,
) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(3)))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offers = await open_offers(matching)
    answers = await asyncio.gather(
        *(
            post(matching, f"/offers/{one.offer_id}/accept", headers=helper_token(one.helper_id))
            for one in offers * 2
        )
    )
    taken = [status for status, _ in answers if status == 200]
    assert 1 <= len(taken) <= 2  # the same answer again has no effect
    assert (await seats(matching))[0][0] == "filled"
    await never_twice(matching)


async def test_a_helper_who_accepts_two_at_one_time_at_the_same_instant_has_one(
    matching: Running,
) -> None:
    await give(matching, a_helper("v"))
    for number in range(4):
        await tell(matching, *of_another_citizen(number))
    offers = await open_offers(matching)
    assert len(offers) == 4
    answers = await asyncio.gather(
        *(post(matching, f"/offers/{one.offer_id}/accept") for one in offers)
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    await fire(matching)
    assert await open_offers(matching) == []
    await never_twice(matching)


async def test_two_needs_of_one_citizen_that_come_at_the_same_instant_get_one_helper(
    matching: Running,
) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(6)))
    await tell(matching, *READY_CITIZEN)
    needs = [facts(f"need {n}", starts_at=LATE + timedelta(minutes=10 * n)) for n in range(4)]
    await asyncio.gather(*(tell(matching, event(need_opened(one))) for one in needs))
    offers = await open_offers(matching)
    assert len({one.need_id for one in offers}) == 1
    status, _ = await post(matching, f"/offers/{offers[0].offer_id}/accept")
    assert status == 200
    have = await rows(matching, "select distinct helper_id::text from seat")
    assert have == [(offers[0].helper_id,)]
    await never_twice(matching)


async def test_a_need_closed_while_it_is_accepted_leaves_nobody_booked(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN)
    for round_ in range(5):
        await tell(matching, event(need_opened(), round_))
        [offer] = await open_offers(matching)
        await asyncio.gather(
            post(matching, f"/offers/{offer.offer_id}/accept"),
            tell(matching, event(need_closed(), round_)),
        )
        assert await rows(matching, "select * from booking") == []
        assert (await seats(matching))[0] == ("closed", None)
        assert await open_offers(matching) == []


async def test_the_database_refuses_what_the_code_above_it_would_let_pass(
    matching: Running,
) -> None:
    await give(matching, a_helper("n", pools=("navigator",), papers={}))
    for word in ("a", "b"):
        await tell(matching, event(need_opened(facts(word))))
    one = (
        "insert into booking"
        " values (cast(:need as uuid), 1, 'holder', '[2026-12-01, 2026-12-02)', true)"
    )
    await rows(matching, one, need=an_id("a"))
    with pytest.raises(Exception, match="never_two_places_at_once") as refused:
        await rows(matching, one, need=an_id("b"))
    assert refused.value.__cause__
    assert isinstance(refused.value.__cause__.__cause__, asyncpg.ExclusionViolationError)
    with pytest.raises(Exception, match="never_above_the_limit"):
        await rows(matching, "insert into caseload values (cast(:n as uuid), 3, 2)", n=an_id("n"))


async def test_processes_that_remember_helpers_see_each_others_changes(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert (await seats(matching))[0][0] == "escalated"
    await give(matching, a_helper("v"))
    await tell(matching, event(need_opened(facts("other", starts_at=LATE + timedelta(days=2)))))
    assert [one.need_id for one in await open_offers(matching)] == [an_id("other")]
    await query(database_of(matching), "update helper set status = 'paused'")
    await query(database_of(matching), "update roster set version = version + 1")
    await tell(matching, event(need_opened(facts("third", starts_at=LATE + timedelta(days=5)))))
    assert {one.need_id for one in await open_offers(matching)} == {an_id("other")}


async def test_a_block_is_tried_again_when_who_is_found_instead_was_taken(
    matching: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await give(matching, a_helper("v"), a_helper("w"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offer = (await open_offers(matching))[0]
    await post(matching, f"/offers/{offer.offer_id}/accept")
    times, save, orders = 1, PostgresNeeds.save, list[str]()

    async def refused(self: PostgresNeeds, tx: Any, board: Any) -> None:
        nonlocal times
        await save(self, tx, board)
        times -= 1
        if times >= 0:
            raise DoubleBooking

    def noted(kind: type, name: str) -> None:
        before = getattr(kind, name)

        async def locked(*given: Any, **more: Any) -> Any:
            orders.append(name)
            return await before(*given, **more)

        monkeypatch.setattr(kind, name, locked)

    monkeypatch.setattr(PostgresNeeds, "save", refused)
    for kind, name in (
        (PostgresNeeds, "load"), (PostgresNeeds, "hold_places"), (PostgresHelpers, "lock"),
    ):  # fmt: skip
        noted(kind, name)
    path = f"/volunteers/{offer.helper_id}/blocks"
    body = {"citizen_id": an_id("citizen"), "asked_by": "citizen"}
    status, told = await post(matching, path, body)
    assert status in (200, 201, 204), told
    assert orders == ["load", "hold_places", "lock"] * 2, "decision 0021: one order of locks"
    assert await rows(matching, "select count(*) from block") == [(1,)]
    assert [one.helper_id for one in await open_offers(matching)] == [
        an_id("w") if offer.helper_id == an_id("v") else an_id("v")
    ]
    times = 100
    status, told = await post(matching, path, body)
    assert (status, told["title"]) == (503, "Others are changing the same thing")


async def test_who_has_the_rest_of_a_way_is_not_taken_twice_once_its_first_is_over(
    matching: Running,
) -> None:
    await give(matching, a_helper("v"))
    soon = LATE + timedelta(minutes=45)
    await tell(matching, *READY_CITIZEN, event(need_opened(facts("first"))))
    await tell(matching, event(need_opened(facts("second", starts_at=soon))))
    [offer] = await open_offers(matching)
    assert (await post(matching, f"/offers/{offer.offer_id}/accept"))[0] == 200
    await tell(matching, event(need_closed("first", "completed")))
    await never_twice(matching)
    assert await rows(matching, "select need_id::text from booking where exclusive") == [
        (an_id("second"),)
    ]
    # It did not take place after all, and is on another day: its helper is released from it.
    moved = facts("first", starts_at=LATE + timedelta(days=3))
    await tell(matching, event(need_opened(moved)), *of_another_citizen(1, starts_at=soon))
    path = f"/needs/{an_id('need 1')}/seats/1/assign"
    status, told = await post(matching, path, {"helper_id": an_id("v")})
    assert (status, told["type"].rpartition("/")[2]) == (409, "elsewhere")
    assert await seats(matching, "second") == [("filled", an_id("v"))]
    await never_twice(matching)
