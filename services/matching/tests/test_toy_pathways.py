"""Two pathways that only their TOML files declare, on the real database from event to event.

Toy session: two roles, three seats, a least crew, a room, asking in turn.
Toy caseload: a caseload, assigned, with a waiting list, and claims.
"""

from datetime import timedelta
from typing import Any

import pytest
from brobyg_contracts import (
    MatchEscalated,
    NeedDecided,
    OfferMade,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running
from matching_api import (
    attention,
    fire,
    give,
    heard,
    helper_token,
    open_offers,
    post,
    rows,
    said,
    seats,
    tell,
)
from matching_samples import (
    SESSION,
    a_helper,
    an_id,
    another_citizen,
    case_of,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def guide(number: int) -> Any:
    return a_helper(f"guide {number}", pools=("toy_guide",))


def host(number: int) -> Any:
    return a_helper(
        f"host {number}", pools=("toy_host",), competences=frozenset({"first_aid"}), papers={}
    )


async def test_the_toy_session_from_opening_to_its_end(own: Running, clock: ManualClock) -> None:
    await give(own, *(guide(n) for n in range(3)), *(host(n) for n in range(2)))
    start = clock.now() + timedelta(days=4)
    await tell(own, event(need_opened(facts(**SESSION, starts_at=start))))
    offers = await open_offers(own)
    assert len(offers) == 3, "one at a time for each seat"
    assert await rows(own, "select resource_id from need") == [("toy-room",)]
    asked = {one.helper_id for one in offers}

    # Nobody answers for an hour: each seat asks the next, as far as there is one.
    clock.advance(timedelta(hours=1))
    await fire(own)
    assert {one.helper_id for one in await open_offers(own)}.isdisjoint(asked)

    # A guide and a host are the least crew.
    answers = [await post(own, f"/offers/{one.offer_id}/accept") for one in await open_offers(own)]
    assert {status for status, _ in answers} == {200}
    assert await rows(own, "select state from need") == [("filled",)]
    [hosts] = await heard(own, StaffMatched)
    assert (hosts.role, hosts.resource_id, hosts.policy_version) == ("host", "toy-room", 3)
    assert any(one.crew_complete for one in [hosts, *await heard(own, VolunteerMatched)])

    # The second guide's seat goes on being asked about; another guide takes it unasked.
    free = next(n for n, (state, _) in enumerate(await seats(own), 1) if state != "filled")
    has = {helper for _, helper in await seats(own)}
    other = next(one for one in map(guide, range(3)) if one.helper_id not in has)
    path = f"/needs/{an_id('need')}/seats/{free}/claim"
    status, answer = await post(own, path, headers=helper_token(other.helper_id))
    assert (status, answer) == (200, {"state": "filled"})
    assert await open_offers(own) == []

    # It moves to a time at which the room is not free: nobody stays, the coordinator is told.
    taken = start + timedelta(days=1)
    await tell(own, event(need_opened(facts("other", **SESSION, starts_at=taken))))
    await tell(own, event(need_changed(facts(**SESSION, starts_at=taken))))
    assert [state for state, _ in await seats(own)] == ["escalated"] * 3
    assert await attention(own) == {("nobody_found", an_id("need"))}
    assert (await heard(own, MatchEscalated))[-1].reason == "no_room"

    # The other is called off; the coordinator has it searched once more.
    await tell(own, event(need_closed("other", "withdrawn")))
    status, _ = await post(own, f"/needs/{an_id('need')}/reopen")
    assert status == 200
    assert await attention(own) == set()
    assert await rows(own, "select holder from booking where seat_no = 0") == [("toy-room",)]
    await tell(own, event(need_closed(reason="completed"), 1))
    assert await open_offers(own) == []


async def test_nobody_serves_the_pool_that_the_toy_session_asks(own: Running) -> None:
    await give(own, guide(0))
    await tell(own, event(need_opened(facts(**SESSION))))
    assert await attention(own) == {("nobody_found", an_id("need"))}
    decided = [one for one in await heard(own, NeedDecided) if one.role == "host"]
    assert [(one.outcome, one.could) for one in decided] == [("nobody_available", 0)]


async def test_the_toy_caseload_from_the_first_case_to_the_waiting_list(
    own: Running, clock: ManualClock
) -> None:
    near = a_helper("near", pools=("navigator",), home_postcode="8920", papers={})
    far = a_helper("far", pools=("navigator",), home_postcode="8930", papers={})
    await give(own, near, far)
    for number in range(4):
        await tell(own, *another_citizen(number), case_of(number))
    helpers = [helper for number in range(4) for _, helper in await seats(own, f"case {number}")]
    assert helpers == [near.helper_id] * 2 + [far.helper_id] * 2, "the nearest below the limit"
    assert {one.way for one in await heard(own, StaffMatched)} == {"assigned"}

    # Nobody has room: they wait. The last to come is the most urgent.
    for number, priority in ((4, 5), (5, 5), (6, 1)):
        clock.advance(timedelta(minutes=1))
        await tell(own, *another_citizen(number), case_of(number, priority=priority))
    waiting = await rows(own, "select count(*) from seat where state = 'waiting'")
    assert (waiting, await attention(own)) == ([(3,)], set())
    assert [one.outcome for one in await heard(own, NeedDecided)][-3:] == ["waits"] * 3

    # Two cases end: by priority, then age, two of those that wait are taken.
    await tell(own, event(need_closed("case 0", "completed")))
    await fire(own)
    assert await seats(own, "case 6") == [("filled", near.helper_id)]
    await tell(own, event(need_closed("case 2", "withdrawn")))
    await fire(own)
    assert await seats(own, "case 4") == [("filled", far.helper_id)]
    assert await seats(own, "case 5") == [("waiting", None)]

    # A new navigator may take what waits; activating one would give it to them.
    third = a_helper("third", pools=("navigator",), home_postcode="8500", papers={},
                     languages=frozenset({"da"}), range_metres=1_000)  # fmt: skip
    await give(own, third)
    path = f"/needs/{an_id('case 5')}/seats/1/claim"
    status, _ = await post(own, path, headers=helper_token(third.helper_id))
    assert status == 200
    [claimed] = [one for one in await heard(own, StaffMatched) if one.way == "claimed"]
    assert (claimed.helper_id, claimed.policy_version) == (third.helper_id, 7)
    assert await rows(own, "select sum(taken) from caseload") == [(5,)]


async def test_a_new_helper_takes_what_waits_for_capacity(own: Running) -> None:
    await tell(own, *another_citizen(0), case_of(0))
    assert await seats(own, "case 0") == [("waiting", None)]
    made = await own.client.post(
        "/volunteers",
        json={
            "name": "Ny Test", "email": "ny@example.org", "language": "da", "pool": "navigator",
            "department": "norddjurs", "languages": ["da"], "gender": "male",
            "home_postcode": "8900", "range_metres": 30_000, "travel": "car", "availability": [],
            "weekly_limit": 0,
        },
        headers=helper_token("x") | (await _coordinator()),
    )  # fmt: skip
    assert made.status_code == 201, made.text
    helper_id = made.json()["helper_id"]
    assert (await post(own, f"/volunteers/{helper_id}/activate", {}))[0] == 200
    await fire(own)
    assert await seats(own, "case 0") == [("filled", helper_id)]


async def _coordinator() -> dict[str, str]:
    from matching_api import COORDINATOR

    return COORDINATOR


async def test_while_the_calendar_is_closed_nobody_is_asked(
    own: Running, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec
    from brobyg_matching.domain import policy

    declared = policy.policy_of("toy_session").declared
    asking = msgspec.structs.replace(declared.asking, calendar="calendar/weekdays")
    closed = policy.Policy(msgspec.structs.replace(declared, asking=asking))
    monkeypatch.setitem(policy._policies, "toy_session", closed)
    monkeypatch.setattr(policy, "load_pathway", lambda name: closed.declared)
    await give(own, guide(0), host(0))
    clock.advance(timedelta(hours=10))  # 19:00 in Denmark on a Monday; the Tuesday is a holiday
    start = clock.now() + timedelta(days=8)
    await tell(own, event(need_opened(facts(**SESSION, starts_at=start))))
    assert "offer.made" not in await said(own)
    [(due,)] = await rows(own, "select due_at from timer where kind = 'need-search'")
    assert due.isoformat() == "2026-12-02T06:30:00+00:00"
    clock.advance(due - clock.now())
    await fire(own)
    assert len(await heard(own, OfferMade)) == 2
