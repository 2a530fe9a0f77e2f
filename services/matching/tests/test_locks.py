"""Locks are taken in one order, and timers wait for none: no two transactions wait for each other.

Events, answers, timers, blocks and changes of helpers on the same few citizens, helpers and rooms,
all at once, each on a connection of its own as several processes would.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.testing import Running, eventually
from brobyg_kit.timers import Timers
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.domain.need import RECHECK, SEARCH
from matching_api import (
    READY,
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
    citizen_recorded,
    consent_given,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
    query,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: So long it goes on, and until each has done so much.
SECONDS, LEAST = 5.0, 4
CITIZENS, TELLERS, NEEDS = 5, 3, 8


def helpers() -> list[Any]:
    """Few, so that all want the same; some are in two pools."""
    span = [a_helper(f"v{n}", pools=("student", "toy_guide"), weekly_limit=20) for n in range(5)]
    hosts = [
        a_helper(f"h{n}", pools=("toy_host", "navigator"), caseload_limit=2, weekly_limit=20,
                 competences=frozenset({"first_aid"}))
        for n in range(3)
    ]  # fmt: skip
    return span + hosts


def some_event(random: Random, teller: int, number: int) -> Event:
    """Something about a need that only this teller tells of, as of one partition."""
    need = f"need {teller}/{random.randrange(NEEDS)}"
    citizen = random.randrange(CITIZENS)
    who = {"citizen_id": an_id(f"citizen {citizen}"), "referral_id": an_id(f"referral {citizen}")}
    at = LATE + timedelta(minutes=20 * random.randrange(6))
    kind = random.randrange(3)
    if kind == 0:
        place = random.choice(("toy-house", "toy-palace"))
        one = facts(need, **SESSION | {"location_id": place}, starts_at=at)
    elif kind == 1:
        one = facts(need, **CASE, **who)
    else:
        one = facts(need, **who, starts_at=at)
    say = random.choice((need_opened, need_changed, need_changed))
    return event(need_closed(need) if random.random() < 0.3 else say(one), number)


async def _told(one: Running, database: Database, events: list[Event]) -> None:
    handle = one.runtime.parts.handle
    assert handle is not None
    async with database.transaction() as tx:
        await handle(tx, events)


async def _some_offer(one: Running, random: Random) -> str | None:
    found = await rows(one, "select offer_id::text from offer where state in ('open', 'accepted')")
    return random.choice(found)[0] if found else None


async def test_nothing_waits_for_each_other_under_events_answers_timers_and_blocks(
    own: Running, clock: ManualClock
) -> None:
    every = helpers()
    await give(own, *every)
    for number in range(CITIZENS):
        referral, citizen = f"referral {number}", f"citizen {number}"
        await _told(own, database_of(own), [event(citizen_recorded(citizen)),
                                            event(consent_given(referral, citizen))])  # fmt: skip
    database = Database(database_of(own).url, clock, SERVICE.name, size=12)
    await database.open()
    end = asyncio.get_running_loop().time() + SECONDS
    done: dict[str, int] = dict.fromkeys(
        ("timers", "answers", "claims", "changes", "blocks"), 0
    ) | {f"events {one}": 0 for one in range(TELLERS)}

    async def over_and_over(
        name: str, seed: int, step: Callable[[Random], Awaitable[None]]
    ) -> None:
        random = Random(seed)
        while asyncio.get_running_loop().time() < end or min(done.values()) < LEAST:
            await step(random)
            done[name] += 1
            await asyncio.sleep(random.random() * 0.01)  # who meets whom is drawn

    def tells(teller: int) -> Callable[[Random], Awaitable[None]]:
        async def step(random: Random) -> None:
            events = [
                some_event(random, teller, done[f"events {teller}"] * 10 + number)
                for number in range(random.randrange(1, 6))
            ]
            await _told(own, database, events)

        return step

    async def answers(random: Random) -> None:
        offer = await _some_offer(own, random)
        if offer is not None:
            said = random.choice(("accept", "accept", "decline", "withdraw"))
            status, told = await post(own, f"/offers/{offer}/{said}")
            assert status in (200, 409, 410), told

    async def claims(random: Random) -> None:
        need = an_id(f"need {random.randrange(TELLERS)}/{random.randrange(NEEDS)}")
        who = random.choice(every).helper_id
        path = f"/needs/{need}/seats/{random.randrange(1, 4)}/claim"
        status, told = await post(own, path, headers=helper_token(who))
        assert status in (200, 404, 409), told

    async def changes(random: Random) -> None:
        who = random.choice(every).helper_id
        status, told = await post(own, f"/volunteers/{who}/pause")
        assert status in (200, 409), told
        status, told = await post(own, f"/volunteers/{who}/activate", READY)
        assert status in (200, 409), told

    async def blocks(random: Random) -> None:
        who, citizen = (
            random.choice(every).helper_id,
            an_id(f"citizen {random.randrange(CITIZENS)}"),
        )
        body = {"citizen_id": citizen, "asked_by": "citizen"}
        status, told = await post(own, f"/volunteers/{who}/blocks", body)
        assert status < 300, told
        await query(database, "delete from block")

    async def timers(_: Random) -> None:
        parts = own.runtime.parts.timers
        one = Timers(database, clock, parts, own.runtime.metrics, Heartbeat("timers of a test"))
        clock.advance(timedelta(seconds=20))
        await one._fire([], one._together, 200)  # `fire` would try again what has failed

    await asyncio.gather(
        *(over_and_over(f"events {one}", one, tells(one)) for one in range(TELLERS)),
        *(over_and_over("timers", 10 + one, timers) for one in range(3)),
        *(over_and_over("answers", 20 + one, answers) for one in range(2)),
        over_and_over("claims", 30, claims),
        over_and_over("changes", 31, changes),
        over_and_over("blocks", 32, blocks),
    )
    await database.close()
    # The counts of a connection are there when it is closed.
    await database_of(own).engine.dispose()
    assert await rows(
        own, "select deadlocks from pg_stat_database where datname = current_database()"
    ) == [(0,)]
    clock.advance(timedelta(hours=1))
    await fire(own)
    await never_twice(own)


SOON = 10.0


async def test_a_timer_does_not_wait_for_a_place_that_somebody_holds(
    own: Running, clock: ManualClock
) -> None:
    await tell(own, event(need_opened(facts(**SESSION))))
    async with database_of(own).transaction() as tx:
        tx.schedule(SEARCH, an_id("need"), clock.now())
    async with database_of(own).transaction() as other, asyncio.timeout(SOON):
        await PostgresNeeds().hold_places(other, ["toy-house"])
        await fire(own)
    due = await rows(own, "select due_at from timer where kind = :k", k=SEARCH)
    assert due == [(clock.now() + timedelta(seconds=10),)], "it is looked at again a little later"


async def test_a_timer_does_not_wait_for_a_turn_that_somebody_holds(
    own: Running, clock: ManualClock
) -> None:
    await give(own, *(a_helper(f"h{n}", **HOST) for n in range(2)))
    await tell(own, event(need_opened(facts(**SESSION))))
    asked = [one.helper_id for one in await open_offers(own)]
    assert len(asked) == 1
    clock.advance(timedelta(minutes=61))
    async with database_of(own).transaction() as other, asyncio.timeout(SOON):
        await other.driver.execute("update turn set asked_at = now()")
        await fire(own)
    assert [one.helper_id for one in await open_offers(own)] not in ([], asked)


async def test_a_timer_does_not_wait_for_a_timer_that_another_process_has_claimed(
    own: Running, clock: ManualClock
) -> None:
    """The helper is paused, so the need asks the next and its own timer is to be moved."""
    await give(own, *(a_helper(f"v{n}") for n in range(8)))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    [helper_id, *_] = [one.helper_id for one in await open_offers(own)]
    assert (await post(own, f"/volunteers/{helper_id}/pause"))[0] == 200
    async with database_of(own).transaction() as other, asyncio.timeout(SOON):
        await other.driver.execute("delete from timer where kind = $1", SEARCH)
        await fire(own)
    assert helper_id in [one.helper_id for one in await open_offers(own)]
    assert await rows(own, "select count(*) from timer where kind = :k", k=RECHECK) == [(1,)]
    clock.advance(timedelta(seconds=10))
    await fire(own)
    assert helper_id not in [one.helper_id for one in await open_offers(own)]


async def test_a_block_locks_the_helpers_it_is_about_in_their_order(own: Running) -> None:
    first, last = sorted((a_helper("a"), a_helper("b")), key=lambda one: one.helper_id)
    await give(own, first)
    await tell(own, *READY_CITIZEN)
    for number in range(2):
        at = LATE + timedelta(minutes=10 * number)
        await tell(own, event(need_opened(facts(f"need {number}", starts_at=at))))
    [offer] = await open_offers(own)
    assert (await post(own, f"/offers/{offer.offer_id}/accept"))[0] == 200
    assert await seats(own, "need 1") == [("filled", first.helper_id)]
    await give(own, last)
    locks = "select 1 from helper where helper_id = $1 for no key update nowait"
    async with database_of(own).transaction() as holder:
        await holder.driver.execute(locks, first.helper_id)
        body = {"citizen_id": an_id("citizen"), "asked_by": "citizen"}
        block = asyncio.create_task(post(own, f"/volunteers/{last.helper_id}/blocks", body))
        waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
        await eventually(lambda: rows(own, waits), "the block waits for the first helper")
        async with database_of(own).transaction() as third:
            await third.driver.execute(locks, last.helper_id)
    assert (await block)[0] == 204
