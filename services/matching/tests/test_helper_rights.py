"""A helper is restricted, and erased: nobody asks them, and somebody else helps."""

from datetime import timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from brobyg_contracts import ErasureAcknowledged, HelperErased
from brobyg_kit.clock import ManualClock
from brobyg_kit.problems import GONE, RESTRICTED
from brobyg_kit.testing import Running, bearer
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    PORTAL,
    READY,
    READY_CITIZEN,
    active,
    attention,
    database_of,
    emitted,
    fire,
    helper_token,
    open_offers,
    post,
    rows,
    said,
    seats,
    somebody,
    tell,
)
from matching_samples import LATE, an_id, event, facts, need_closed, need_opened
from msgspec.structs import replace

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = bearer("coordinator", department="aarhus")
UNKNOWN = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"


async def restrict(
    matching: Running, helper_id: str, reason: str = "objection", headers: Any = COORDINATOR
) -> httpx2.Response:
    return await matching.client.put(
        f"/volunteers/{helper_id}/restriction", json={"reason": reason}, headers=headers
    )


async def lift(matching: Running, helper_id: str, headers: Any = COORDINATOR) -> httpx2.Response:
    return await matching.client.delete(f"/volunteers/{helper_id}/restriction", headers=headers)


async def erase(
    matching: Running, helper_id: str, reason: str = "requested", headers: Any = COORDINATOR
) -> httpx2.Response:
    return await matching.client.delete(f"/volunteers/{helper_id}?reason={reason}", headers=headers)


END = {"restrict": restrict, "erase": erase}
WHY = {"restrict": "helper_restricted", "erase": "helper_erased"}


async def reasons(matching: Running, kind: str) -> list[str]:
    """The reasons in the events of this type."""
    return [
        msgspec.json.decode(one.data)["reason"]
        for one in await emitted(matching)
        if one.type == f"dk.brobyg.{kind}"
    ]


async def both_asked(matching: Running) -> tuple[str, str]:
    """Two helpers who are asked for one need."""
    both = await active(matching), await active(matching, 1)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert {one.helper_id for one in await open_offers(matching)} == {*both}
    return both


async def matched(matching: Running) -> tuple[str, str, str]:
    """Who has the seat, who else could, and the offer that was accepted."""
    both = await both_asked(matching)
    first = (await open_offers(matching))[0]
    assert (await post(matching, f"/offers/{first.offer_id}/accept"))[0] == 200
    await fire(matching)
    other = next(one for one in both if one != first.helper_id)
    return first.helper_id, other, first.offer_id


@pytest.mark.parametrize("how", END)
async def test_what_they_were_offered_is_withdrawn(matching: Running, how: str) -> None:
    one, other = await both_asked(matching)
    (mine,) = [o for o in await open_offers(matching) if o.helper_id == one]
    assert (await END[how](matching, one)).is_success
    refused = await post(matching, f"/offers/{mine.offer_id}/accept")
    assert refused[0] == 409
    await fire(matching)
    assert [o.helper_id for o in await open_offers(matching)] == [other]
    assert await reasons(matching, "offer.withdrawn") == [WHY[how]]


@pytest.mark.parametrize("how", END)
async def test_somebody_else_is_searched_for_what_they_had_agreed_to(
    matching: Running, how: str
) -> None:
    one, other, _ = await matched(matching)
    assert (await END[how](matching, one)).is_success
    await fire(matching)
    assert await reasons(matching, "match.released") == [WHY[how]]
    assert [o.helper_id for o in await open_offers(matching)] == [other]
    assert await rows(matching, "select 1 from booking") == []


@pytest.mark.parametrize("how", END)
async def test_they_are_not_asked_any_more(matching: Running, how: str) -> None:
    one = await active(matching)
    assert (await END[how](matching, one)).is_success
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert await open_offers(matching) == []
    assert ("escalated", None) in await seats(matching)
    by_hand = {"helper_id": one}
    status, told = await post(matching, f"/needs/{an_id('need')}/seats/1/assign", by_hand)
    assert status == 409, told


