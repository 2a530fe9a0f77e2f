"""What waits for capacity is served by priority, then age, and what is last has its turn.

A page of the waiting list is looked at in one transaction, so that none costs more than another.
"""

from datetime import timedelta

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.testing import Running
from brobyg_kit.timers import DueTimer
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.domain.board import Known
from brobyg_matching.domain.need import CAPACITY
from brobyg_matching.ports import Around, Loaded
from brobyg_matching.use_cases.timers import PAGE
from matching_api import database_of, fire, give, rows, seats, tell
from matching_samples import (
    CASE,
    DEPARTMENT,
    NOW,
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    event,
    facts,
    need_closed,
    need_opened,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: Of a connection so far.
ROWS_READ = """
    select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
    from pg_stat_xact_user_tables where relname in ('need', 'seat', 'citizen')
"""


def case(number: int, language: str, priority: int) -> list[Event]:
    """A citizen who speaks the language, and what they wait for."""
    citizen, referral = f"citizen {number}", f"referral {number}"
    ids = {"citizen_id": an_id(citizen), "referral_id": an_id(referral)}
    return [
        event(citizen_recorded(citizen, languages=(language,))),
        event(consent_given(referral, citizen)),
        event(need_opened(facts(f"case {number}", **CASE, **ids, priority=priority))),
    ]


async def wait(matching: Running, *cases: tuple[int, str, int]) -> None:
    """These wait, as the only helper has the case 0."""
    await give(matching, a_helper("n", pools=("navigator",), papers={}, caseload_limit=1))
    await tell(matching, *case(0, "da", 1))
    for begin in range(0, len(cases), 100):
        events = [one for number in cases[begin : begin + 100] for one in case(*number)]
        await tell(matching, *events)
    assert await rows(matching, "select count(*) from need where waits") == [(len(cases),)]


async def look_through(matching: Running) -> list[int]:
    """Fire the department's timer until nothing is left to do: rows read of needs, each time."""
    read = []
    handle = matching.runtime.parts.timers[CAPACITY]
    while due := await rows(matching, "select due_at from timer where kind = :k", k=CAPACITY):
        async with database_of(matching).transaction() as tx:
            await tx.driver.execute("delete from timer where kind = $1", CAPACITY)
            before = await tx.driver.fetchval(ROWS_READ)
            await tx.driver.execute("set local enable_seqscan = off")  # 300 rows are few for it
            await handle(tx, [DueTimer(CAPACITY, DEPARTMENT, due[0][0])])
            read.append(await tx.driver.fetchval(ROWS_READ) - before)
    return read


async def test_number_201_is_served_when_the_200_before_it_cannot_be(own: Running) -> None:
    others = [(number, "ar", 3) for number in range(1, 201)]
    later = [(number, "da", 5) for number in range(202, 301)]
    await wait(own, *others, (201, "da", 4), *later)
    await rows(own, "vacuum analyze")
    await tell(own, event(need_closed("case 0", "completed")))
    read = await look_through(own)
    assert await seats(own, "case 201") == [("filled", an_id("n"))]
    assert await rows(own, "select count(*) from need where waits") == [(299,)]
    assert len(read) == 5, "the list is left when nobody has room any more"
    assert max(read) < min(30 * PAGE, 2 * min(read)), "rows read do not grow with the list"
    assert await rows(own, "select * from waiting_list") == []


async def test_capacity_that_is_free_meanwhile_goes_to_the_first_and_the_last_has_its_turn(
    own: Running, clock: ManualClock
) -> None:
    """Each time that the list is looked at some more has become free, for the first in it."""
    handle = own.runtime.parts.timers[CAPACITY]
    await wait(own, *((number, "ar", 3) for number in range(1, 151)), (151, "da", 4))
    await tell(own, event(need_closed("case 0", "completed")))
    for turn in range(4):
        async with database_of(own).transaction() as tx:
            await handle(tx, [DueTimer(CAPACITY, DEPARTMENT, NOW + timedelta(seconds=turn))])
            tx.schedule(CAPACITY, DEPARTMENT, tx.now)
    assert await seats(own, "case 151") == [("filled", an_id("n"))]

    # Somebody for the others comes while the list is half through: its front is looked at first.
    async with database_of(own).transaction() as tx:
        await rows(own, "update helper set caseload_limit = 2")
        await rows(own, "update roster set version = version + 1")
        await handle(tx, [DueTimer(CAPACITY, DEPARTMENT, NOW)])
    await give(own, a_helper("arabic", pools=("navigator",), papers={}, caseload_limit=1,
                             languages=frozenset({"ar"})))  # fmt: skip
    [first] = await rows(
        own, "select need_id from need where waits order by priority, opened_at, need_id limit 1"
    )
    async with database_of(own).transaction() as tx:
        await handle(tx, [DueTimer(CAPACITY, DEPARTMENT, NOW + timedelta(minutes=1))])
    filled = "select need_id from seat where state = 'filled' and helper_id = cast(:h as uuid)"
    assert await rows(own, filled, h=an_id("arabic")) == [first]
    assert await rows(own, "select again from waiting_list") == [(True,)]
    clock.advance(timedelta(minutes=2))
    await fire(own)
    assert await rows(own, "select * from waiting_list") == []
    assert await rows(own, "select * from timer where kind = :k", k=CAPACITY) == []


async def test_what_somebody_else_holds_puts_off_its_page_only(own: Running) -> None:
    await wait(own, (1, "da", 3))
    await tell(own, event(need_closed("case 0", "completed")))
    async with database_of(own).transaction() as other:
        await other.driver.execute("select 1 from helper for no key update")
        await fire(own)
        [[due_at]] = await rows(own, "select due_at from timer where kind = :k", k=CAPACITY)
        assert due_at > NOW
    assert await seats(own, "case 1") == [("waiting", None)]


async def test_only_helpers_for_whom_something_waits_are_looked_at(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of the department cost nothing, however many they are."""
    looked, around = list[set[str]](), PostgresNeeds.around

    async def noted(self: PostgresNeeds, tx: Transaction, loaded: Loaded, wanted: Around) -> Known:
        looked.append({*wanted.helpers})
        return await around(self, tx, loaded, wanted)

    await give(own, *(a_helper(f"v{n}") for n in range(5)))
    await wait(own, (1, "da", 3))
    await tell(own, event(need_closed("case 0", "completed")))
    monkeypatch.setattr(PostgresNeeds, "around", noted)
    await fire(own, [CAPACITY])
    assert await seats(own, "case 1") == [("filled", an_id("n"))]
    assert looked == [{an_id("n")}] * 2, "once to choose, once with whoever is chosen locked"
