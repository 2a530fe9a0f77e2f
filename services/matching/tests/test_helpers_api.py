"""Helpers over HTTP: registered once, activated with their papers, paused, blocked."""

import asyncio
from datetime import date
from functools import partial

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.testing import Running, bearer
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.domain.helper import Helper, Paper, activated
from brobyg_matching.errors import NotReady
from brobyg_matching.ports import Contact
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    READY,
    READY_CITIZEN,
    active,
    database_of,
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
from matching_samples import CONTACTS, NOW, a_helper, an_id, event, need_opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_helper_is_registered_for_the_department_that_has_taken_over(
    matching: Running,
) -> None:
    helper_id = await active(matching, more_pools=["retired_professional"])
    shown = await matching.client.get(f"/volunteers/{helper_id}", headers=COORDINATOR)
    body = shown.json()
    assert body["departments"] == ["randers-norddjurs"]
    assert body["pools"] == ["student", "retired_professional"]
    assert [one["kind"] for one in body["papers"]] == sorted(
        ["confidentiality", "introduction", "record_check"]
    )
    assert await said(matching) == ["helper.registered", "helper.activated"]


@pytest.mark.parametrize(
    "again",
    [
        {"email": "IDA0@Example.ORG"},
        {"name": "Somebody Else Test"},
        {"phone": "+4512345678", "email": "other@example.org"},
    ],
)
async def test_one_person_registered_twice_is_noticed(
    matching: Running, again: dict[str, object]
) -> None:
    status, first = await post(matching, "/volunteers", somebody(phone="+4512345678"))
    assert status == 201
    status, told = await post(matching, "/volunteers", somebody(phone="+4512345678") | again)
    assert (status, told["type"]) == (409, "https://brobyg.dk/problems/registered-before")
    assert first["helper_id"] in told["detail"]
    assert "@" not in str(told)
    status, other = await post(
        matching, "/volunteers?confirm=another", somebody(phone="+4512345678") | again
    )
    assert status == 201
    assert other["helper_id"] != first["helper_id"]


async def test_the_same_request_again_is_the_same_helper_and_at_the_same_instant_too(
    matching: Running,
) -> None:
    made = await asyncio.gather(*(post(matching, "/volunteers", somebody()) for _ in range(4)))
    assert sorted(status for status, _ in made) == [200, 200, 200, 201]
    assert len({body["helper_id"] for _, body in made}) == 1


async def test_two_of_one_address_at_the_same_instant_are_noticed(matching: Running) -> None:
    made = await asyncio.gather(
        *(post(matching, "/volunteers", somebody(name=f"Ida Test {n}")) for n in range(4))
    )
    assert sorted(status for status, _ in made) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"pool": "nobodys_pool"}, "pool"),
        ({"department": "nowhere"}, "department"),
        ({"home_postcode": "0001"}, "postcode"),
    ],
)
async def test_what_the_reference_data_does_not_have_is_refused(
    matching: Running, wrong: dict[str, object], kind: str
) -> None:
    status, told = await post(matching, "/volunteers", somebody() | wrong)
    assert (status, told["detail"]) == (422, f"the reference data has no such {kind}")


@pytest.mark.parametrize(
    ("papers", "why"),
    [
        ({}, "the paper confidentiality is missing"),
        (READY | {"introduced_on": "2027-01-01"}, "the paper introduction lies in the future"),
        (READY | {"introduced_on": "1949-01-01"}, "the paper introduction lies before 1950"),
        (
            {
                "papers": [
                    {"kind": kind, "since": "2024-01-01", "valid_until": "2026-01-01"}
                    for kind in ("confidentiality", "record_check", "introduction")
                ]
            },
            "the paper confidentiality no longer holds",
        ),
    ],
)
async def test_without_the_papers_of_a_pool_nobody_is_activated(
    matching: Running, papers: dict[str, object], why: str
) -> None:
    _, made = await post(matching, "/volunteers", somebody())
    status, told = await post(matching, f"/volunteers/{made['helper_id']}/activate", papers)
    assert (status, told["detail"]) == (422, why)


async def test_a_paused_helper_can_not_accept_and_the_next_is_asked(matching: Running) -> None:
    helper_id = await active(matching)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    [offer] = await open_offers(matching)
    assert (await post(matching, f"/volunteers/{helper_id}/pause"))[0] == 200
    status, told = await post(matching, f"/offers/{offer.offer_id}/accept")
    assert (status, told["type"].rpartition("/")[2]) == (409, "not-active")
    await fire(matching)
    assert await open_offers(matching) == []
    assert "match.escalated" in await said(matching)


async def test_a_block_ends_what_is_between_the_two(matching: Running) -> None:
    first, second = await active(matching, 1), await active(matching, 2)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    body = {"citizen_id": an_id("citizen"), "asked_by": "citizen"}
    assert (await post(matching, f"/volunteers/{first}/blocks", body))[0] == 204
    assert [one.helper_id for one in await open_offers(matching)] == [second]
    [offer] = await open_offers(matching)
    await post(matching, f"/offers/{offer.offer_id}/accept")
    assert (await post(matching, f"/volunteers/{second}/blocks", body))[0] == 204
    assert (await seats(matching))[0] == ("escalated", None)