@pytest.mark.parametrize("how", END)
async def test_a_human_is_told_when_it_is_late(own: Running, clock: ManualClock, how: str) -> None:
    one, _, _ = await matched(own)
    clock.advance(LATE - timedelta(hours=3) - clock.now())
    await END[how](own, one)
    await fire(own)
    assert ("late_cancellation", an_id("need")) in await attention(own)


@pytest.mark.parametrize("how", END)
async def test_who_is_with_the_citizen_stays(own: Running, clock: ManualClock, how: str) -> None:
    one, _, _ = await matched(own)
    clock.advance(LATE + timedelta(minutes=10) - clock.now())
    await END[how](own, one)
    await fire(own)
    assert await seats(own) == [("filled", one)]
    await tell(own, event(need_closed(reason="completed")))
    assert await seats(own) == [("closed", one)]


async def test_once_it_is_lifted_they_are_asked_again(matching: Running) -> None:
    one = await active(matching)
    await restrict(matching, one)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert (await lift(matching, one)).status_code == 204
    await post(matching, f"/needs/{an_id('need')}/reopen")
    assert [o.helper_id for o in await open_offers(matching)] == [one]


@pytest.mark.parametrize("before", ["applied", "active", "paused"])
async def test_lifted_they_are_as_before_and_nothing_is_lost(
    matching: Running, before: str
) -> None:
    if before == "applied":
        one = (await post(matching, "/volunteers", somebody()))[1]["helper_id"]
    else:
        one = await active(matching)
    if before == "paused":
        await post(matching, f"/volunteers/{one}/pause")
    path = f"/volunteers/{one}"
    shown = (await matching.client.get(path, headers=COORDINATOR)).json()
    assert shown["status"] == before
    await restrict(matching, one)
    own = await matching.client.get(path, headers=helper_token(one))
    assert own.json() == shown | {"status": "restricted"}
    for change in ("activate", "pause"):
        status, told = await post(matching, f"{path}/{change}", READY)
        assert (status, told["type"]) == (409, RESTRICTED)
    await lift(matching, one)
    assert (await matching.client.get(path, headers=COORDINATOR)).json() == shown


async def test_services_are_not_told_how_to_reach_who_is_restricted(matching: Running) -> None:
    one = await active(matching)
    contact = f"/volunteers/{one}/contact?purpose=message"
    await restrict(matching, one)
    refused = await matching.client.get(contact, headers=NOTIFICATION)
    assert (refused.status_code, refused.json()["type"]) == (403, RESTRICTED)
    called = contact.replace("message", "call")
    assert (await matching.client.get(called, headers=COORDINATOR)).status_code == 200
    await lift(matching, one)
    assert (await matching.client.get(contact, headers=NOTIFICATION)).status_code == 200


async def test_links_say_plainly_what_is_so(matching: Running) -> None:
    one, _, offer = await matched(matching)
    ((match,),) = await rows(matching, "select match_id::text from seat")
    tokens = [
        (await matching.client.get(path, headers=NOTIFICATION)).json()["token"]
        for path in (
            f"/offers/{offer}/answer-link",
            f"/needs/{an_id('need')}/matches/{match}/answer-link",
        )
    ]
    await restrict(matching, one)
    await fire(matching)
    for token in tokens:
        shown = (await matching.client.get(f"/answers/{token}", headers=PORTAL)).json()
        assert (shown["state"], shown["reason"]) == ("withdrawn", "helper_restricted")
        assert shown["starts_at"] is None


async def test_from_the_moment_of_the_erasure_no_link_shows_what_was_offered(
    matching: Running,
) -> None:
    one, _, accepted = await matched(matching)
    ((match,),) = await rows(matching, "select match_id::text from seat")
    paths = [
        f"/offers/{accepted}/answer-link",
        f"/needs/{an_id('need')}/matches/{match}/answer-link",
    ]
    told = [(await matching.client.get(path, headers=NOTIFICATION)).json() for path in paths]
    assert (await erase(matching, one)).status_code == 202
    for _ in range(2):  # before what they had agreed to has ended, and after
        for token in (link["token"] for link in told):
            shown = (await matching.client.get(f"/answers/{token}", headers=PORTAL)).json()
            assert (shown["state"], shown["reason"]) == ("withdrawn", "helper_erased")
            assert (shown["starts_at"], shown["location_name"]) == (None, None)
        link = (await matching.client.get(paths[0], headers=NOTIFICATION)).json()
        assert (link["state"], link["meet_at"]) == ("withdrawn", None)
        await fire(matching)


