"""An entered appointment is changed here until a hospital sends it, and by the hospital then."""

import asyncio
from typing import Any

import httpx2
import pytest
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served, handled
from referral_reference import DEPARTMENT
from referral_samples import fhir_appointment, patient, place

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")
VISIT = {
    "location_id": "randers-hospital",
    "starts_at": "2026-12-02T09:00:00+01:00",
    "ends_at": "2026-12-02T09:30:00+01:00",
}
MOVED = VISIT | {
    "starts_at": "2026-12-03T10:00:00+01:00",
    "ends_at": "2026-12-03T11:00:00+01:00",
}


async def entered(service: Served, **visit: str) -> str:
    """The id of a new entered appointment of the citizen's only referral."""
    rows = await service.rows("select referral_id from referral")
    referral_id = str(rows[0]["referral_id"]) if rows else (await service.referred())["referral_id"]
    body = VISIT | visit | {"referral_id": referral_id}
    answer = await service.running.client.post("/appointments", json=body, headers=COORDINATOR)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["appointment_id"])


async def change(
    service: Served, about: str, body: dict[str, Any] | None, **headers: str
) -> httpx2.Response:
    """PUT, or DELETE without a body."""
    sent = COORDINATOR | {name.replace("_", "-"): value for name, value in headers.items()}
    client, path = service.running.client, f"/appointments/{about}"
    if body is None:
        return await client.delete(path, headers=sent)
    return await client.put(path, json=body, headers=sent)


async def test_it_is_moved_and_keeps_its_id(service: Served) -> None:
    about = await entered(service)
    answer = await change(service, about, MOVED)
    assert (answer.status_code, answer.json()["appointment_id"]) == (200, about)
    assert answer.json()["starts_at"] == "2026-12-03T09:00:00Z"
    assert await service.told() == ["booked", "rescheduled"]
    kind, need = (await service.needs())[-1]
    assert (kind, need["need_id"], need["ends_at"]) == ("changed", about, "2026-12-03T10:00:00Z")
    assert (await change(service, about, MOVED)).status_code == 200
    assert await service.told() == ["booked", "rescheduled"], "it is so already"


async def test_it_is_called_off_once(service: Served) -> None:
    about = await entered(service)
    assert (await change(service, about, None)).status_code == 204
    assert (await change(service, about, None)).status_code == 204
    assert await service.told() == ["booked", "cancelled"]
    kind, need = (await service.needs())[-1]
    assert (kind, need["need_id"], need["reason"]) == ("closed", about, "appointment_cancelled")
    late = await change(service, about, MOVED)
    assert (late.status_code, late.json()["detail"]) == (
        409,
        "it was called off: enter another one",
    )
    assert await entered(service) != about


async def test_what_the_hospital_has_sent_is_changed_there(service: Served) -> None:
    about = await entered(service)
    assert (await service.put(fhir_appointment())).json()["id"] == about
    for body in (MOVED, None):
        answer = await change(service, about, body)
        assert answer.status_code == 409
        assert "the hospital's system has sent it and owns it now" in answer.json()["detail"]
    assert await service.told() == ["booked"]


async def test_what_is_over_or_what_another_one_is_already_is_not_changed(service: Served) -> None:
    about, other = await entered(service), await entered(service, **MOVED)
    same = await change(service, about, MOVED)
    assert same.status_code == 409
    assert other in same.json()["detail"]
    await service.rows(
        "update appointment set starts_at = '2026-11-29T08:00Z', ends_at = '2026-11-29T09:00Z'"
    )
    for body in (MOVED | {"starts_at": "2026-12-05T10:00:00Z", "ends_at": "2026-12-05T11:00:00Z"},
                 None):  # fmt: skip
        over = await change(service, about, body)
        assert (over.status_code, over.json()["detail"]) == (409, "it is over")


async def test_a_late_repeat_does_not_bring_an_earlier_time_back(service: Served) -> None:
    about = await entered(service)
    first = await change(service, about, MOVED, Idempotency_Key="k-1")
    assert (await change(service, about, VISIT, Idempotency_Key="k-2")).status_code == 200
    again = await change(service, about, MOVED, Idempotency_Key="k-1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["starts_at"] == "2026-12-02T08:00:00Z"
    reused = await change(service, about, None, Idempotency_Key="k-1")
    assert reused.status_code == 422
    assert (await change(service, about, None, Idempotency_Key="k-3")).status_code == 204
    assert (await change(service, about, None, Idempotency_Key="k-3")).status_code == 204
    assert await service.told() == ["booked", "rescheduled", "rescheduled", "cancelled"]


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/location_id", {"location_id": "nowhere"}),
        ("/ends_at", {"ends_at": "2026-12-03T10:00:00+01:00"}),
        ("/starts_at", {"starts_at": "2036-12-02T09:00:00Z", "ends_at": "2036-12-02T10:00:00Z"}),
        ("/referral_id", {"referral_id": "0201609995"}),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    service: Served, pointer: str, changes: dict[str, str]
) -> None:
    about = await entered(service)
    answer = await change(service, about, MOVED | changes)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await service.told() == ["booked"]


async def test_only_who_may_see_the_referral_changes_it(service: Served) -> None:
    about = await entered(service)
    callers: dict[str, dict[str, str]] = {
        "other": bearer("referrer", organisation="gp-9999"),
        "elsewhere": bearer("coordinator", department="aarhus"),
        "hospital": bearer("hospital", organisation="hospital-randers"),
        "nobody": {},
        "referrer": REFERRER,
    }
    path, client = f"/appointments/{about}", service.running.client
    moved = {
        who: (await client.put(path, json=MOVED, headers=headers)).status_code
        for who, headers in callers.items()
    }
    called_off = {
        who: (await client.delete(path, headers=headers)).status_code
        for who, headers in callers.items()
    }
    refused = {"other": 404, "elsewhere": 404, "hospital": 403, "nobody": 401}
    assert moved == refused | {"referrer": 200}
    assert called_off == refused | {"referrer": 204}
    unknown = "01936f5e-7a00-7000-8000-000000000000"
    assert (await change(service, unknown, MOVED)).status_code == 404


