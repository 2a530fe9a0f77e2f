"""Volunteers over real HTTP, on the real database."""

import asyncio

import pytest
from brobyg_kit.testing import Running, bearer
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    READY,
    active,
    block,
    rows,
    said,
    somebody,
)
from matching_samples import (
    an_id,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_volunteer_is_registered_activated_read_and_paused(matching: Running) -> None:
    volunteer_id = await active(matching)
    shown = (await matching.client.get(f"/volunteers/{volunteer_id}", headers=COORDINATOR)).json()
    assert "name" not in shown
    assert shown["availability"][0] == {"weekday": 1, "from": "00:00", "to": "24:00"}
    paused = await matching.client.post(f"/volunteers/{volunteer_id}/pause", headers=COORDINATOR)
    assert paused.json()["status"] == "paused"
    assert await said(matching) == [
        "volunteer.registered",
        "volunteer.activated",
        "volunteer.paused",
    ]


async def test_a_double_click_registers_one_volunteer(matching: Running) -> None:
    async def register(key: str, subject: str = "tester", **changes: object) -> tuple[int, str]:
        headers = bearer("coordinator", subject=subject) | {"Idempotency-Key": key}
        answer = await matching.client.post(
            "/volunteers", json=somebody(0, **changes), headers=headers
        )
        return answer.status_code, answer.json().get("volunteer_id", "")

    clicks = await asyncio.gather(*(register("k-1") for _ in range(4)))
    assert len({*clicks, await register("k-1")}) == 1
    assert clicks[0][0] == 201
    assert await said(matching) == ["volunteer.registered"]
    assert (await register("k-1", name="Bo Test Lauridsen"))[0] == 422
    assert (await register("k" * 129))[0] == 422
    assert len(await rows(matching, "select 1 from volunteer_contact")) == 1
    others = {await register("k-2"), await register("k-1", subject="another coordinator")}
    assert len({*clicks, *others}) == 3
    kept = repr(await rows(matching, "select key_hash, request_hash from registration"))
    assert not any(word in kept for word in ("k-1", "Ida", "example.org"))


async def test_who_sends_the_same_again_without_a_key_after_a_lost_answer_registers_one_volunteer(
    matching: Running,
) -> None:
    async def register(subject: str = "tester", **changes: object) -> str:
        headers = bearer("coordinator", subject=subject)
        answer = await matching.client.post(
            "/volunteers", json=somebody(0, **changes), headers=headers
        )
        assert answer.status_code == 201
        volunteer_id: str = answer.json()["volunteer_id"]
        return volunteer_id

    clicks = await asyncio.gather(*(register() for _ in range(4)))
    assert len({*clicks, await register()}) == 1
    assert await said(matching) == ["volunteer.registered"]
    partner = await register(name="Bo Test Lauridsen")  # two may share an address
    assert len({*clicks, partner, await register("another coordinator")}) == 3
    kept = repr(await rows(matching, "select key_hash, request_hash from registration"))
    assert not any(word in kept for word in ("Ida", "example.org"))


async def test_who_registers_somebody_again_is_told_how_they_stand_now(matching: Running) -> None:
    made = (await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)).json()
    assert made["status"] == "applied"
    await matching.client.post(
        f"/volunteers/{made['volunteer_id']}/activate", json=READY, headers=COORDINATOR
    )
    again = (await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)).json()
    assert again == made | {"status": "active"}


async def test_reading_a_contact_is_recorded_with_its_purpose(matching: Running) -> None:
    volunteer_id = await active(matching)
    answer = await matching.client.get(
        f"/volunteers/{volunteer_id}/contact?purpose=offer", headers=NOTIFICATION
    )
    told = answer.json()
    assert (told["email"], told["name"], told["phone"]) == ("ida0@example.org", "Ida", None), (
        "what a message needs"
    )
    assert await rows(matching, "select volunteer_id::text, purpose from access_log") == [
        (volunteer_id, "offer")
    ]
    url = f"/volunteers/{volunteer_id}/contact?purpose=offer"
    assert (
        await matching.client.get(url, headers=bearer("volunteer", subject=volunteer_id))
    ).status_code == 403