async def test_an_open_offer_is_refused_with_what_is_so(matching: Running) -> None:
    one, _ = await both_asked(matching)
    (mine,) = [o for o in await open_offers(matching) if o.helper_id == one]
    await restrict(matching, one)
    for headers in (COORDINATOR, helper_token(one)):
        status, told = await post(matching, f"/offers/{mine.offer_id}/accept", headers=headers)
        assert (status, told["type"]) == (409, RESTRICTED)


async def test_again_has_no_effect_and_the_first_reason_stays(matching: Running) -> None:
    one = await active(matching)
    first = await restrict(matching, one, "legal_claim")
    assert first.status_code == 200
    assert (await restrict(matching, one, "legal_claim")).json() == first.json()
    other = await restrict(matching, one, "objection")
    assert other.status_code == 409
    assert "for legal_claim, which stays" in other.json()["detail"]
    assert [(await lift(matching, one)).status_code for _ in range(2)] == [204, 204]
    erased = await erase(matching, one, "retention_over")
    assert (erased.status_code, erased.headers["location"]) == (202, f"/erasures/{one}")
    assert (await erase(matching, one)).json() == erased.json()
    assert (await said(matching))[2:] == [
        "helper.restricted", "helper.unrestricted", "helper.erased",
    ]  # fmt: skip


async def test_only_coordinators_of_a_department_of_theirs_may(matching: Running) -> None:
    one = await active(matching)
    for ask in (restrict, lift, erase):
        who = (NOTIFICATION, helper_token(one), {}, ELSEWHERE)
        answers = [await ask(matching, one, headers=headers) for headers in who]
        assert [answer.status_code for answer in answers] == [403, 403, 401, 404]
        assert (await ask(matching, UNKNOWN)).status_code == 404
    await erase(matching, one)
    path = f"/erasures/{one}"
    seen = [await matching.client.get(path, headers=one) for one in (*who, COORDINATOR)]
    assert [answer.status_code for answer in seen] == [403, 403, 401, 404, 200]


async def dumped(matching: Running) -> str:
    """All that the database holds, what was sent aside."""
    tables = await rows(
        matching,
        "select table_name from information_schema.tables where table_schema = 'public'"
        " and table_name not in ('outbox', 'replica')",
    )
    return str([await rows(matching, f"select * from {name}") for (name,) in tables])


async def test_nothing_that_is_left_finds_or_tells_of_who_is_erased(own: Running) -> None:
    body = somebody(
        phone="+4520304050", home_postcode="8930", range_metres=31999, competences=["sign"],
        languages=["da", "kl"], weekly_limit=17, caseload_limit=313,
    )  # fmt: skip
    done = await active(own, **body)
    await tell(own, *READY_CITIZEN, event(need_opened()))
    (offer,) = await open_offers(own)
    await post(own, f"/offers/{offer.offer_id}/accept")
    await tell(own, event(need_closed(reason="completed")))
    later = facts("later", starts_at=LATE + timedelta(days=1))
    await tell(own, event(need_opened(later)))
    blocked = {"citizen_id": an_id("citizen"), "asked_by": "helper"}
    await post(own, f"/volunteers/{done}/blocks", blocked)
    requests = await rows(own, "select key_hash, request_hash from registration")
    await erase(own, done)
    await fire(own)
    left = await dumped(own)
    words = ("Ida Test", "ida0@", "20304050", "8930", "31999", "sign", "kl'", "313")
    assert [one for one in (*words, *map(str, requests[0])) if one in left] == []
    for table in ("helper_contact", "paper", "registration", "block", "turn", "caseload"):
        assert await rows(own, f"select 1 from {table}") == [], table
    assert await rows(
        own,
        "select distinct seat.leave_at - starts_at, seat.home_at - ends_at from seat"
        " join need using (need_id) where helper_id is not null",
    ) == [(timedelta(0), timedelta(0))]
    assert await rows(
        own, "select distinct distance_metres, leave_at, meet_at, home_at from offer"
    ) == [(None, None, None, None)]
    assert await seats(own) == [("closed", done)]
    # The same person may come anew, and is another.
    again = await post(own, "/volunteers", body)
    assert (again[0], again[1]["helper_id"] == done) == (201, False)


