"""What the service does on events: what is kept, what is said, and which locks are taken."""

from datetime import timedelta

import msgspec
import pytest
from brobyg_contracts import CitizenRecorded, SeatWanted
from brobyg_contracts.errors import UnknownPathway
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import TOMBSTONE, UndecodableEvent
from brobyg_kit.testing import Running
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.handlers import EMITS, HANDLERS
from brobyg_matching.use_cases.events import facts_of
from matching_api import (
    READY_CITIZEN,
    attention,
    counted,
    fire,
    give,
    open_offers,
    rows,
    said,
    seats,
    tell,
)
from matching_samples import (
    LATE,
    REFERENCE,
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    consent_withdrawn,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
    of_another_citizen,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_table_of_handlers_is_what_the_service_reads() -> None:
    assert SERVICE.consumes == tuple(one.event for one in HANDLERS)
    assert len(set(EMITS)) == len(EMITS)


async def test_a_need_becomes_offers_decisions_and_a_timer(matching: Running) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(5)))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert sorted(await said(matching)) == ["need.decided", *["offer.made"] * 3]
    assert len(await open_offers(matching)) == 3
    assert await rows(matching, "select kind from timer") == [("need-search",)]
    assert await seats(matching) == [("searching", None)]


async def test_a_need_that_comes_before_its_citizens_record_waits_in_whatever_order(
    matching: Running,
) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, event(need_opened()))
    assert await rows(matching, "select state from need") == [("waiting",)]
    await tell(matching, event(consent_given()))
    assert await said(matching) == []
    await tell(matching, event(citizen_recorded()))
    assert "offer.made" in await said(matching)


async def test_a_need_closed_before_its_record_came_is_never_searched(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, event(need_opened()), event(need_closed()))
    await tell(matching, *READY_CITIZEN)
    assert await said(matching) == []


async def test_without_consent_all_ends_and_with_it_again_all_begins(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    await tell(matching, event(consent_withdrawn()))
    assert await seats(matching) == [("waiting", None)]
    await tell(matching, event(need_closed(reason="consent_withdrawn")))
    await tell(matching, event(consent_given(), 1), event(need_opened(), 1))
    assert (await said(matching)).count("offer.made") == 2


async def test_a_closed_need_is_opened_again_under_its_id(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN, event(need_opened()), event(need_closed()))
    assert await rows(matching, "select state, reason from need") == [
        ("closed", "appointment_cancelled")
    ]
    await tell(matching, event(need_opened(), 1))
    assert (await said(matching)).count("offer.made") == 2


async def test_an_erased_citizens_copy_is_emptied(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN)
    gone = event(citizen_recorded())
    gone = msgspec.structs.replace(gone, type=TOMBSTONE, source=CitizenRecorded.TOPIC)
    await tell(matching, gone)
    assert await rows(matching, "select languages, postcode, mobility from citizen") == [
        (None, None, None)
    ]


async def test_a_batch_of_everything_is_as_good_as_one_by_one(matching: Running) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(5)))
    late = facts(starts_at=LATE + timedelta(days=1))
    await tell(
        matching,
        event(need_opened()),
        event(consent_given()),
        event(citizen_recorded()),
        event(need_changed(late)),
        event(need_opened(facts("other", starts_at=LATE + timedelta(days=8)))),
        event(need_closed("other", "completed")),
    )
    assert {one.need_id for one in await open_offers(matching)} == {an_id("need")}
    assert await rows(matching, "select starts_at from need where state = 'open'") == [
        (late.starts_at,)
    ]


async def test_many_needs_take_as_many_statements_as_few(matching: Running) -> None:
    await give(matching, *(a_helper(f"v{n}", weekly_limit=50) for n in range(5)))
    counts = []
    for numbers in (range(2), range(2, 4), range(4, 64)):
        events = [one for number in numbers for one in of_another_citizen(number)]
        counts.append(await counted(matching, *events))
    assert counts[2] == counts[1]


async def test_a_need_of_an_unknown_pathway_is_that_events_fault(matching: Running) -> None:
    one = msgspec.structs.replace(need_opened(), pathway="unheard_of")
    with pytest.raises(UnknownPathway):
        await tell(matching, event(one))


async def test_two_needs_of_one_citizen_at_one_time_in_two_places_are_told(
    matching: Running,
) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(4)))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    await tell(matching, event(need_opened(facts("second", location_id="grenaa-clinic"))))
    assert await attention(matching) == {("clash", an_id("second"))}
    assert {one.need_id for one in await open_offers(matching)} == {an_id("need")}
    await tell(matching, event(need_closed()))
    assert await attention(matching) <= {("nobody_found", an_id("second"))}


async def test_silence_asks_the_next_and_then_tells_the_coordinator(
    own: Running, clock: ManualClock
) -> None:
    await give(own, *(a_helper(f"v{n}") for n in range(4)))
    start = clock.now() + timedelta(days=3, hours=2)
    await tell(own, *READY_CITIZEN, event(need_opened(facts(starts_at=start))))
    clock.advance(timedelta(hours=8))
    await fire(own)
    assert len(await open_offers(own)) == 1
    clock.advance(timedelta(hours=8))
    await fire(own)
    assert await attention(own) == {("nobody_found", an_id("need"))}
    assert (await said(own)).count("match.escalated") == 1


async def test_a_need_of_more_seats_than_anybody_wants_is_refused() -> None:
    roles = [SeatWanted(role=f"role_{n}", least=0, wanted=16) for n in range(3)]
    assert facts_of(need_opened(facts(crew=tuple(roles[:2]))), REFERENCE).crew == (*roles[:2],)
    with pytest.raises(UndecodableEvent, match=r"data\.seats"):
        facts_of(need_opened(facts(crew=tuple(roles))), REFERENCE)


@pytest.mark.parametrize("scope", ["contact", "research", "a_later_one"])
async def test_consent_to_anything_but_the_help_starts_and_ends_nothing(
    matching: Running, scope: str
) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, event(citizen_recorded()), event(need_opened()))
    given = msgspec.structs.replace(consent_given(), scope=scope)
    await tell(matching, event(given))
    assert await said(matching) == []
    await tell(matching, event(msgspec.structs.replace(consent_given(), scope="processing")))
    before = await said(matching), await seats(matching)
    assert "offer.made" in before[0]
    await tell(matching, event(msgspec.structs.replace(consent_withdrawn(), scope=scope)))
    assert (await said(matching), await seats(matching)) == before
