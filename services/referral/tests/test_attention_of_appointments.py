"""What of an appointment needs a coordinator is an item, settled when its cause is gone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.testing import bearer
from brobyg_kit.timers import DueTimer
from brobyg_referral.cases.use_cases.timers import APPOINTMENT_OVER
from referral_bench import REFERRER, Served, handled
from referral_reference import DEPARTMENT
from referral_samples import OTHER_CPR, fhir_appointment, patient, place, referral
from sqlalchemy import text

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")


def at(minute: int) -> str:
    """A time at which the hospital says something, later for a higher minute."""
    return f"2026-11-30T08:{minute:02}:00.000+01:00"


def declined(minute: int = 0, **changes: Any) -> dict[str, Any]:
    participants = [patient() | {"status": "declined"}, place()]
    return fhir_appointment(updated=at(minute), **changes) | {"participant": participants}


async def over(service: Served, appointment_id: str) -> None:
    """The timer of the appointment's end is claimed and fires."""
    fire = service.running.runtime.parts.timers[APPOINTMENT_OVER]
    async with service.database.transaction() as tx:
        await tx.connection.execute(text("delete from timer"))
        await fire(tx, [DueTimer(APPOINTMENT_OVER, appointment_id, tx.now)])


async def test_a_patient_who_declines_is_an_item_and_one_who_accepts_again_settles_it(
    service: Served,
) -> None:
    made = await service.referred()
    booked = (await service.put(declined())).json()["id"]
    ((kind, item),) = await service.attention()
    assert (kind, item) == (
        "raised",
        {
            "attention_id": item["attention_id"],
            "kind": "patient_declined",
            "urgency": "today",
            "department": DEPARTMENT,
            "reasons": ["patient_declined"],
            "referral_id": made["referral_id"],
            "citizen_id": made["citizen_id"],
            "need_id": booked,
            "due_at": "2026-12-02T08:00:00Z",
        },
    )
    await service.put(declined(1))
    assert len(await service.attention()) == 1
    await service.put(fhir_appointment(updated=at(2)))
    kind, settled = (await service.attention())[-1]
    assert (kind, settled) == (
        "settled",
        {
            "attention_id": item["attention_id"],
            "actor": "referral",
            "department": DEPARTMENT,
            "outcome": "no_longer_so",
            "need_id": booked,
        },
    )
    await service.put(declined(3))
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled", "raised"]


async def test_what_starts_within_a_day_is_urgent(service: Served) -> None:
    await service.referred()
    await service.put(declined(start="2026-12-01T08:59:00+01:00", end="2026-12-01T10:00:00+01:00"))
    assert (await service.attention())[0][1]["urgency"] == "now"


async def test_what_is_over_already_needs_nobody(service: Served) -> None:
    await service.referred()
    await service.put(declined(start="2026-11-29T09:00:00+01:00", end="2026-11-29T10:00:00+01:00"))
    assert await service.attention() == []


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "fulfilled", "noshow"])
async def test_an_appointment_that_is_cancelled_or_was_no_longer_needs_anybody(
    service: Served, status: str
) -> None:
    await service.referred()
    await service.put(declined())
    await service.put(fhir_appointment(status=status, updated=at(1)))
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]


async def test_a_cancellation_by_another_number_is_an_item_until_the_patients_own_comes(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    await service.put(fhir_appointment(cpr=OTHER_CPR, status="cancelled", updated=at(1)))
    assert [item["kind"] for _, item in await service.attention()] == ["cancelled_for_another"]
    await service.put(fhir_appointment(updated=at(2)))
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]


async def test_a_change_refused_for_another_patient_is_an_item_until_it_is_cancelled(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    for minute in (1, 2):
        refused = await service.put(fhir_appointment(cpr=OTHER_CPR, updated=at(minute)))
        assert refused.status_code == 422
    assert [item["kind"] for _, item in await service.attention()] == ["refused_for_another"]
    await service.put(fhir_appointment(status="cancelled", updated=at(3)))
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]


async def test_of_several_words_in_one_batch_the_last_counts(service: Served) -> None:
    await service.referred()
    await handled(service, declined(), fhir_appointment(updated=at(1)), declined(2))
    assert [kind for kind, _ in await service.attention()] == ["raised"]
    await handled(service, fhir_appointment(updated=at(3)), declined(4))
    assert [kind for kind, _ in await service.attention()] == ["raised"]


async def test_the_end_of_the_appointment_settles_what_it_needed_and_waits_where_it_was_moved(
    service: Served,
) -> None:
    await service.referred()
    booked = (await service.put(declined())).json()["id"]
    (timer,) = await service.rows("select kind, subject, due_at from timer")
    ends_at = datetime(2026, 12, 2, 8, 30, tzinfo=UTC)
    assert (timer["kind"], timer["subject"], timer["due_at"]) == (APPOINTMENT_OVER, booked, ends_at)
    await over(service, booked)
    assert [kind for kind, _ in await service.attention()] == ["raised"], "it is not over yet"
    past = datetime(2026, 11, 29, tzinfo=UTC)
    await service.rows(
        f"update appointment set starts_at = '{past}', ends_at = '{past + timedelta(hours=1)}'"
    )
    await over(service, booked)
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]
    assert await service.rows("select 1 from timer") == []


async def test_withdrawn_consent_settles_what_the_appointments_needed(service: Served) -> None:
    made = await service.referred()
    await service.put(declined())
    path = f"/referrals/{made['referral_id']}/consent"
    await service.running.client.delete(path, headers=REFERRER)
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]
    assert await service.rows("select 1 from timer") == []


async def test_a_coordinator_of_the_department_claims_and_settles_an_item(
    service: Served,
) -> None:
    assert (await service.refer(referral())).status_code == 201
    await service.put(declined())
    item = (await service.attention())[0][1]["attention_id"]
    client, path = service.running.client, f"/attention/{item}"
    elsewhere = bearer("coordinator", department="aarhus")
    assert (await client.post(f"{path}/claim", headers=elsewhere)).status_code == 404
    claimed = await client.post(f"{path}/claim", headers=COORDINATOR)
    assert (claimed.status_code, claimed.json()["claimed_by"]) == (200, actor_of("anna"))
    settled = await client.post(
        f"{path}/settle", json={"outcome": "company_not_needed"}, headers=COORDINATOR
    )
    assert settled.status_code == 200
    assert [kind for kind, _ in await service.attention()] == ["raised", "claimed", "settled"]
    for outcome in ("call me", "no_longer_so"):  # the second is the service's own to say
        wrong = await client.post(f"{path}/settle", json={"outcome": outcome}, headers=COORDINATOR)
        assert wrong.json()["errors"][0]["pointer"] == "/outcome"


async def test_open_items_are_counted_by_kind(service: Served) -> None:
    await service.referred()
    await service.put(declined())
    text = (await service.running.client.get("/metrics")).text
    assert 'brobyg_attention_open{kind="patient_declined"} 1.0' in text