async def test_a_coordinator_reads_contacts_of_their_own_department_and_that_is_recorded_too(
    matching: Running,
) -> None:
    url = f"/volunteers/{await active(matching)}/contact"
    mine, other = (
        bearer("coordinator", subject=f"in {department}", department=department)
        for department in ("randers", "norddjurs")
    )
    assert (await matching.client.get(url, headers=mine)).status_code == 422  # what for?
    assert (
        await matching.client.get(f"{url}?purpose=escalation", headers=other)
    ).status_code == 404
    assert (await matching.client.get(f"{url}?purpose=escalation", headers=mine)).json()[
        "email"
    ] == "ida0@example.org"
    assert await rows(matching, "select reader, purpose from access_log") == [
        ("in randers", "escalation")
    ]
    nobody = f"/volunteers/{an_id('nobody')}/contact?purpose=escalation"
    assert (await matching.client.get(nobody, headers=COORDINATOR)).status_code == 404
    no_offer = f"/offers/{an_id('no offer')}/answer-link"
    for path in (nobody, no_offer):  # no erasure is on record: notification goes on asking
        unknown = await matching.client.get(path, headers=NOTIFICATION)
        assert (unknown.status_code, unknown.json()["type"]) == (404, "about:blank")


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"home_postcode": "9999"},
        {"email": "no address"},
        {"availability": [{"weekday": 8, "from": "08:00", "to": "16:00"}]},
        {"availability": [{"weekday": 1, "from": "16:00", "to": "08:00"}]},
        {"languages": []},
        {"name": "two\nlines"},
        {"department": "nowhere"},
        {"weekly_limit": "many"},
        {"name": "x\u0000y"},
        {"email": "x\u0000y@example.org"},
        {"email": "a@example.org, b@example.org"},
        {"email": "ida[0@example.org"},
        {"weekly_limit": True},
        {"weekly_limit": "5"},
        {"range_metres": 30000.0},
        {"availability": [{"weekday": True, "from": "08:00", "to": "16:00"}]},
        {"exceptions": [{"date": 0}]},
        {"exceptions": [{"date": "20263-12-24"}]},
        {"exceptions": [{"date": "2026-12-24", "available": 0}]},
    ],
)
async def test_what_is_wrong_is_told_by_field_and_nothing_is_kept(
    matching: Running, wrong: dict[str, object]
) -> None:
    answer = await matching.client.post(
        "/volunteers", json=somebody(0, **wrong), headers=COORDINATOR
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert error["pointer"].startswith(f"/{next(iter(wrong))}")
    assert await rows(matching, "select 1 from volunteer") == []


@pytest.mark.parametrize("wrong", [0, 20260901, True, "2026-09-01T00:00:00", "1 September"])
async def test_what_is_no_date_is_not_taken_for_one(matching: Running, wrong: object) -> None:
    made = await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)
    url = f"/volunteers/{made.json()['volunteer_id']}/activate"
    answer = await matching.client.post(
        url, json=READY | {"introduced_on": wrong}, headers=COORDINATOR
    )
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], "2026-11-30" in error["detail"]) == ("/introduced_on", True)


async def test_activation_needs_all_three_and_none_in_the_future(matching: Running) -> None:
    made = await matching.client.post("/volunteers", json=somebody(), headers=COORDINATOR)
    url = f"/volunteers/{made.json()['volunteer_id']}/activate"
    missing = {name: day for name, day in READY.items() if name != "record_checked_on"}
    future = READY | {"introduced_on": "2027-01-01"}
    for body in (missing, future):
        assert (await matching.client.post(url, json=body, headers=COORDINATOR)).status_code == 422


async def test_another_departments_volunteer_is_neither_blocked_nor_paused(
    matching: Running,
) -> None:
    mine = await active(matching)
    elsewhere = bearer("coordinator", department="norddjurs")
    assert await block(matching, mine, elsewhere) == 404
    assert (
        await matching.client.post(f"/volunteers/{mine}/pause", headers=elsewhere)
    ).status_code == 404
    assert await block(matching, an_id("nobody")) == 404
    assert await rows(matching, "select 1 from block") == []


async def test_contacts_stay_in_their_own_table(matching: Running) -> None:
    await active(matching)
    assert matching.runtime.database is not None
    volunteers = PostgresVolunteers(matching.runtime.database)
    [(volunteer_id,)] = await rows(matching, "select volunteer_id::text from volunteer_contact")
    kept = await volunteers.get(str(volunteer_id))
    assert "Ida" not in repr(kept)