async def test_who_is_erased_is_gone_wherever_they_are_asked_for(matching: Running) -> None:
    one = await active(matching)
    await tell(matching, *READY_CITIZEN)
    await erase(matching, one)
    path, blocked = f"/volunteers/{one}", {"citizen_id": an_id("citizen"), "asked_by": "helper"}
    answers = [
        await matching.client.get(f"{path}/contact?purpose=message", headers=NOTIFICATION),
        await matching.client.get(path, headers=COORDINATOR),
        await matching.client.get(path, headers=helper_token(one)),
        await matching.client.get(f"{path}/accesses", headers=helper_token(one)),
        await restrict(matching, one),
        await lift(matching, one),
        await matching.client.post(f"{path}/activate", json=READY, headers=COORDINATOR),
        await matching.client.post(f"{path}/pause", headers=COORDINATOR),
        await matching.client.post(f"{path}/blocks", json=blocked, headers=COORDINATOR),
    ]
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(410, GONE)}
    seen = await matching.client.get(f"{path}/accesses", headers=COORDINATOR)
    assert seen.status_code == 200, "staff answer them still"


async def test_it_is_complete_once_notification_holds_nothing_more(matching: Running) -> None:
    one = await active(matching)
    begun = (await erase(matching, one)).json()
    assert [missing["service"] for missing in begun["missing"]] == ["notification"]
    said_so = [
        replace(
            event(ErasureAcknowledged(person_id=who, service="notification")),
            source="notification", subject=who,
        )
        for who in (one, an_id("somebody of another owner"))
    ]  # fmt: skip
    await tell(matching, *said_so)
    found = (await matching.client.get(f"/erasures/{one}", headers=COORDINATOR)).json()
    assert (found["missing"], found["completed_at"] is None) == ([], False)


@pytest.mark.parametrize("there", [True, False])
async def test_whom_a_restored_backup_has_again_is_erased_again(
    matching: Running, *, there: bool
) -> None:
    one = await active(matching) if there else UNKNOWN
    again = matching.runtime.parts.erase
    assert again is not None
    told = replace(
        event(HelperErased(helper_id=one, reason="requested")), source="matching", subject=one
    )
    async with database_of(matching).transaction() as tx:
        await again(tx, told)
    assert await rows(matching, "select 1 from helper_contact") == []
    assert await rows(matching, "select person_id::text from erased_person") == [(one,)]
    assert "helper.erased" in await said(matching)


@pytest.mark.parametrize("how", END)
async def test_a_reason_is_one_of_the_known_words(matching: Running, how: str) -> None:
    one = await active(matching)
    refused = await END[how](matching, one, "lauridsen")
    assert refused.status_code == 422
    (wrong,) = refused.json()["errors"]
    assert wrong["detail"].startswith("expected one of: ")
    assert "objection" in wrong["detail"] or "requested" in wrong["detail"]


async def test_whose_key_was_lost_is_not_taken_for_erased(own: Running) -> None:
    one = await active(own)
    await rows(own, "delete from person_key")
    path = f"/volunteers/{one}/contact?purpose=message"
    lost = await own.client.get(path, headers=bearer("service"))
    assert (lost.status_code, lost.headers["Retry-After"]) == (503, "2")
    assert (await erase(own, one)).status_code == 202
    assert (await own.client.get(path, headers=bearer("service"))).status_code == 410


async def test_who_may_open_an_identity_is_told_all_though_a_service_too(
    matching: Running,
) -> None:
    _, helper = await post(matching, "/volunteers", somebody(phone="+4520304050"))
    path = f"/volunteers/{helper['helper_id']}/contact?purpose="
    both = bearer("service", "coordinator")
    for headers, purpose, phone in ((both, "call", "+4520304050"), (NOTIFICATION, "message", None)):
        told = await matching.client.get(path + purpose, headers=headers)
        assert told.json()["phone"] == phone
