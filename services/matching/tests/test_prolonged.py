"""What takes longer than was said, on the real database."""

from datetime import timedelta

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running
from matching_api import READY_CITIZEN, attention, give, open_offers, post, rows, tell
from matching_samples import (
    LATE,
    a_helper,
    an_id,
    event,
    facts,
    need_changed,
    need_opened,
    of_another_citizen,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("promised", [True, False])
async def test_a_booking_grows_as_far_as_the_diary_allows(
    own: Running, clock: ManualClock, *, promised: bool
) -> None:
    await give(own, a_helper("a"))
    await tell(own, *READY_CITIZEN, event(need_opened()))
    await post(own, f"/offers/{(await open_offers(own))[0].offer_id}/accept")
    if promised:
        await tell(own, *of_another_citizen(1, starts_at=LATE + timedelta(hours=3)))
        await post(own, f"/offers/{(await open_offers(own))[0].offer_id}/accept")
    booked = "select upper(span) from booking where need_id = cast(:id as uuid)"
    [(before,)] = await rows(own, booked, id=an_id("need"))
    clock.advance(LATE - clock.now())
    await tell(own, event(need_changed(facts(ends_at=LATE + timedelta(hours=3)))))
    [(after,)] = await rows(own, booked, id=an_id("need"))
    assert after - before == timedelta(0 if promised else 2.5 / 24)
    clash = {("clash", an_id("need"))} if promised else set()
    assert await attention(own) == clash
