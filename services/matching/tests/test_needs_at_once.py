"""Several processes do everything at once to few helpers, rooms, cases and citizens."""

import asyncio
import json
import random
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running
from matching_api import (
    attention,
    database_of,
    emitted,
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
    LATE,
    SESSION,
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
    of_another_citizen,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = Path(__file__).parent
WORKER = HERE / "support" / "needs_worker.py"
OWN_PATHWAYS = f"{HERE.parents[2] / 'tests' / 'pathways'}:{HERE / 'pathways'}"
CLAIMED: dict[str, Any] = {**SESSION, "pathway": "toy_claim"}


@pytest.fixture(autouse=True)
def own_pathways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROBYG_PATHWAYS", OWN_PATHWAYS)


def navigator(number: int, limit: int) -> Any:
    return a_helper(f"navigator {number}", pools=("navigator",), papers={}, caseload_limit=limit)


def guide(number: int) -> Any:
    return a_helper(f"guide {number}", pools=("toy_guide",))


async def worker(
    matching: Running, *arguments: object, together: asyncio.Barrier | None = None
) -> Any:
    """A process of its own; what it printed. It goes on when all that are `together` are ready."""
    what, *rest = map(str, arguments)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), what, database_of(matching).url, *rest,
        env={"BROBYG_PATHWAYS": OWN_PATHWAYS, "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(120):
        if together is not None:
            assert process.stdout is not None
            await process.stdout.readuntil(b"ready\n")
            await together.wait()
        out, err = await process.communicate(b"\n")
    assert process.returncode == 0, err.decode()[-2_000:]
    *logged, came = out.decode().splitlines()
    assert [one for one in logged if "deadlock" in one] == []
    return json.loads(came)


async def nothing_is_taken_twice(matching: Running) -> None:
    """What the constraints guard and what they can't, looked at from outside."""
    await never_twice(matching)
    for what, statement in {
        "above a caseload, or counted wrong": "select 1 from helper h left join caseload c"
        " using (helper_id) where coalesce(c.taken, 0) > coalesce(c.allowed, 0)"
        " or coalesce(c.taken, 0) <> (select count(*) from booking b"
        " where b.holder = h.helper_id::text and b.span is null)",
        "a filled seat without its booking": "select 1 from seat s left join booking b"
        " on (b.need_id, b.seat_no) = (s.need_id, s.no) and b.holder = s.helper_id::text"
        " where s.state = 'filled' and b.holder is null",
        "a booking that no seat has": "select 1 from booking b left join seat s"
        " on (b.need_id, b.seat_no) = (s.need_id, s.no) where b.seat_no > 0"
        " and b.holder is distinct from s.helper_id::text",
        "helpers without a room": "select 1 from need n join seat s using (need_id)"
        " left join booking b on b.need_id = n.need_id and b.seat_no = 0"
        " and b.holder = n.resource_id where n.pathway in ('toy_session', 'toy_claim')"
        " and n.state in ('open', 'filled') and s.state in ('filled', 'searching')"
        " and b.holder is null",
        "a room for nobody": "select 1 from booking b join need n using (need_id)"
        " where b.seat_no = 0 and (n.resource_id is distinct from b.holder or n.state = 'closed'"
        " or not exists (select from seat s where s.need_id = n.need_id"
        " and s.state in ('filled', 'searching', 'held')))",
        "one helper in two seats": "select 1 from seat where state = 'filled'"
        " group by need_id, helper_id having count(*) > 1",
    }.items():
        assert await rows(matching, statement) == [], what


async def nothing_is_lost(matching: Running) -> None:
    """Each seat of each open need will be moved by something."""
    for what, statement in {
        "nothing moves a search": "select 1 from seat s join need n using (need_id)"
        " left join timer t on t.kind = 'need-search' and t.subject = n.need_id::text"
        " where n.state in ('open', 'filled') and s.state = 'searching'"
        # Whole minutes pass here: 10 s later is tried again what another process held.
        " and (t.due_at is null or t.due_at > s.due_at and extract(second from t.due_at) <> 10)",
        "no human knows": "select 1 from seat s join need n using (need_id)"
        " where n.state = 'open' and s.state = 'escalated' and not exists (select from attention a"
        " where a.body ->> 'need_id' = n.need_id::text and a.settled_at is null)",
        "a human is told in vain": "select 1 from attention a join need n"
        " on a.body ->> 'need_id' = n.need_id::text"
        " where a.settled_at is null and n.state <> 'open'",
        "an offer for nothing": "select 1 from offer o join need n using (need_id) join seat s"
        " on (s.need_id, s.no) = (o.need_id, o.seat_no) where o.state = 'open'"
        " and (n.state not in ('open', 'filled') or s.state <> 'searching')",
        "waits though all is there": "select 1 from need n left join citizen c using (citizen_id)"
        " left join consent g using (referral_id) where n.state = 'waiting'"
        " and c.languages is not null and g.given",
        "one that is closed is searched": "select 1 from need n join timer t"
        " on t.kind = 'need-search' and t.subject = n.need_id::text where n.state = 'closed'",
    }.items():
        assert await rows(matching, statement) == [], what


async def the_events_say_the_same(matching: Running) -> None:
    """Whoever reads the stream alone knows who has which seat, and which offers are open."""
    have: dict[tuple[str, int], str] = {}
    offers: dict[str, str] = {}
    last: dict[str, int] = {}
    for one in sorted(await emitted(matching), key=lambda e: (e.subject, e.sequence)):
        assert one.sequence == last.get(one.subject, 0) + 1
        last[one.subject] = one.sequence
        kind = one.type.removeprefix("dk.brobyg.")
        data = msgspec.json.decode(one.data)
        if kind in ("volunteer.matched", "staff.matched"):
            place = data["need_id"], data["seat"]
            assert have.get(place, data["match_id"]) == data["match_id"], "two at one seat"
            have[place] = data["match_id"]
        elif kind == "match.released":
            assert have.pop((data["need_id"], data["seat"])) == data["match_id"]
        elif kind.startswith("offer."):
            state = kind.removeprefix("offer.").replace("made", "open")
            assert (state == "open") == (data["offer_id"] not in offers)
            assert offers.get(data["offer_id"], "open") == "open"
            offers[data["offer_id"]] = state
    seats = await rows(
        matching, "select need_id::text, no, match_id::text from seat where match_id is not null"
    )
    assert have == {(need, no): match for need, no, match in seats}
    stored = dict(await rows(matching, "select offer_id::text, state from offer"))
    # An acceptance that was released has no event of its own as an offer.
    accepted = {one for one, state in offers.items() if state == "accepted"}
    assert {one: s for one, s in stored.items() if one not in accepted} == {
        one: s for one, s in offers.items() if one not in accepted
    }


async def test_whatever_several_processes_do_at_once_nothing_is_double_and_nothing_lost(
    own: Running,
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    await give(
        own, *(a_helper(f"student {n}", weekly_limit=2) for n in range(3)), *map(guide, range(3)),
        a_helper("host", pools=("toy_host",), competences=frozenset({"first_aid"}), papers={}),
        navigator(0, 1), navigator(1, 2),
    )  # fmt: skip
    for number in range(3):
        await tell(
            own,
            event(citizen_recorded(f"c{number}")),
            event(consent_given(f"r{number}", f"c{number}")),
        )
    await worker(own, "open", seed)
    found = await asyncio.gather(*(worker(own, "random", seed + n, 80) for n in range(3)))
    came = sum(map(Counter, found), Counter[str]())
    print(json.dumps(came, indent=1, sort_keys=True))
    assert came["events done"], "the processes did something"
    assert came["answer done"]
    assert came["command done"]
    assert {what for what in came if "database" in what or "DoubleBooking" in what} == set()
    await nothing_is_taken_twice(own)
    await nothing_is_lost(own)
    await the_events_say_the_same(own)


async def claims(matching: Running, *which: tuple[str, int, str]) -> list[str]:
    """As many processes as there are claims: need, seat, helper; all at the same instant."""
    together = asyncio.Barrier(len(which))
    return sorted(
        await asyncio.gather(
            *(
                worker(matching, "claim", an_id(n), no, an_id(h), together=together)
                for n, no, h in which
            )
        )
    )


async def test_of_claims_of_several_processes_on_the_last_seat_one_wins(own: Running) -> None:
    await give(own, *map(guide, range(3)))
    await tell(own, event(need_opened(facts(**CLAIMED))))
    came = await claims(own, *(("need", 1, f"guide {n}") for n in range(3)))
    assert came == ["done", "taken", "taken"]
    await nothing_is_taken_twice(own)


async def test_of_claims_of_several_processes_on_a_helpers_last_case_one_wins(
    own: Running,
) -> None:
    await give(own, navigator(0, 0))
    for number in range(3):
        await tell(own, *of_another_citizen(number, **CASE))
    await rows(own, "update helper set caseload_limit = 1")
    came = await claims(own, *((f"need {n}", 1, "navigator 0") for n in range(3)))
    assert came == ["caseload", "caseload", "done"]
    await nothing_is_taken_twice(own)


async def test_of_claims_of_several_processes_on_the_last_room_one_wins(own: Running) -> None:
    """Sessions that have given their room back want it again, as somebody claims a seat."""
    await give(own, *map(guide, range(3)))
    await tell(own, event(need_opened(facts("first", **CLAIMED))))
    for number in range(3):
        await tell(own, event(need_opened(facts(f"session {number}", **CLAIMED))))
    moved = facts(
        "first",
        **CLAIMED,
        starts_at=facts().starts_at + timedelta(days=3),  # type: ignore[operator]  # it has one
    )
    await tell(own, event(need_opened(moved), 1))
    came = await claims(own, *((f"session {n}", 1, f"guide {n}") for n in range(3)))
    assert came == ["done", "no_room", "no_room"]
    await nothing_is_taken_twice(own)


async def test_a_need_that_is_changed_while_it_is_accepted_has_its_helper_at_the_new_time(
    own: Running,
) -> None:
    await give(own, *(a_helper(f"student {n}") for n in range(3)))
    await tell(own, event(citizen_recorded()), event(consent_given()), event(need_opened()))
    for number in range(1, 7):
        moved = facts(starts_at=LATE + timedelta(days=number))
        offers = await open_offers(own)
        await asyncio.gather(
            tell(own, event(need_changed(moved), number)),
            *(post(own, f"/offers/{one.offer_id}/accept") for one in offers),
        )
        assert await rows(own, "select starts_at from need") == [(moved.starts_at,)]
        early = (
            "select 1 from seat join need using (need_id) where leave_at::date <> starts_at::date"
        )
        assert await rows(own, early) == []
        assert await open_offers(own), "they are asked for the new time"
        await nothing_is_taken_twice(own)
        await nothing_is_lost(own)
    await the_events_say_the_same(own)


async def test_where_nobody_is_asked_helpers_take_the_seats_or_the_coordinator_is_told(
    own: Running, clock: ManualClock
) -> None:
    await give(own, *map(guide, range(2)))
    await tell(own, event(need_opened(facts(**CLAIMED))))
    assert await open_offers(own) == []
    assert await seats(own) == [("searching", None)] * 2
    path = f"/needs/{an_id('need')}/seats/1/claim"
    assert (await post(own, path, headers=helper_token(an_id("guide 0"))))[0] == 200
    assert await rows(own, "select state, resource_id from need") == [("filled", "toy-room")]
    other = facts("other", **{**CLAIMED, "location_id": "toy-palace"})
    await tell(own, event(need_opened(other)))
    [(due,)] = await rows(own, "select max(due_at) from timer where kind = 'need-search'")
    clock.advance(due - clock.now())
    await fire(own)
    assert await attention(own) == {("nobody_found", an_id("other"))}
    await nothing_is_lost(own)
    await tell(own, event(need_closed("need", "withdrawn")), event(need_closed("other", "missed")))
    assert await rows(own, "select holder from booking") == []
    await the_events_say_the_same(own)