async def test_a_block_about_nobody_is_not_taken(matching: Running) -> None:
    helper_id = await active(matching)
    body = {"citizen_id": an_id("nobody"), "asked_by": "helper"}
    assert (await post(matching, f"/volunteers/{helper_id}/blocks", body))[0] == 404


async def test_a_coordinator_of_another_department_knows_of_nobody(matching: Running) -> None:
    helper_id = await active(matching)
    elsewhere = bearer("coordinator", department="aarhus")
    own = bearer("coordinator", department="norddjurs")
    path = f"/volunteers/{helper_id}"
    assert (await matching.client.get(path, headers=elsewhere)).status_code == 404
    assert (await matching.client.get(path, headers=own)).status_code == 200
    assert (await post(matching, f"{path}/pause", headers=elsewhere))[0] == 404
    assert (await post(matching, "/volunteers", somebody(3), headers=elsewhere))[0] == 403


async def test_who_read_a_contact_is_recorded_and_a_service_learns_the_given_name(
    matching: Running,
) -> None:
    helper_id = await active(matching)
    path = f"/volunteers/{helper_id}/contact?purpose=message"
    told = (await matching.client.get(path, headers=NOTIFICATION)).json()
    assert (told["name"], told["phone"], told["language"]) == ("Ida", None, "da")
    assert await rows(matching, "select reader, purpose from access_entry") == [
        (actor_of("tester"), "message")
    ]
    for purpose, headers in (("message", COORDINATOR), ("call", NOTIFICATION)):
        path = f"/volunteers/{helper_id}/contact?purpose={purpose}"
        assert (await matching.client.get(path, headers=headers)).status_code == 422
    own = await matching.client.get(f"/volunteers/{helper_id}", headers=helper_token(helper_id))
    assert own.status_code == 200


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("Ida.Test@Example.org", "ida.test@example.ORG"),
        ("søren.æble@ålborg.example", "SØREN.ÆBLE@ÅLBORG.EXAMPLE"),
        ("rene\u0301@example.org", "ren\u00e9@example.org"),
        ("REN\u00c9@example.org", "rene\u0301@example.org"),
        ("a\u030arhus@example.org", "\u00c5RHUS@example.org"),
    ],
)
async def test_one_address_is_recognised_whatever_the_case_and_composition_of_its_letters(
    matching: Running, first: str, again: str
) -> None:
    """Below the door, which today takes ASCII alone: another door may take more."""
    store = PostgresHelpers(database_of(matching), CONTACTS)
    contact = partial(Contact, name="Ida Test", phone=None, language="da")
    async with database_of(matching).transaction() as tx:
        await store.add(tx, a_helper("a"), contact(email=first))
    async with database_of(matching).transaction() as tx:
        assert await store.alike(tx, contact(email=again)) == [an_id("a")]
        assert await store.alike(tx, contact(email="another@example.org")) == []


async def test_the_papers_of_one_pool_are_enough_and_those_of_the_nearest_are_told(
    matching: Running,
) -> None:
    def of(*pools: tuple[str, ...]) -> Helper:
        required = [*pools]
        return activated(a_helper("a", status="applied", papers={}), papers, required, NOW)

    papers = {kind: Paper(date(2026, 9, 1)) for kind in ("y", "z")}
    assert of(("x",), ("y", "z")).status == "active"
    with pytest.raises(NotReady, match="the paper v is missing"):
        of(("x", "w"), ("v", "y", "z"))


async def test_of_whom_another_department_has_registered_no_id_is_told(matching: Running) -> None:
    """Nobody learns by an address who helps elsewhere."""
    _, first = await post(matching, "/volunteers", somebody())
    elsewhere = bearer("coordinator", department="aarhus")
    body = somebody(department="aarhus")
    status, told = await post(matching, "/volunteers", body, elsewhere)
    assert (status, told["type"]) == (409, "https://brobyg.dk/problems/registered-before")
    assert first["helper_id"] not in str(told)
    assert "another department" in told["detail"]
    again = "/volunteers?confirm=another"
    assert (await post(matching, again, body, elsewhere))[0] == 201


async def test_a_repeat_makes_nobody_new_though_it_says_that_it_is_another(
    matching: Running,
) -> None:
    _, first = await post(matching, "/volunteers", somebody())
    again = "/volunteers?confirm=another"
    for _ in range(2):
        assert await post(matching, again, somebody()) == (200, first)
    key = COORDINATOR | {"Idempotency-Key": "the-other-Ida"}
    status, other = await post(matching, again, somebody(), key)
    assert (status, other["helper_id"] != first["helper_id"]) == (201, True)
    assert await post(matching, again, somebody(), key) == (200, other)


async def test_a_command_s_answer_tells_where_its_event_is_in_the_stream(matching: Running) -> None:
    helper_id = await active(matching)
    answer = await matching.client.post(f"/volunteers/{helper_id}/pause", headers=COORDINATOR)
    assert answer.headers["Brobyg-Position"] == f"brobyg.matching.v1:{helper_id}:3"
    asked = await matching.client.get(f"/volunteers/{helper_id}", headers=COORDINATOR)
    assert asked.status_code == 200
    assert "Brobyg-Position" not in asked.headers
