"""Sessions are planned, changed and called off by coordinators, and each is a need."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from brobyg_contracts.pathways import load_pathway
from brobyg_kit.testing import bearer
from brobyg_kit.timers import DueTimer
from brobyg_referral.cases.use_cases.timers import SESSION_OVER
from referral_bench import REFERRER, Served
from referral_reference import CLOSED_PLACE, DEPARTMENT
from sqlalchemy import text

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="norddjurs")
ELSEWHERE = bearer("coordinator", subject="bo", department="aarhus")


def session(**changes: Any) -> dict[str, Any]:
    return {
        "pathway": "toy_session",
        "department": "norddjurs",
        "location_id": "randers-health-centre",
        "starts_at": "2026-12-09T17:00:00+01:00",
        "ends_at": "2026-12-09T20:00:00+01:00",
    } | changes


async def plan(
    service: Served, headers: dict[str, str] | None = None, **changes: Any
) -> httpx2.Response:
    return await service.running.client.post(
        "/sessions", json=session(**changes), headers=COORDINATOR | (headers or {})
    )


async def change(service: Served, made: dict[str, Any], **changes: Any) -> httpx2.Response:
    body = session(**changes)
    del body["pathway"], body["department"]
    return await service.running.client.put(
        f"/sessions/{made['session_id']}", json=body, headers=COORDINATOR
    )


async def withdraw(service: Served, made: dict[str, Any]) -> int:
    path = f"/sessions/{made['session_id']}"
    return (await service.running.client.delete(path, headers=COORDINATOR)).status_code


async def test_a_session_is_a_need_of_nobody_in_particular(service: Served) -> None:
    answer = await plan(service)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    ((kind, need),) = await service.needs()
    assert kind == "opened"
    assert need == {
        "need_id": made["session_id"],
        "about_kind": "session",
        "about_id": made["session_id"],
        "pathway": "toy_session",
        "policy_version": load_pathway("toy_session").version,
        "department": DEPARTMENT,
        "mode": "in_person",
        "priority": 5,
        "competences": [],
        "location_id": "randers-health-centre",
        "starts_at": "2026-12-09T16:00:00Z",
        "ends_at": "2026-12-09T19:00:00Z",
    }
    read = await service.running.client.get(f"/sessions/{made['session_id']}", headers=COORDINATOR)
    assert read.json() == made
    assert made["department"] == DEPARTMENT


async def test_a_session_that_is_moved_or_wants_others_is_told_once(service: Served) -> None:
    made = (await plan(service)).json()
    seats = [{"role": "guide", "least": 2, "wanted": 3}]
    for _ in range(2):
        moved = await change(service, made, location_id="grenaa-health-house", seats=seats)
        assert (moved.status_code, moved.json()["seats"]) == (200, seats)
    _, (kind, need) = await service.needs()
    assert (kind, need["location_id"], need["seats"]) == ("changed", "grenaa-health-house", seats)


async def test_a_session_that_is_called_off_ends_its_need_once_and_stays_so(
    service: Served,
) -> None:
    made = (await plan(service)).json()
    assert [await withdraw(service, made) for _ in range(2)] == [204, 204]
    assert [(kind, need.get("reason")) for kind, need in await service.needs()] == [
        ("opened", None),
        ("closed", "withdrawn"),
    ]
    assert (await change(service, made, location_id="grenaa-health-house")).status_code == 409


async def test_a_repeat_with_the_same_key_plans_one_session(service: Served) -> None:
    key = {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(*(plan(service, key) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["session_id"] for answer in answers}) == 1
    assert (await plan(service, key, location_id="grenaa-health-house")).status_code == 422


async def test_a_key_of_another_request_is_not_this_ones(service: Served) -> None:
    made = (await service.refer(headers={"Idempotency-Key": "k-1"})).json()
    planned = await plan(service, {"Idempotency-Key": "k-1"})
    assert planned.status_code == 201, "each sender has keys of their own"
    body = {
        "referral_id": made["referral_id"],
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:00:00+01:00",
        "ends_at": "2026-12-02T09:30:00+01:00",
    }
    answer = await service.running.client.post(
        "/appointments", json=body, headers=REFERRER | {"Idempotency-Key": "k-1"}
    )
    assert answer.status_code == 422


async def test_only_coordinators_of_the_department_and_of_head_office_have_its_sessions(
    service: Served,
) -> None:
    made = (await plan(service)).json()
    client, path = service.running.client, f"/sessions/{made['session_id']}"
    everybody = {
        "referrer": REFERRER,
        "elsewhere": ELSEWHERE,
        "nobody": {},
        "head office": bearer("coordinator"),
    }
    seen = {
        who: (await client.get(path, headers=headers)).status_code
        for who, headers in everybody.items()
    }
    assert seen == {"referrer": 403, "elsewhere": 404, "nobody": 401, "head office": 200}
    assert (await client.delete(path, headers=ELSEWHERE)).status_code == 404
    assert (await plan(service, ELSEWHERE)).status_code == 403


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/pathway", {"pathway": "escort"}),
        ("/pathway", {"pathway": "unheard_of"}),
        ("/department", {"department": "aarhus"}),
        ("/department", {"department": "nowhere"}),
        ("/location_id", {"location_id": "nowhere"}),
        ("/location_id", {"location_id": CLOSED_PLACE.record.partition("/")[2]}),
        ("/ends_at", {"ends_at": "2026-12-09T17:00:00+01:00"}),
        ("/ends_at", {"starts_at": "2025-12-09T17:00:00Z", "ends_at": "2025-12-09T18:00:00Z"}),
        ("/starts_at", {"starts_at": "2029-12-09T17:00:00Z", "ends_at": "2029-12-09T18:00:00Z"}),
        ("/seats/0/role", {"seats": [{"role": "companion", "least": 1, "wanted": 1}]}),
        ("/seats/1/role", {"seats": [{"role": "guide", "least": 1, "wanted": 1}] * 2}),
        ("/seats/0/least", {"seats": [{"role": "guide", "least": 3, "wanted": 2}]}),
        ("/seats/0/wanted", {"seats": [{"role": "guide", "least": 0, "wanted": 0}]}),
        ("/seats/0/wanted", {"seats": [{"role": "guide", "least": 0, "wanted": True}]}),
        ("/seats", {"seats": [{"role": "guide", "least": 1, "wanted": 1}] * 9}),
        ("/note", {"note": "Einer"}),
    ],
)
async def test_what_is_wrong_is_told_with_its_place_and_without_the_value(
    service: Served, pointer: str, changes: dict[str, Any]
) -> None:
    answer = await plan(service, **changes)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "Einer" not in answer.text
    assert await service.needs() == []


async def test_changes_and_calling_off_at_once_leave_the_need_closed(service: Served) -> None:
    made = (await plan(service)).json()
    await asyncio.gather(
        *(
            change(service, made, starts_at=f"2026-12-09T1{hour}:00:00+01:00")
            for hour in range(1, 6)
        ),
        withdraw(service, made),
    )
    assert (await service.needs())[-1][0] == "closed"


async def over(service: Served, made: dict[str, Any]) -> datetime:
    """The timer of the session's end is claimed and fires; the time of that."""
    fire = service.running.runtime.parts.timers[SESSION_OVER]
    async with service.database.transaction() as tx:
        await tx.connection.execute(text("delete from timer"))
        await fire(tx, [DueTimer(SESSION_OVER, made["session_id"], tx.now)])
        return tx.now