async def test_withdrawn_consent_has_deleted_it(service: Served) -> None:
    about = await entered(service)
    (row,) = await service.rows("select referral_id from referral")
    path = f"/referrals/{row['referral_id']}/consent"
    await service.running.client.delete(path, headers=REFERRER)
    assert (await change(service, about, MOVED)).status_code == 404
    assert (await change(service, about, None)).status_code == 404


async def test_the_hospital_and_a_coordinator_at_the_same_moment_leave_one_appointment(
    service: Served,
) -> None:
    about = await entered(service)
    sent, called_off = await asyncio.gather(
        service.put(fhir_appointment()), change(service, about, None)
    )
    assert (sent.status_code, sent.json()["id"]) == (200, about)
    assert called_off.status_code in (204, 409)
    (row,) = await service.rows("select announced from appointment")
    assert row["announced"] == "booked", "the hospital's word counts"


async def test_of_what_was_called_off_and_entered_again_the_hospital_sends_the_second(
    service: Served,
) -> None:
    first = await entered(service)
    await change(service, first, None)
    second = await entered(service)
    assert (await service.put(fhir_appointment())).json()["id"] == second


async def items(service: Served) -> list[tuple[str, str, list[str]]]:
    """What was told of items: raised or settled, the need, and the coded reasons."""
    return [
        (kind, item["need_id"], item.get("reasons", [])) for kind, item in await service.attention()
    ]


async def test_the_same_from_the_hospital_needs_nobody(service: Served) -> None:
    await entered(service)
    await service.put(fhir_appointment())
    assert await service.attention() == []


@pytest.mark.parametrize(
    "other",
    [
        {"start": "2026-12-02T09:20:00+01:00"},
        {"end": "2026-12-02T10:15:00+01:00"},
    ],
)
async def test_a_hospital_that_sends_it_otherwise_is_told_to_the_coordinator(
    service: Served, other: dict[str, str]
) -> None:
    about = await entered(service)
    await service.put(fhir_appointment(**other))
    ((kind, item),) = await service.attention()
    assert (kind, item["kind"], item["department"], item["need_id"], item["reasons"]) == (
        "raised",
        "entered_appointment_changed",
        DEPARTMENT,
        about,
        ["appointment_rescheduled"],
    )
    await service.put(fhir_appointment(**other))
    assert len(await service.attention()) == 1, "a repeat tells nothing new"


@pytest.mark.parametrize(
    ("change_of_it", "reason"),
    [
        (
            {"start": "2026-12-04T09:00:00+01:00", "end": "2026-12-04T09:30:00+01:00"},
            "appointment_rescheduled",
        ),
        ({"location": "grenaa-health-house"}, "appointment_rescheduled"),
        ({"status": "cancelled"}, "appointment_cancelled"),
        ({"status": "entered-in-error"}, "appointment_cancelled"),
        ({"status": "proposed"}, "appointment_cancelled"),
    ],
)
async def test_a_hospital_that_moves_or_cancels_it_later_is_told_to_the_coordinator(
    service: Served, change_of_it: dict[str, str], reason: str
) -> None:
    about = await entered(service)
    await service.put(fhir_appointment())
    await service.put(fhir_appointment(updated="2026-11-30T10:00:00Z", **change_of_it))
    assert await items(service) == [("raised", about, [reason])]


async def test_a_cancellation_as_the_hospitals_first_word_is_told(service: Served) -> None:
    about = await entered(service)
    await service.put(fhir_appointment(status="cancelled"))
    assert await items(service) == [("raised", about, ["appointment_cancelled"])]


async def test_over_kafka_it_is_told_with_its_cause(service: Served) -> None:
    about = await entered(service)
    await handled(service, fhir_appointment(start="2026-12-02T09:10:00+01:00"))
    assert await items(service) == [("raised", about, ["appointment_rescheduled"])]


async def test_what_the_hospital_books_though_it_was_called_off_here_is_told(
    service: Served,
) -> None:
    about = await entered(service)
    await change(service, about, None)
    assert (await service.put(fhir_appointment())).json()["id"] == about
    assert await items(service) == [("raised", about, ["appointment_booked"])]


async def test_a_patient_who_declines_it_is_one_item(service: Served) -> None:
    await entered(service)
    await service.put(
        fhir_appointment() | {"participant": [patient() | {"status": "declined"}, place()]}
    )
    assert [item["kind"] for _, item in await service.attention()] == ["patient_declined"]


@pytest.mark.parametrize("status", ["fulfilled", "noshow"])
async def test_it_needs_nobody_once_it_is_over(service: Served, status: str) -> None:
    about = await entered(service)
    await service.put(fhir_appointment(start="2026-12-02T09:10:00+01:00"))
    await service.put(
        fhir_appointment(
            start="2026-12-02T09:10:00+01:00", status=status, updated="2026-11-30T10:00:00Z"
        )
    )
    assert [kind for kind, _, _ in await items(service)] == ["raised", "settled"]
    assert about == (await items(service))[-1][1]


async def test_what_the_hospital_sent_first_is_the_hospitals_alone(service: Served) -> None:
    made = await service.referred()
    await service.put(fhir_appointment())
    body = VISIT | {"referral_id": made["referral_id"]}
    await service.running.client.post("/appointments", json=body, headers=COORDINATOR)
    await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T10:00:00Z"))
    assert await service.attention() == []
