"""When a citizen is erased, all that is done for them ends, and nothing comes back."""

from datetime import timedelta

import msgspec
import pytest
from brobyg_contracts import CitizenErased, CitizenRecorded
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import TOMBSTONE, Event, encode_data
from brobyg_kit.testing import Running
from matching_api import (
    READY_CITIZEN,
    attention,
    database_of,
    fire,
    give,
    open_offers,
    post,
    rows,
    said,
    seats,
    tell,
)
from matching_samples import (
    LATE,
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    consent_withdrawn,
    event,
    need_closed,
    need_opened,
)
from sqlalchemy import text

pytestmark = pytest.mark.asyncio(loop_scope="module")
CITIZEN = an_id("citizen")
RECORD = "select languages, gender_wish, mobility, meeting, postcode from citizen"
NOTHING = (None, None, None, None, None)


def erased(word: str = "citizen", number: int = 0) -> Event:
    citizen_id = an_id(word)
    said = CitizenErased(citizen_id=citizen_id, reason="requested")
    like = event(consent_given(), number)
    return msgspec.structs.replace(
        like,
        id=an_id(f"erasure {number} of {word}"),
        type=CitizenErased.EVENT_TYPE,
        subject=citizen_id,
        data=encode_data(said),
    )


def tombstone(word: str = "citizen") -> Event:
    return msgspec.structs.replace(
        event(citizen_recorded()),
        id=an_id(f"tombstone of {word}"),
        type=TOMBSTONE,
        source=CitizenRecorded.TOPIC,
        subject=an_id(word),
    )


async def acknowledged(matching: Running) -> int:
    return (await said(matching)).count("erasure.acknowledged")


async def reasons(matching: Running, kind: str) -> list[str]:
    """Why the events of this kind say that something has ended."""
    found = await rows(matching, "select convert_from(value, 'utf8') from outbox order by id")
    events = [msgspec.json.decode(value) for (value,) in found]
    return [one["data"]["reason"] for one in events if one["type"].endswith(kind)]


async def test_an_erasure_in_the_middle_of_a_search_withdraws_the_offers(
    matching: Running,
) -> None:
    await give(matching, *(a_helper(f"v{n}") for n in range(3)))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert len(await open_offers(matching)) == 3
    await tell(matching, erased())
    assert await open_offers(matching) == []
    assert await reasons(matching, "offer.withdrawn") == ["citizen_erased"] * 3
    assert await rows(matching, RECORD) == [NOTHING]
    assert await acknowledged(matching) == 1
    [(subject,)] = await rows(
        matching, "select subject from stream where subject = :id", id=CITIZEN
    )
    assert subject == CITIZEN
    await tell(matching, event(consent_withdrawn()), event(need_closed(reason="citizen_erased")))
    assert await rows(matching, "select state, reason from need") == [("closed", "citizen_erased")]
    assert await attention(matching) == set()


async def test_a_match_that_was_to_come_is_released(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    await post(matching, f"/offers/{(await open_offers(matching))[0].offer_id}/accept")
    await tell(matching, erased())
    assert await reasons(matching, "match.released") == ["citizen_erased"]
    assert await seats(matching) == [("waiting", None)]
    assert await rows(
        matching, "select distinct distance_metres, leave_at, home_at from offer"
    ) == [(None, None, None)]
    assert await rows(matching, "select 1 from booking") == []


async def test_whom_they_were_not_to_meet_goes_and_is_kept_no_more(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN)
    blocked = {"citizen_id": CITIZEN, "asked_by": "citizen"}
    path = f"/volunteers/{an_id('v')}/blocks"
    await post(matching, path, blocked)
    assert len(await rows(matching, "select 1 from block")) == 1
    await tell(matching, erased())
    await post(matching, path, blocked)
    assert await rows(matching, "select 1 from block") == []


@pytest.mark.parametrize("batches", ["one", "two"])
@pytest.mark.parametrize("first", [tombstone, erased])
async def test_a_record_that_comes_after_is_dropped(
    matching: Running, first: object, batches: str
) -> None:
    await give(matching, a_helper("v"))
    gone = tombstone() if first is tombstone else erased()
    late = [*READY_CITIZEN, event(need_opened())]
    if batches == "one":
        await tell(matching, gone, *late)
    else:
        await tell(matching, gone)
        await tell(matching, *late)
    assert await rows(matching, RECORD) == [NOTHING]
    assert await rows(matching, "select state from need") == [("waiting",)]
    assert await said(matching) == (["erasure.acknowledged"] if first is erased else [])


async def test_a_second_erasure_is_acknowledged_again_and_changes_nothing(
    matching: Running,
) -> None:
    await tell(matching, *READY_CITIZEN)
    await tell(matching, erased())
    before = await rows(matching, "select * from erased_person")
    await tell(matching, tombstone(), erased(number=1))
    assert await acknowledged(matching) == 2
    assert await rows(matching, "select * from erased_person") == before


async def test_somebody_unknown_is_remembered_and_acknowledged(matching: Running) -> None:
    await tell(matching, erased("somebody never heard of"))
    assert await acknowledged(matching) == 1
    assert await rows(matching, "select person_id::text from erased_person") == [
        (an_id("somebody never heard of"),)
    ]


async def test_the_one_who_was_erased_alone_is_forgotten(matching: Running) -> None:
    other = msgspec.structs.replace(citizen_recorded(), citizen_id=an_id("other"))
    await tell(matching, *READY_CITIZEN, event(other))
    await tell(matching, erased())
    assert await rows(matching, f"{RECORD} where citizen_id = cast(:id as uuid)",
                      id=an_id("other")) != [NOTHING]  # fmt: skip


async def test_after_a_search_has_waited_its_timer_finds_nothing_to_do(
    own: Running, clock: ManualClock
) -> None:
    await give(own, *(a_helper(f"v{n}") for n in range(4)))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    await tell(own, erased())
    made = (await said(own)).count("offer.made")
    clock.advance(LATE - clock.now() + timedelta(days=1))
    await fire(own)
    assert (await said(own)).count("offer.made") == made
    assert await attention(own) == set()


async def test_a_restored_backup_erases_again_by_the_event_alone(matching: Running) -> None:
    await give(matching, a_helper("v"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    again = matching.runtime.parts.erase
    assert again is not None
    async with database_of(matching).transaction() as tx:
        await again(tx, erased())
        count = await tx.connection.scalar(text("select count(*) from erased_person"))
    assert count == 1
    assert await rows(matching, RECORD) == [NOTHING]
    assert await acknowledged(matching) == 1
