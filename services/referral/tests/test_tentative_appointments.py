"""What the hospital tells tentatively and somebody enters is one appointment, in every order."""

from typing import Any

import pytest
from referral_bench import REFERRER, Served
from referral_samples import fhir_appointment, patient, place

pytestmark = pytest.mark.asyncio(loop_scope="session")


def at(minute: int) -> str:
    """A time at which the hospital says something, later for a higher minute."""
    return f"2026-11-30T08:{minute:02}:00.000+01:00"


def without_place(**changes: Any) -> dict[str, Any]:
    return fhir_appointment(**changes) | {"participant": [patient()]}


def declined(**changes: Any) -> dict[str, Any]:
    participants = [patient() | {"status": "declined"}, place()]
    return fhir_appointment(**changes) | {"participant": participants}


async def entered(service: Served, made: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body = {
        "referral_id": made["referral_id"],
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:00:00+01:00",
        "ends_at": "2026-12-02T09:30:00+01:00",
    }
    answer = await service.running.client.post("/appointments", json=body, headers=REFERRER)
    return answer.status_code, answer.json()


async def needs(service: Served) -> list[tuple[str, str]]:
    return [(kind, need["need_id"]) for kind, need in await service.needs()]


def open_needs(told: list[tuple[str, str]]) -> set[str]:
    last = {need: kind for kind, need in told}
    return {need for need, kind in last.items() if kind != "closed"}


TENTATIVE = {
    "pending": fhir_appointment(status="pending", updated=at(0)),
    "proposed": fhir_appointment(status="proposed", updated=at(0)),
    "of an unknown place": without_place(status="pending", updated=at(0)),
    "declined": declined(updated=at(0)),
}


@pytest.mark.parametrize("first", TENTATIVE)
async def test_what_the_hospital_told_tentatively_and_somebody_enters_is_booked_then(
    service: Served, first: str
) -> None:
    made = await service.referred()
    sent = (await service.put(TENTATIVE[first])).json()
    assert await service.told() == []
    status, body = await entered(service, made)
    assert (status, body["appointment_id"], body["status"]) == (200, sent["id"], "booked")
    assert (body["location_id"], body["starts_at"]) == ("randers-hospital", "2026-12-02T08:00:00Z")
    again = await entered(service, made)
    assert again == (200, body)
    await service.put(TENTATIVE[first])
    ((kind, need),) = await service.needs()
    assert (kind, need["need_id"], need["location_id"]) == (
        "opened",
        sent["id"],
        "randers-hospital",
    )
    read = await service.fhir("GET", f"/Appointment/{sent['id']}")
    assert read.json() == sent, "what the hospital says is its own"
    await service.put(fhir_appointment(updated=at(1)))
    assert await needs(service) == [("opened", sent["id"])]


async def test_one_that_the_hospital_moves_after_it_was_entered_is_told_to_a_coordinator(
    service: Served,
) -> None:
    made = await service.referred()
    await service.put(fhir_appointment(status="pending", updated=at(0)))
    await entered(service, made)
    moved = {"start": "2026-12-02T14:00:00+01:00", "end": "2026-12-02T15:00:00+01:00"}
    await service.put(fhir_appointment(updated=at(1), **moved))
    assert await service.told() == ["booked", "rescheduled"]
    assert [item["kind"] for _, item in await service.attention()] == [
        "entered_appointment_changed"
    ]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "fulfilled", "noshow"])
async def test_one_that_the_hospital_called_off_or_that_was_is_not_what_is_entered(
    service: Served, status: str
) -> None:
    made = await service.referred()
    sent = (await service.put(fhir_appointment(status=status, updated=at(0)))).json()["id"]
    answered, body = await entered(service, made)
    assert (answered, body["appointment_id"] == sent) == (201, False)


async def test_what_is_entered_and_then_told_tentatively_and_booked_is_one_need(
    service: Served,
) -> None:
    made = await service.referred()
    _, body = await entered(service, made)
    for minute, status in enumerate(("pending", "booked")):
        sent = await service.put(fhir_appointment(status=status, updated=at(minute)))
        assert sent.json()["id"] == body["appointment_id"]
    told = await needs(service)
    assert {need for _, need in told} == open_needs(told) == {body["appointment_id"]}


ELSEWHEN = {"start": "2026-12-02T14:00:00+01:00", "end": "2026-12-02T15:00:00+01:00"}


@pytest.mark.parametrize("sent_first", [True, False])
@pytest.mark.parametrize(
    "tentative",
    [
        fhir_appointment(status="pending", updated=at(0), **ELSEWHEN),
        fhir_appointment(status="pending", updated=at(0), location="grenaa-health-house"),
        without_place(status="pending", updated=at(0)),
        fhir_appointment(updated=at(0), **ELSEWHEN),
    ],
)
async def test_what_becomes_the_same_only_when_it_is_booked_is_one_need_from_then_on(
    service: Served, tentative: dict[str, Any], sent_first: bool
) -> None:
    made = await service.referred()
    if sent_first:
        await service.put(tentative)
        await entered(service, made)
    else:
        await entered(service, made)
        await service.put(tentative)
    sent = (await service.put(fhir_appointment(updated=at(1)))).json()["id"]
    assert open_needs(await needs(service)) == {sent}
    status, body = await entered(service, made)
    assert (status, body["appointment_id"]) == (200, sent)
