"""Departments: taken over while needs are open, served by a helper of two, asked as neighbours."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from brobyg_contracts import MatchReleased, NeedDecided, OfferMade
from brobyg_contracts import reference as reference_data
from brobyg_contracts.reference import Reference
from brobyg_kit.clock import ManualClock
from brobyg_kit.parking import Origin, Received
from brobyg_kit.replica import Copies, Copy
from brobyg_kit.testing import Running, bearer, eventually
from matching_api import (
    READY_CITIZEN,
    attention,
    database_of,
    fire,
    give,
    heard,
    helper_token,
    open_offers,
    post,
    rows,
    seats,
    tell,
)
from matching_samples import (
    DEPARTMENT,
    RECORDS,
    a_citizen,
    a_helper,
    an_id,
    another_citizen,
    case_of,
    citizen_recorded,
    consent_given,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
)
from msgspec.structs import replace

pytestmark = pytest.mark.asyncio(loop_scope="module")
OLD = "aarhus"
#: A coordinator of each department, as their tokens name it.
OF_OLD, OF_PRESENT = (bearer("coordinator", department=one) for one in (OLD, DEPARTMENT))
_offsets = itertools.count(1_000)
_BY_KEY = {record.record: record for record in RECORDS}


def changed(key: str, **fields: Any) -> Any:
    """A record of these tests with other fields."""
    return replace(_BY_KEY[key], version=next(_offsets), **fields)


MERGED = (
    (OLD, {"withdrawn": True}),
    (DEPARTMENT, {"former": ("randers", "norddjurs", OLD), "municipalities": ("0730", "0751")}),
)


async def recorded(matching: Running, *records: Any) -> None:
    """These records of reference data have come: they are copied, then handled."""
    copies = Copies([Copy(reference_data.TOPIC, reference_data.KINDS, Reference)], {})
    events = [event(record, next(_offsets)) for record in records]
    handle = matching.runtime.parts.handle
    assert handle is not None
    async with database_of(matching).transaction() as tx:
        await copies.keep(
            tx,
            [Received(o, Origin(reference_data.TOPIC, 0, next(_offsets))) for o in events],
        )
        await handle(tx, events)


async def merge(matching: Running) -> None:
    """The old department is taken over."""
    await recorded(matching, *(changed(f"department/{one}", **how) for one, how in MERGED))

    async def known() -> bool:
        answer = await matching.client.get(f"/needs?department={OLD}", headers=OF_PRESENT)
        return answer.status_code == 200

    await eventually(known, "the service knows of it", 20)


async def listed(matching: Running, headers: dict[str, str], query: str = "") -> list[Any]:
    answer = await matching.client.get(f"/needs{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def test_what_is_searched_for_goes_on_among_the_helpers_of_who_took_it_over(
    own: Running, clock: ManualClock
) -> None:
    await give(own, *(a_helper(f"old {n}", departments=(OLD,)) for n in range(3)))
    start = clock.now() + timedelta(days=4)
    opened = facts(department=OLD, starts_at=start)
    await tell(own, *READY_CITIZEN, event(need_opened(opened)))
    assert len(await open_offers(own)) == 3
    await give(own, a_helper("present"))
    await merge(own)
    clock.advance(timedelta(hours=8))
    await fire(own)
    assert [one.helper_id for one in await open_offers(own)] == [an_id("present")]
    assert (await heard(own, OfferMade))[-1].department == DEPARTMENT

    # It is on the list of the department that has it now, by whatever name that is asked for.
    for headers in (OF_OLD, OF_PRESENT):
        for query in ("", f"?department={OLD}", f"?department={DEPARTMENT}"):
            [need] = await listed(own, headers, query)
            assert (need["need_id"], need["department"]) == (an_id("need"), DEPARTMENT)

    # A change that names the old department moves nobody: it is the same one.
    [asked] = await open_offers(own)
    assert (await post(own, f"/offers/{asked.offer_id}/accept"))[0] == 200
    await tell(own, event(need_changed(replace(opened, priority=1))))
    assert await seats(own) == [("filled", an_id("present"))]
    assert await heard(own, MatchReleased) == []


async def test_what_waits_for_capacity_gets_that_of_who_took_it_over(own: Running) -> None:
    await tell(own, *another_citizen(0), case_of(0, department=OLD))
    navigator = a_helper("n", pools=("navigator",), papers={}, caseload_limit=1)
    await give(own, navigator)
    await fire(own)
    assert await seats(own, "case 0") == [("waiting", None)]
    await merge(own)
    await fire(own)
    assert await seats(own, "case 0") == [("filled", an_id("n"))]


async def test_on_one_waiting_list_priority_counts_and_not_the_name_of_the_department(
    own: Running,
) -> None:
    await give(own, a_helper("n", pools=("navigator",), papers={}, caseload_limit=1))
    await tell(own, *another_citizen(0), case_of(0))
    await tell(own, *another_citizen(1), case_of(1, priority=5))
    await tell(own, *another_citizen(2), case_of(2, department=OLD, priority=1))
    await merge(own)
    await fire(own)
    await tell(own, event(need_closed("case 0", "completed")))
    await fire(own)
    assert await seats(own, "case 2") == [("filled", an_id("n"))]
    assert await seats(own, "case 1") == [("waiting", None)]


async def test_an_item_raised_before_is_claimed_and_settled_by_the_present_coordinator(
    own: Running,
) -> None:
    await tell(own, *READY_CITIZEN, event(need_opened(facts(department=OLD))))
    await fire(own)  # the neighbours have nobody either
    [(item,)] = await rows(own, "select attention_id::text from attention")
    assert (await post(own, f"/attention/{item}/claim", headers=OF_PRESENT))[0] == 404
    await merge(own)
    for headers in (OF_PRESENT, OF_OLD):
        body = {"take_over": True}
        assert (await post(own, f"/attention/{item}/claim", body, headers))[0] == 200
    done = {"outcome": "solved_by_phone"}
    assert (await post(own, f"/attention/{item}/settle", done, OF_PRESENT))[0] == 200


async def test_an_escalated_need_is_reopened_and_given_to_a_helper_of_who_took_it_over(
    own: Running,
) -> None:
    await tell(own, *READY_CITIZEN, event(need_opened(facts(department=OLD))))
    await fire(own)  # the neighbours have nobody either
    await give(own, a_helper("a"), a_helper("b"))
    await merge(own)
    path = f"/needs/{an_id('need')}"
    status, shown = await post(own, f"{path}/reopen", headers=OF_PRESENT)
    assert (status, shown["seats"][0]["state"]) == (200, "searching")
    body = {"helper_id": an_id("b")}
    assert (await post(own, f"{path}/seats/1/assign", body, OF_PRESENT))[0] == 200


async def test_a_helper_of_an_old_department_is_activated_and_paused_by_the_present_one(
    own: Running,
) -> None:
    await give(own, a_helper("a", departments=(OLD,)))
    assert (await post(own, f"/volunteers/{an_id('a')}/pause", headers=OF_PRESENT))[0] == 404
    await merge(own)
    assert (await post(own, f"/volunteers/{an_id('a')}/pause", headers=OF_PRESENT))[0] == 200


async def test_who_serves_two_departments_is_asked_by_both(matching: Running) -> None:
    await give(matching, a_helper("both", departments=(DEPARTMENT, OLD)))
    for number, department in enumerate((DEPARTMENT, OLD)):
        ids = {"citizen_id": an_id(f"citizen {number}"), "referral_id": an_id(f"referral {number}")}
        start = facts().starts_at
        assert start is not None
        one = facts(f"need {number}", department=department, **ids,
                    starts_at=start + timedelta(days=number))  # fmt: skip
        await tell(matching, *another_citizen(number), event(need_opened(one)))
        [asked] = await open_offers(matching, f"need {number}")
        assert asked.helper_id == an_id("both")


async def test_nobody_takes_or_is_given_a_seat_of_a_department_that_they_do_not_serve(
    matching: Running,
) -> None:
    navigators: dict[str, Any] = {"pools": ("navigator",), "papers": {}}
    await give(
        matching,
        a_helper("other", departments=(OLD,), **navigators),
        a_helper("own", caseload_limit=0, departments=(OLD, "randers"), **navigators),
    )
    await tell(matching, *another_citizen(0), case_of(0))
    path = f"/needs/{an_id('case 0')}/seats/1"
    refused = [
        await post(matching, f"{path}/claim", headers=helper_token(an_id("other"))),
        await post(matching, f"{path}/assign", {"helper_id": an_id("other")}),
        await post(matching, f"{path}/assign", {"helper_id": an_id("other")}, OF_PRESENT),
    ]
    for status, told in refused:
        assert (status, told["type"].rpartition("/")[2]) == (409, "another-department")
        assert told["title"] == "The helper serves another department"
    assert await rows(matching, "select * from booking") == []
    await rows(matching, "update helper set caseload_limit = 1")
    status, _ = await post(matching, f"{path}/claim", headers=helper_token(an_id("own")))
    assert status == 200, "by a former name of the department"


#: East of Randers, where the next department begins.
GRENAA = (
    changed("department/aarhus", municipalities=("0707",)),
    changed("postcode/8500", municipality_code="0707"),
)
NEARBY = {"home_postcode": "8500", "range_metres": 60_000}


async def test_near_a_border_the_neighbours_helpers_are_asked_when_no_own_can(
    own: Running, clock: ManualClock
) -> None:
    # 15 km from the border: the nearest postcode of the neighbour is 8500.
    border = changed("postcode/8930", longitude=10.65)
    await recorded(own, *GRENAA, replace(border, record="postcode/8963", label="8963"))
    await give(
        own,
        a_helper("near", departments=(OLD,), **NEARBY),
        a_helper("own", range_metres=1_000),
        a_helper("too far", departments=(OLD,), home_postcode="8500", range_metres=1_000),
    )
    start = clock.now() + timedelta(days=3)
    citizen_ = replace(a_citizen(), postcode="8963")
    await tell(
        own,
        event(citizen_recorded(postcode=citizen_.postcode)),
        event(consent_given()),
        event(need_opened(facts(starts_at=start))),
    )
    assert await attention(own) == set()
    await fire(own)
    [asked] = await open_offers(own)
    assert asked.helper_id == an_id("near")
    [said] = await heard(own, OfferMade)
    assert said.department == DEPARTMENT, "the need stays with its own department"
    assert (await post(own, f"/offers/{asked.offer_id}/accept"))[0] == 200

    # They keep it while what changes of the citizen leaves them suited.
    await tell(own, event(citizen_recorded(postcode="8963", languages=("da", "en")), 2))
    assert await seats(own) == [("filled", an_id("near"))]

    # Who can't after all is not asked again, and nobody else is there: the coordinator is told.
    offer = f"/offers/{asked.offer_id}/withdraw"
    assert (await post(own, offer))[0] == 200
    await fire(own)
    assert await attention(own) == {("nobody_found", an_id("need"))}
    # By hand one of the neighbours' may still be given it.
    body = {"helper_id": an_id("too far")}
    assert (await post(own, f"/needs/{an_id('need')}/seats/1/assign", body))[0] == 200


async def test_a_department_far_away_or_without_the_pathway_is_no_neighbour(own: Running) -> None:
    await give(own, a_helper("far", departments=(OLD,), home_postcode="8900"))
    await recorded(own, *GRENAA)
    await tell(own, *READY_CITIZEN, event(need_opened()))
    await fire(own)
    assert await open_offers(own) == []
    assert await attention(own) == {("nobody_found", an_id("need"))}


async def test_whoever_waits_past_the_time_of_an_answer_is_told_of_and_waits_on(
    own: Running, clock: ManualClock
) -> None:
    answer_by = clock.now() + timedelta(days=2)
    await tell(own, *another_citizen(0), case_of(0, answer_by=answer_by))
    await tell(own, *another_citizen(1), case_of(1))
    await fire(own)
    assert await attention(own) == set()
    clock.advance(timedelta(days=2))
    await fire(own)
    assert await attention(own) == {("nobody_found", an_id("case 0"))}
    assert await seats(own, "case 0") == [("waiting", None)]

    # It is still on the waiting list, and what needed a human is settled when somebody has room.
    await give(own, a_helper("n", pools=("navigator",), papers={}, caseload_limit=1))
    await recorded(own, changed(f"department/{DEPARTMENT}"))
    await fire(own)
    assert await seats(own, "case 0") == [("filled", an_id("n"))]
    assert await attention(own) == set()


async def test_what_is_opened_past_the_time_of_an_answer_is_given_to_who_has_room_or_told(
    own: Running, clock: ManualClock
) -> None:
    past = clock.now() - timedelta(hours=1)
    await tell(own, *another_citizen(0), case_of(0, answer_by=past))
    assert await attention(own) == {("nobody_found", an_id("case 0"))}
    assert await seats(own, "case 0") == [("waiting", None)]
    await give(own, a_helper("n", pools=("navigator",), papers={}, caseload_limit=1))
    await tell(own, event(need_closed("case 0", "withdrawn")))
    await tell(own, *another_citizen(1), case_of(1, answer_by=past))
    assert await seats(own, "case 1") == [("filled", an_id("n"))]
    assert await attention(own) == set()


async def test_a_department_whose_pools_the_policy_does_not_ask_has_its_coordinator_told(
    own: Running,
) -> None:
    await recorded(own, changed(f"department/{DEPARTMENT}", pools=("toy_guide",)))
    await give(own, a_helper("a"))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    assert await attention(own) == {("nobody_found", an_id("need"))}
    [decided] = await heard(own, NeedDecided)
    assert [(one.rule, one.count) for one in decided.excluded] == [("pool", 1)]
    await recorded(own, changed(f"department/{DEPARTMENT}"))
    assert (await post(own, f"/needs/{an_id('need')}/reopen"))[0] == 200
    assert len(await open_offers(own)) == 1


async def test_a_need_of_a_department_that_is_not_known_yet_waits_for_it(
    own: Running, clock: ManualClock
) -> None:
    start = clock.now() + timedelta(days=3)
    await give(own, a_helper("a", departments=("viborg",)))
    opened = facts(department="viborg", starts_at=start)
    await tell(own, *READY_CITIZEN, event(need_opened(opened)))
    assert (await open_offers(own), await attention(own)) == ([], set())
    viborg = changed(f"department/{OLD}", record="department/viborg", label="Viborg")
    await recorded(own, viborg)
    clock.advance(timedelta(minutes=1))
    await fire(own)
    assert len(await open_offers(own)) == 1


async def test_a_need_of_a_department_that_never_comes_is_told_to_a_human(
    own: Running, clock: ManualClock
) -> None:
    start = clock.now() + timedelta(days=3)
    opened = facts(department="atlantis", starts_at=start)
    await tell(own, *READY_CITIZEN, event(need_opened(opened)))
    for _ in range(11):
        clock.advance(timedelta(minutes=1))
        await fire(own)
    assert await attention(own) == {("nobody_found", an_id("need"))}


async def test_a_request_that_names_an_unknown_department_says_so(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN)
    head_office = bearer("coordinator")
    answer = await matching.client.get("/needs?department=atlantis", headers=head_office)
    assert (answer.status_code, answer.json()["title"]) == (422, "There is no such department")
    answer = await matching.client.get("/needs?department=atlantis", headers=OF_PRESENT)
    assert answer.status_code == 403


async def test_two_needs_in_one_department_are_assigned_at_one_time(own: Running) -> None:
    """Who is given one is locked, and nobody else."""
    far = a_helper("far", pools=("navigator",), papers={}, home_postcode="8500")
    near = a_helper("near", pools=("navigator",), papers={}, home_postcode="8900")
    await give(own, near, far)
    await tell(own, *another_citizen(0), event(citizen_recorded("citizen 1", postcode="8500")))
    await tell(own, event(consent_given("referral 1", "citizen 1")))
    handle = own.runtime.parts.handle
    assert handle is not None
    async with database_of(own).transaction() as tx:
        await handle(tx, [case_of(0)])
        # The first is not committed yet.
        await asyncio.wait_for(tell(own, case_of(1)), 10)
        assert await seats(own, "case 1") == [("filled", far.helper_id)]
    assert await seats(own, "case 0") == [("filled", near.helper_id)]


async def test_many_at_one_time_never_exceed_a_caseload_and_nobody_with_room_is_passed_over(
    own: Running,
) -> None:
    await give(own, *(a_helper(f"n{n}", pools=("navigator",), papers={}) for n in range(4)))
    for number in range(10):
        await tell(own, *another_citizen(number))
    await asyncio.wait_for(
        asyncio.gather(*(tell(own, case_of(number)) for number in range(10))), 60
    )
    states = await rows(own, "select state, count(*) from seat group by 1 order by 1")
    assert states == [("filled", 8), ("waiting", 2)]
    taken = await rows(own, "select taken, allowed from caseload")
    assert taken == [(2, 2)] * 4


#: 25 km east of Randers, where the next department begins.
BORDER = (
    changed("department/aarhus", municipalities=("0707",), pathways=("escort", "toy_caseload")),
    changed("department/randers-norddjurs", pathways=("escort", "toy_caseload")),
    replace(
        changed("postcode/8930", longitude=10.45, municipality_code="0707"),
        record="postcode/8963",
        label="8963",
    ),
)


async def test_who_waits_near_a_border_gets_a_neighbours_helper_who_has_room_again(
    own: Running,
) -> None:
    """As a new need does: whoever waits longer is not passed over."""
    await recorded(own, *BORDER)
    navigator: dict[str, Any] = {"pools": ("navigator",), "papers": {}, "caseload_limit": 1}
    await give(own, a_helper("near", departments=(OLD,), **navigator))
    await give(own, a_helper("own", languages=frozenset({"so"}), **navigator))
    for number in range(2):
        await tell(own, *another_citizen(number))
    await tell(own, case_of(0, department=OLD))
    await tell(own, case_of(1))
    await fire(own)
    assert await seats(own, "case 0") == [("filled", an_id("near"))]
    assert await seats(own, "case 1") == [("waiting", None)]
    await tell(own, event(need_closed("case 0", "completed")))
    await fire(own)
    assert await seats(own, "case 1") == [("filled", an_id("near"))]


async def test_who_waits_near_a_border_gets_a_neighbours_helper_who_comes(own: Running) -> None:
    await recorded(own, *BORDER)
    await tell(own, *another_citizen(0), case_of(0))
    await fire(own)
    navigator = a_helper("near", departments=(OLD,), pools=("navigator",), status="applied")
    await give(own, navigator)
    body = {"confidentiality_signed_on": "2026-09-01"}
    path = f"/volunteers/{navigator.helper_id}/activate"
    assert (await post(own, path, body, OF_OLD))[0] == 200
    await fire(own)
    assert await seats(own, "case 0") == [("filled", an_id("near"))]


async def test_a_pool_whose_helpers_may_have_more_cases_serves_those_who_wait(own: Running) -> None:
    await give(own, a_helper("n", pools=("navigator",), papers={}))
    for number in range(3):
        await tell(own, *another_citizen(number), case_of(number))
    await fire(own)
    assert await seats(own, "case 2") == [("waiting", None)]
    await recorded(own, changed("pool/navigator", limit=3))
    await fire(own)
    assert await seats(own, "case 2") == [("filled", an_id("n"))]
