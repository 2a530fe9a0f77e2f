"""What the hospital sends of an appointment that is kept for a restriction alone.

Its citizen withdrew consent while they were restricted. It is as if there were none: what others
say of it is of others, and nothing of it is told to anybody.
"""

from typing import Any

import pytest
from brobyg_kit.database import Transaction
from brobyg_referral.cases.adapters.appointments import PostgresAppointments
from brobyg_referral.cases.ports import ActiveReferral, Names
from referral_bench import Served
from referral_samples import OTHER_CPR, SYSTEM, fhir_appointment
from test_restriction import APPOINTMENTS, MOVED, at, lift, restrict, withdraw
from test_several_referrals import OLDER, also_referred, booked_under, walks

pytestmark = pytest.mark.asyncio(loop_scope="session")

__all__ = ["walks"]


async def kept(service: Served) -> dict[str, Any]:
    """Who withdrew while they were restricted; one appointment of theirs is kept."""
    made = await service.referred()
    await service.put(fhir_appointment())
    await restrict(service, made["citizen_id"])
    await withdraw(service, made["referral_id"])
    return made


@pytest.mark.parametrize("status", ["booked", "cancelled"])
async def test_a_message_for_another_patient_is_theirs(service: Served, status: str) -> None:
    made = await kept(service)
    other = await service.referred(cpr=OTHER_CPR)
    before = len(await service.events())
    answer = await service.put(fhir_appointment(cpr=OTHER_CPR, status=status, updated=at(5)))
    assert answer.status_code == 201, answer.text
    told = (await service.events())[before:]
    assert [kind for kind, _ in told] == (
        ["appointment.booked", "need.opened"] if status == "booked" else []
    )
    assert {data["citizen_id"] for _, data in told} <= {other["citizen_id"]}
    assert len(await service.rows(APPOINTMENTS)) == 2, "nothing is deleted meanwhile"
    await lift(service, made["citizen_id"])
    assert await service.rows("select citizen_id::text from appointment") == [
        {"citizen_id": other["citizen_id"]}
    ]
    # It is found by its number still, and known as the same.
    again = await service.put(fhir_appointment(cpr=OTHER_CPR, updated=at(6), **MOVED))
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])


async def test_a_message_for_nobody_with_a_referral_is_dropped(service: Served) -> None:
    await kept(service)
    before = await service.events()
    assert (await service.put(fhir_appointment(cpr=OTHER_CPR, updated=at(5)))).status_code == 202
    assert await service.events() == before
    assert (await service.counts())["dropped_without_consent"] == 1


async def test_the_hospital_finds_it_no_more(service: Served) -> None:
    made = await service.referred()
    number = (await service.put(fhir_appointment())).json()["id"]
    await restrict(service, made["citizen_id"])
    search = f"/Appointment?identifier={SYSTEM}|A-1"
    assert (await service.fhir("GET", search)).json()["total"] == 1
    await withdraw(service, made["referral_id"])
    assert (await service.fhir("GET", search)).json()["total"] == 0
    assert (await service.fhir("GET", f"/Appointment/{number}")).status_code == 404


@pytest.mark.parametrize("number", ["A-1", "A-2"])
async def test_of_another_referral_of_theirs_it_is_kept_and_told_once_that_is_lifted(
    service: Served, walks: str, number: str
) -> None:
    made = await service.referred()
    await service.put(fhir_appointment())
    other = await also_referred(service, walks, OLDER)
    await restrict(service, made["citizen_id"])
    await withdraw(service, made["referral_id"])
    before = await service.events()
    answer = await service.put(fhir_appointment(number, updated=at(5), **MOVED))
    assert answer.status_code == 201, answer.text
    assert await service.events() == before
    await lift(service, made["citizen_id"])
    assert (await booked_under(service))[1:] == [(other, walks)]
    assert await service.rows("select referral_id::text from appointment") == [
        {"referral_id": other}
    ]
    again = await service.put(fhir_appointment(number, updated=at(6), status="cancelled"))
    assert again.json()["id"] == answer.json()["id"]
    assert (await service.told())[-1] == "cancelled"


async def test_what_was_booked_while_locks_were_got_is_locked_too(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes an appointment, or says of whom it is, has locked its referral."""
    await service.referred()
    await service.referred(cpr=OTHER_CPR)
    lock, others = PostgresAppointments.lock_active_referrals, [fhir_appointment()]

    async def overtaken(
        self: PostgresAppointments, tx: Transaction, citizens: Any, names: Names
    ) -> dict[str, ActiveReferral]:
        locked = await lock(self, tx, citizens, names)
        if others:
            assert (await service.put(others.pop())).status_code == 201
        return locked

    monkeypatch.setattr(PostgresAppointments, "lock_active_referrals", overtaken)
    cancels = fhir_appointment(cpr=OTHER_CPR, status="cancelled", updated=at(5))
    assert (await service.put(cancels)).status_code == 200
    assert (await service.told())[-1] == "cancelled"
