"""What waits for whom: reads for nobody, and changes in one order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from brobyg_kit.testing import bearer, eventually
from brobyg_kit.timers import DueTimer
from brobyg_referral.cases.use_cases.timers import APPOINTMENT_OVER
from referral_bench import REFERRER, Served
from referral_samples import fhir_appointment, patient, place
from sqlalchemy import text

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICE_TOKEN = bearer("service", subject="notification", organisation="brobyg")


@asynccontextmanager
async def locked(service: Served, *tables: str) -> AsyncIterator[None]:
    """All rows of the tables are being changed by somebody else."""
    async with service.database.transaction() as tx:
        for table in tables:
            await tx.connection.execute(text(f"select 1 from {table} for no key update"))
        yield


async def waiting(service: Served, number: int) -> None:
    """Return once so many requests wait for a lock."""

    async def wait() -> bool:
        (row,) = await service.rows(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database()"
        )
        return bool(row["count"] >= number)

    await eventually(wait, f"{number} requests wait for a lock")


async def test_what_only_reads_waits_for_nobody(service: Served) -> None:
    made = await service.referred()
    stored = (await service.put(fhir_appointment())).json()
    client = service.running.client
    async with locked(service, "citizen", "referral", "appointment"), asyncio.timeout(8):
        answers = [
            await client.get(f"/referrals/{made['referral_id']}", headers=REFERRER),
            await service.fhir("GET", f"/Appointment/{stored['id']}"),
            await service.fhir("GET", "/Appointment?identifier=x|y"),
            await client.get(
                f"/citizens/{made['citizen_id']}/contact?purpose=message&use=meet",
                headers=SERVICE_TOKEN,
            ),
        ]
    assert [answer.status_code for answer in answers] == [200] * 4


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_repeated_referral_and_a_change_of_its_consent_do_not_wait_for_each_other(
    service: Served, method: str
) -> None:
    key = {"Idempotency-Key": "k-1"}
    made = (await service.refer(headers=key)).json()
    path = f"/referrals/{made['referral_id']}/consent"
    client = service.running.client
    if method == "PUT":
        await client.delete(path, headers=REFERRER)
    body = {"given_at": "2026-11-30T09:00:00+01:00"} if method == "PUT" else None
    async with locked(service, "citizen"):
        repeat = asyncio.create_task(service.refer(headers=key))
        await waiting(service, 1)
        consent = asyncio.create_task(client.request(method, path, json=body, headers=REFERRER))
        await waiting(service, 2)
    assert [(await one).status_code for one in (repeat, consent)] == [201, 200]


async def test_a_message_of_the_hospital_and_a_change_of_consent_do_not_wait_for_each_other(
    service: Served,
) -> None:
    made = await service.referred()
    path = f"/referrals/{made['referral_id']}/consent"
    async with locked(service, "referral"):
        message = asyncio.create_task(service.put(fhir_appointment()))
        await waiting(service, 1)
        consent = asyncio.create_task(service.running.client.delete(path, headers=REFERRER))
        await waiting(service, 2)
    assert (await message).status_code == 201
    assert (await consent).status_code == 200
    assert await service.rows("select 1 from appointment") == []


async def test_the_timer_of_an_appointments_end_waits_for_nobody_who_has_its_item(
    service: Served,
) -> None:
    await service.referred()
    participants = [patient() | {"status": "declined"}, place()]
    booked = (await service.put(fhir_appointment() | {"participant": participants})).json()["id"]
    await service.rows("update appointment set ends_at = '2026-11-30T07:00:00Z' returning 1")
    fire = service.running.runtime.parts.timers[APPOINTMENT_OVER]

    async def over() -> datetime:
        async with service.database.transaction() as tx:
            await tx.connection.execute(text("delete from timer"))
            await fire(tx, [DueTimer(APPOINTMENT_OVER, booked, tx.now)])
            return tx.now

    async with locked(service, "attention"), asyncio.timeout(8):
        fired_at = await over()
        (timer,) = await service.rows("select kind, subject, due_at from timer")
    assert dict(timer) == {
        "kind": APPOINTMENT_OVER,
        "subject": booked,
        "due_at": fired_at + timedelta(seconds=10),
    }
    assert [kind for kind, _ in await service.attention()] == ["raised"]
    await over()
    assert [kind for kind, _ in await service.attention()] == ["raised", "settled"]
    assert await service.rows("select 1 from timer") == []