async def timers(service: Served) -> list[tuple[str, str, datetime]]:
    found = await service.rows("select kind, subject, due_at from timer")
    return [(one["kind"], one["subject"], one["due_at"]) for one in found]


async def pass_by(service: Served) -> None:
    """All sessions have taken place."""
    await service.rows(
        "update session set starts_at = '2026-11-29T17:00:00Z', ends_at = '2026-11-29T18:00:00Z'"
        " returning 1"
    )


async def test_a_session_that_has_taken_place_closes_its_need_and_stays_as_it_was(
    service: Served,
) -> None:
    made = (await plan(service)).json()
    ends_at = datetime(2026, 12, 9, 19, tzinfo=UTC)
    assert await timers(service) == [(SESSION_OVER, made["session_id"], ends_at)]
    await over(service, made)
    assert await timers(service) == [(SESSION_OVER, made["session_id"], ends_at)], "not over yet"
    await pass_by(service)
    assert (await change(service, made)).status_code == 409
    assert await withdraw(service, made) == 409
    await over(service, made)
    assert [(kind, need.get("reason")) for kind, need in await service.needs()] == [
        ("opened", None),
        ("closed", "completed"),
    ]
    assert await timers(service) == []


async def test_the_timer_of_a_session_moves_with_it_and_goes_when_it_is_called_off(
    service: Served,
) -> None:
    made = (await plan(service)).json()
    await change(service, made, ends_at="2026-12-09T21:00:00+01:00")
    ends_at = datetime(2026, 12, 9, 20, tzinfo=UTC)
    assert await timers(service) == [(SESSION_OVER, made["session_id"], ends_at)]
    assert await withdraw(service, made) == 204
    assert await timers(service) == []
    await pass_by(service)
    assert await withdraw(service, made) == 204, "again has no further effect"
    await over(service, made)
    assert [kind for kind, _ in await service.needs()] == ["opened", "changed", "closed"]


async def test_the_timer_of_a_session_waits_for_nobody_who_has_it(service: Served) -> None:
    made = (await plan(service)).json()
    await pass_by(service)
    async with service.database.transaction() as tx, asyncio.timeout(8):
        await tx.connection.execute(text("select 1 from session for update"))
        fired_at = await over(service, made)
    again = fired_at + timedelta(seconds=10)
    assert await timers(service) == [(SESSION_OVER, made["session_id"], again)]
    assert [kind for kind, _ in await service.needs()] == ["opened"]


async def test_a_session_planned_before_its_department_was_taken_over_is_the_present_ones(
    service: Served,
) -> None:
    made = (await plan(service)).json()
    await service.rows("update session set department = 'norddjurs' returning session_id")
    moved = await change(service, made, location_id="grenaa-health-house")
    assert (moved.status_code, moved.json()["department"]) == (200, DEPARTMENT)
    assert await withdraw(service, made) == 204
    (_, opened), (kind, changed), _ = await service.needs()
    assert (kind, changed["department"], opened["department"]) == ("changed", *[DEPARTMENT] * 2)
