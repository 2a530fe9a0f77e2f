"""When a citizen's record is erased nothing is left of what it said."""

from datetime import timedelta

import pytest
from brobyg_contracts import CitizenRecorded
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import TOMBSTONE, Event
from brobyg_kit.testing import Running
from matching_api import READY_CITIZEN, give, open_offers, post, rows, seats, tell
from matching_samples import LATE, NOW, a_helper, an_id, event, facts, need_closed, need_opened
from msgspec import Raw

pytestmark = pytest.mark.asyncio(loop_scope="module")
END = LATE + timedelta(minutes=30)


def erased(word: str = "citizen") -> Event:
    return Event(
        id=an_id(f"erasure of {word}"), source=CitizenRecorded.TOPIC, type=TOMBSTONE,
        subject=an_id(word), time=NOW, dataschema="", correlationid=an_id(word), sequence=9,
        data=Raw(b"{}"),
    )  # fmt: skip


@pytest.mark.parametrize("closed", [True, False])
async def test_what_told_home_or_mobility_goes_with_the_record(
    own: Running, clock: ManualClock, *, closed: bool
) -> None:
    await give(own, a_helper("a"), a_helper("b"))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    other = facts("later", starts_at=LATE + timedelta(days=1))
    await tell(own, event(need_opened(other)))
    await post(own, f"/offers/{(await open_offers(own, 'need'))[0].offer_id}/accept")
    clock.advance(LATE + timedelta(hours=2) - clock.now())
    if closed:
        await tell(own, event(need_closed(reason="completed")))
    await tell(own, erased())
    assert await rows(
        own, "select meet_at from need where need_id = cast(:id as uuid)", id=an_id("need")
    ) == [(LATE,)]
    assert await rows(
        own, "select distinct distance_metres, leave_at, meet_at, home_at from offer"
    ) == [(None, None, None, None)]
    assert await rows(
        own, "select leave_at, meet_at, home_at from seat where leave_at is not null"
    ) == [(LATE, LATE, END)]
    assert await rows(own, "select lower(span), upper(span) from booking") == [(LATE, END)]
    [(state, helper)] = await seats(own, "need")
    assert helper in {an_id("a"), an_id("b")}
    # What is heard of it afterwards is taken as ever.
    await tell(own, event(need_closed(reason="completed")))
    assert await seats(own, "need") == [("closed", helper)]
    assert state == ("closed" if closed else "filled")
