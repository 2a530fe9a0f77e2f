"""An appointment that somebody enters and the hospital sends later is one appointment."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from brobyg_kit.testing import bearer
from brobyg_referral.cases.domain.appointment import SAME_VISIT, PlannedVisit, apart
from hypothesis import given
from hypothesis import strategies as st
from referral_bench import REFERRER, Served
from referral_reference import CLOSED_PLACE
from referral_samples import OTHER_CPR, fhir_appointment, patient, place, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")
START = datetime(2026, 12, 2, 8, 0, tzinfo=UTC)


def entered(made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "referral_id": made["referral_id"],
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:00:00+01:00",
        "ends_at": "2026-12-02T09:30:00+01:00",
    } | changes


async def enter(
    service: Served, body: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await service.running.client.post(
        "/appointments", json=body, headers=REFERRER | (headers or {})
    )


async def test_what_is_entered_is_booked_and_wants_company_at_once(service: Served) -> None:
    made = await service.referred()
    answer = await enter(service, entered(made))
    assert answer.status_code == 201
    assert answer.json() == {
        "appointment_id": answer.json()["appointment_id"],
        "referral_id": made["referral_id"],
        "status": "booked",
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T08:00:00Z",
        "ends_at": "2026-12-02T08:30:00Z",
    }
    assert await service.told() == ["booked"]
    assert [kind for kind, _ in await service.needs()] == ["opened"]


@pytest.mark.parametrize("minutes", [0, 30, -30])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_the_hospital_sends_later_is_the_same_and_keeps_its_id(
    service: Served, minutes: int, method: str
) -> None:
    made = await service.referred()
    first = (await enter(service, entered(made))).json()["appointment_id"]
    start = START + timedelta(minutes=minutes)
    body = fhir_appointment(start=start.isoformat(), end=(start + timedelta(hours=1)).isoformat())
    answer = (
        await service.put(body)
        if method == "PUT"
        else await service.fhir("POST", "/Appointment", body)
    )
    assert (answer.status_code, answer.json()["id"]) == (200, first)
    told = await service.needs()
    assert [kind for kind, _ in told] == ["opened", "changed"]
    assert told[-1][1]["ends_at"] == (start + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(await service.rows("select 1 from appointment")) == 1


async def test_the_hospitals_word_counts_from_then_on(service: Served) -> None:
    made = await service.referred()
    await enter(service, entered(made))
    await service.put(fhir_appointment())
    assert await service.told() == ["booked"]
    await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T10:00:00Z"))
    assert await service.told() == ["booked", "cancelled"]
    found = await service.fhir(
        "GET", "/Appointment?identifier=https://hospital.example/appointments|A-1"
    )
    assert found.json()["total"] == 1


async def test_a_cancellation_is_all_that_the_hospital_ever_sends_of_it(service: Served) -> None:
    made = await service.referred()
    await enter(service, entered(made))
    assert (await service.put(fhir_appointment(status="cancelled"))).status_code == 200
    assert await service.told() == ["booked", "cancelled"]


@pytest.mark.parametrize(
    "other",
    [
        {"start": "2026-12-02T09:31:00+01:00", "end": "2026-12-02T10:00:00+01:00"},
        {"location": "grenaa-health-house"},
    ],
)
async def test_another_time_or_place_is_another_appointment(
    service: Served, other: dict[str, str]
) -> None:
    made = await service.referred()
    first = (await enter(service, entered(made))).json()["appointment_id"]
    answer = await service.put(fhir_appointment(**other))
    assert (answer.status_code, answer.json()["id"] == first) == (201, False)
    assert await service.told() == ["booked", "booked"]


async def test_another_citizens_appointment_is_another(service: Served) -> None:
    made = await service.referred()
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    first = (await enter(service, entered(made))).json()["appointment_id"]
    assert (await service.put(fhir_appointment(cpr=OTHER_CPR))).json()["id"] != first


async def test_two_bookings_of_one_batch_do_not_both_become_what_was_entered(
    service: Served,
) -> None:
    made = await service.referred()
    first = (await enter(service, entered(made))).json()["appointment_id"]
    entries = [
        {
            "resource": fhir_appointment(number),
            "request": {"method": "POST", "url": "Appointment"},
        }
        for number in ("A-1", "A-2")
    ]
    answer = await service.fhir(
        "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    )
    ids = [one["resource"]["id"] for one in answer.json()["entry"]]
    assert (ids[0], len(set(ids))) == (first, 2)


async def test_what_the_hospital_has_sent_is_not_entered_again(service: Served) -> None:
    made = await service.referred()
    sent = (await service.put(fhir_appointment())).json()["id"]
    answer = await enter(
        service,
        entered(made, starts_at="2026-12-02T09:20:00+01:00", ends_at="2026-12-02T10:00:00+01:00"),
    )
    assert (answer.status_code, answer.json()["appointment_id"]) == (200, sent)
    assert answer.json()["starts_at"] == "2026-12-02T08:00:00Z"
    assert await service.told() == ["booked"]


async def test_a_repeat_with_the_same_key_has_no_second_effect_even_once_it_has_moved(
    service: Served,
) -> None:
    made, key = await service.referred(), {"Idempotency-Key": "k-1"}
    first = await enter(service, entered(made), key)
    await service.put(fhir_appointment())
    moved = fhir_appointment(
        start="2026-12-04T09:00:00+01:00",
        end="2026-12-04T09:30:00+01:00",
        updated="2026-11-30T10:00:00Z",
    )
    await service.put(moved)
    again = await enter(service, entered(made), key)
    assert again.json()["appointment_id"] == first.json()["appointment_id"]
    assert await service.told() == ["booked", "rescheduled"]
    other = await enter(service, entered(made, location_id="grenaa-health-house"), key)
    assert other.status_code == 422


async def test_whoever_enters_it_at_the_same_moment_it_is_one(service: Served) -> None:
    made = await service.referred()
    answers = await asyncio.gather(*(enter(service, entered(made)) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
    assert await service.told() == ["booked"]


async def test_the_hospital_and_a_coordinator_at_the_same_moment_make_one(service: Served) -> None:
    made = await service.referred()
    for number in range(5):
        start = f"2026-12-{10 + number}T09:00:00+01:00"
        end = f"2026-12-{10 + number}T09:30:00+01:00"
        sent, typed = await asyncio.gather(
            service.put(fhir_appointment(f"A-{number}", start=start, end=end)),
            enter(service, entered(made, starts_at=start, ends_at=end)),
        )
        assert sent.json()["id"] == typed.json()["appointment_id"]
    assert await service.told() == ["booked"] * 5


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/location_id", {"location_id": "nowhere"}),
        ("/location_id", {"location_id": CLOSED_PLACE.record.partition("/")[2]}),
        ("/location_id", {"location_id": "Testgrusgraven 3"}),
        ("/ends_at", {"ends_at": "2026-12-02T09:00:00+01:00"}),
        ("/ends_at", {"ends_at": "2027-12-02T09:00:00+01:00"}),
        ("/ends_at", {"starts_at": "2025-12-02T09:00:00+01:00", "ends_at": "2025-12-02T10:00:00Z"}),
        ("/starts_at", {"starts_at": "2036-12-02T09:00:00Z", "ends_at": "2036-12-02T10:00:00Z"}),
        ("/starts_at", {"starts_at": 20261202}),
        ("/referral_id", {"referral_id": "0201609995"}),
        ("/note", {"note": "0201609995"}),
    ],
)
async def test_what_is_wrong_is_told_with_its_place_and_without_the_value(
    service: Served, pointer: str, changes: dict[str, Any]
) -> None:
    made = await service.referred()
    answer = await enter(service, entered(made, **changes))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "0201609995" not in answer.text
    assert await service.told() == []


async def test_only_who_may_see_the_referral_enters_its_appointments(service: Served) -> None:
    made = await service.referred()
    answers = {
        who: (
            await service.running.client.post("/appointments", json=entered(made), headers=headers)
        ).status_code
        for who, headers in {
            "other": bearer("referrer", organisation="gp-9999"),
            "elsewhere": bearer("coordinator", department="aarhus"),
            "hospital": bearer("hospital", organisation="hospital-randers"),
            "nobody": {},
            "coordinator": COORDINATOR,
        }.items()
    }
    assert answers == {
        "other": 404,
        "elsewhere": 404,
        "hospital": 403,
        "nobody": 401,
        "coordinator": 201,
    }


async def test_without_consent_or_under_a_pathway_without_appointments_none_is_entered(
    service: Served,
) -> None:
    caseload = await service.referred(pathway="toy_caseload")
    refused = await enter(service, entered(caseload))
    assert refused.json()["errors"][0]["pointer"] == "/referral_id"
    made = await service.referred()
    await service.running.client.delete(
        f"/referrals/{made['referral_id']}/consent", headers=REFERRER
    )
    assert (await enter(service, entered(made))).status_code == 409


async def test_a_declined_copy_of_it_from_the_hospital_closes_the_need(service: Served) -> None:
    made = await service.referred()
    await enter(service, entered(made))
    body = fhir_appointment() | {"participant": [patient() | {"status": "declined"}, place()]}
    await service.put(body)
    assert [kind for kind, _ in await service.needs()] == ["opened", "closed"]


@given(
    st.timedeltas(timedelta(hours=-2), timedelta(hours=2)),
    st.sampled_from(["randers-hospital", "grenaa-health-house", None]),
)
async def test_two_visits_are_one_at_one_place_within_half_an_hour_whoever_is_asked_first(
    between: timedelta, place_id: str | None
) -> None:
    one = PlannedVisit(START, START + timedelta(hours=1), "randers-hospital")
    other = PlannedVisit(START + between, START + between + timedelta(hours=1), place_id)
    same = place_id == "randers-hospital" and abs(between) <= SAME_VISIT
    assert (apart(one, other) is not None) == (apart(other, one) is not None) == same
