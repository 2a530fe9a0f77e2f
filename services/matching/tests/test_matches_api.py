"""When helper and citizen meet is told to the service that writes to them, and to nobody else."""

import pytest
from brobyg_kit.testing import Running, bearer
from matching_api import READY_CITIZEN, give, open_offers, post, tell
from matching_samples import LATE, a_helper, an_id, event, need_closed, need_opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTIFICATION = bearer("service", subject="notification")


async def test_a_match_is_told_with_its_times_while_it_stands(matching: Running) -> None:
    await give(matching, a_helper("a"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    link = f"/offers/{offer.offer_id}/answer-link"
    asked = (await matching.client.get(link, headers=NOTIFICATION)).json()
    helper = bearer("volunteer", subject=an_id("a"))
    assert (await post(matching, f"/offers/{offer.offer_id}/accept", None, helper))[0] == 200
    [seat] = (
        await matching.client.get(f"/needs/{an_id('need')}", headers=bearer("coordinator"))
    ).json()["seats"]
    path = f"/needs/{an_id('need')}/matches/{seat['match_id']}/answer-link"
    told = (await matching.client.get(path, headers=NOTIFICATION)).json()
    assert told.pop("token")
    assert told == {
        "state": "agreed",
        **{name: seat[name] for name in ("leave_at", "meet_at", "home_at")},
    }
    assert asked["meet_at"] == told["meet_at"] < LATE.isoformat()
    for who in (helper, bearer("coordinator"), bearer("portal")):
        assert (await matching.client.get(path, headers=who)).status_code == 403
    assert (await matching.client.get(path.replace(an_id("need"), an_id("other")),
                                      headers=NOTIFICATION)).status_code == 404  # fmt: skip
    await tell(matching, event(need_closed()))
    gone = (await matching.client.get(path, headers=NOTIFICATION)).json()
    assert gone.pop("token")
    assert gone == {"state": "released", "leave_at": None, "meet_at": None, "home_at": None}
