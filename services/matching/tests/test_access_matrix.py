"""Who may do what: every endpoint as every role, of the own and of another department."""

import pytest
from access_matrix import ANOTHER, Ask, Own, faults, operators_asks
from brobyg_contracts.domain import ROLES
from brobyg_kit.testing import Running
from matching_api import (
    NOTIFICATION,
    READY,
    READY_CITIZEN,
    give,
    open_offers,
    post,
    rows,
    somebody,
    tell,
)
from matching_samples import DEPARTMENT, a_helper, an_id, event, facts, need_opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELPER = an_id("a")
OWN = Own(DEPARTMENT, "aarhus", subject=HELPER)
NEEDS = "/needs/{need_id}"


async def link_of(matching: Running, path: str) -> str:
    answer = await matching.client.get(f"{path}/answer-link", headers=NOTIFICATION)
    return f"/answers/{answer.json()['token']}"


def helpers() -> list[Ask]:
    """What is done with a helper; that they are erased comes last."""
    one = f"/volunteers/{HELPER}"
    path = "/volunteers/{helper_id}"
    block = {"citizen_id": an_id("citizen"), "asked_by": "helper"}
    return [
        Ask(
            "POST /volunteers",
            "/volunteers",
            somebody(department=DEPARTMENT),
            outside=403,
            again=409,
        ),
        Ask(f"GET {path}", one),
        Ask(f"GET {path}/contact", f"{one}/contact?purpose=call", roles=ROLES - {"service"}),
        Ask(f"GET {path}/contact", f"{one}/contact?purpose=message", roles={"service"}),
        Ask("GET /volunteers/{person_id}/accesses", f"{one}/accesses"),
        Ask("GET /volunteers/{person_id}/export", f"{one}/export"),
        Ask("GET /citizens/{person_id}/export", f"/citizens/{an_id('citizen')}/export"),
        Ask(f"POST {path}/pause", f"{one}/pause"),
        Ask(f"POST {path}/activate", f"{one}/activate", READY),
        Ask(f"POST {path}/blocks", f"{one}/blocks", block),
        Ask(f"PUT {path}/restriction", f"{one}/restriction", {"reason": "objection"}),
        Ask(f"DELETE {path}/restriction", f"{one}/restriction"),
        Ask(f"DELETE {path}", f"{one}?reason=requested"),
        Ask("GET /erasures/{person_id}", f"/erasures/{HELPER}"),
    ]


def needs(match_id: str) -> list[Ask]:
    """What is done with a need. A helper claims for themselves, whichever need it is."""
    one, seat = f"/needs/{an_id('need')}", f"/needs/{an_id('need')}/seats/1"
    claim = {"helper_id": ANOTHER}
    return [
        Ask("GET /needs", "/needs", outside=None, listed=an_id("need")),
        Ask("GET /needs", f"/needs?department={DEPARTMENT}", outside=403, listed=an_id("need")),
        Ask(f"GET {NEEDS}", one),
        Ask(
            f"GET {NEEDS}/matches/{{match_id}}/answer-link", f"{one}/matches/{match_id}/answer-link"
        ),
        Ask(f"POST {NEEDS}/seats/{{no}}/release", f"{seat}/release", again=409),
        Ask(
            f"POST {NEEDS}/seats/{{no}}/claim", f"{seat}/claim", claim, for_oneself=True, status=409
        ),
        Ask(f"POST {NEEDS}/seats/{{no}}/assign", f"{seat}/assign", {"helper_id": ANOTHER}),
        Ask(f"POST {NEEDS}/{{command}}", f"{one}/hold", status=409),
    ]


async def test_every_endpoint_answers_every_role_as_the_table_says(matching: Running) -> None:
    await give(matching, a_helper("a"))
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    (first,) = await open_offers(matching)
    assert (await post(matching, f"/offers/{first.offer_id}/accept"))[0] == 200
    ((match_id,),) = await rows(matching, "select match_id::text from seat")
    second = facts("another need", starts_at=facts().starts_at.replace(day=5))
    await tell(matching, event(need_opened(second)))
    (offer,) = await open_offers(matching)
    await give(matching, a_helper("b", helper_id=ANOTHER))
    escalated = facts("nobody's", starts_at=second.starts_at, location_id=None)
    await tell(matching, event(need_opened(escalated)))
    ((item,),) = await rows(
        matching, "select attention_id::text from attention where settled_at is null limit 1"
    )
    link = await link_of(matching, f"/offers/{offer.offer_id}")
    asks = [
        Ask("GET /answers/{token}", link),
        Ask("GET /offers/{offer_id}/answer-link", f"/offers/{offer.offer_id}/answer-link"),
        Ask("GET /offers/{offer_id}", f"/offers/{offer.offer_id}"),
        Ask("POST /offers/{offer_id}/{answer}", f"/offers/{offer.offer_id}/accept"),
        Ask("POST /answers/{token}", link, {"answer": "accept"}),
        Ask("POST /attention/{attention_id}/claim", f"/attention/{item}/claim", again=409),
        Ask(
            "POST /attention/{attention_id}/settle",
            f"/attention/{item}/settle",
            {"outcome": "solved_by_phone"},
            again=409,
        ),
        *needs(match_id),
        *helpers(),
    ]
    assert await faults(matching, [*asks, *await operators_asks(matching)], OWN) == []
