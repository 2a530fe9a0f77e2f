"""A citizen is told all that is held of them."""

from typing import Any

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.export import KIT_EXEMPT, STAFF, unaccounted
from brobyg_kit.problems import GONE
from brobyg_kit.testing import bearer, tables_naming
from brobyg_referral.holdings import holdings
from brobyg_referral.metadata import metadata
from brobyg_referral.people.domain.cpr import born
from referral_bench import REFERRER, Served
from referral_samples import (
    ADDRESS,
    CPR,
    FAMILY,
    GIVEN,
    MAIL,
    MESSAGES,
    OTHER_CPR,
    PHONE,
    SYSTEM,
    fhir_appointment,
    patient,
    place,
    referral,
)
from sqlalchemy import Column, MetaData, Table, Text, Uuid, text

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")
ELSEWHERE = bearer("coordinator", organisation="municipality-0707", department="aarhus")
SERVICE_TOKEN = bearer("service", subject="notification", organisation="brobyg")
UNKNOWN = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"
HELD: Any = holdings(None)  # type: ignore[arg-type]  # nothing is opened


async def exported(service: Served, citizen_id: str) -> dict[str, list[dict[str, Any]]]:
    """The sections, by heading."""
    answer = await service.running.client.get(
        f"/citizens/{citizen_id}/export", headers=SERVICE_TOKEN
    )
    assert answer.status_code == 200, answer.text
    return {one["heading"]: one["rows"] for one in answer.json()["sections"]}


async def everything(service: Served) -> str:
    """A citizen of whom each table holds something, and another beside."""
    made = (await service.refer(referral(consents=[MESSAGES]), {"Idempotency-Key": "k-1"})).json()
    await service.refer(referral(OTHER_CPR))
    await service.put(fhir_appointment(cpr=OTHER_CPR, number="B-1"))
    declined = [patient() | {"status": "declined"}, place()]
    await service.put(fhir_appointment() | {"participant": declined})
    citizen: str = made["citizen_id"]
    client = service.running.client
    await client.get(f"/citizens/{citizen}/contact?purpose=message", headers=SERVICE_TOKEN)
    await client.put(
        f"/citizens/{citizen}/restriction", json={"reason": "objection"}, headers=COORDINATOR
    )
    told = "insert into course (citizen_id, told_at) values (cast(:id as uuid), now())"
    async with service.database.transaction() as tx:
        await tx.connection.execute(text(told), {"id": citizen})
    await exported(service, citizen)
    return citizen


async def test_all_that_is_held_is_told_and_nothing_of_anybody_else(service: Served) -> None:
    citizen = await everything(service)
    told = await exported(service, citizen)
    assert told.keys() == {one.heading for one in HELD.sections["citizens"]}
    (identity,) = told["Who you are and how you are reached"]
    assert identity == {
        "given_name": GIVEN,
        "family_name": FAMILY,
        "language": "da",
        "email": MAIL,
        "phone": PHONE,
        "address": f"{ADDRESS}, 8900",
        "born": str(born(CPR)),
        "is_protected": False,
        "has_guardian": None,
        "guardian_recorded_at": None,
    }
    (appointment,) = told["Appointments"]
    assert (appointment["citizen_id"], appointment["patient_status"]) == (citizen, "declined")
    (number,) = told["What the hospital calls your appointments"]
    assert (number["system"], number["value"]) == (SYSTEM, "A-1")
    assert [row["purpose"] for row in told["When your data was seen, and what for"]] == [
        "message",
        "export",
    ]
    assert "B-1" not in str(told)
    assert not any(STAFF & row.keys() for rows in told.values() for row in rows)


async def test_each_table_that_names_them_is_told_or_exempt(service: Served) -> None:
    citizen = await everything(service)
    told = {name for one in HELD.sections["citizens"] for name in one.tables}
    naming = await tables_naming(service.database, citizen)
    assert {"citizen", "referral", "appointment", "access_entry", "outbox"} <= naming
    assert naming <= told | KIT_EXEMPT.keys() | HELD.exempt.keys()
    # What their name is sealed under and found by: of no use to anybody.
    assert naming & HELD.exempt.keys() == {"person_key", "name_token"}


async def test_no_table_is_forgotten() -> None:
    assert unaccounted(HELD, metadata.tables.values()) == []


async def test_control_a_table_that_is_added_and_not_told_is_found() -> None:
    added = Table("diary", MetaData(), Column("citizen_id", Uuid), Column("text", Text))
    assert unaccounted(HELD, [*metadata.tables.values(), added]) == ["diary"]


async def test_only_services_and_coordinators_of_the_department_are_told(service: Served) -> None:
    citizen = (await service.referred())["citizen_id"]
    path, client = f"/citizens/{citizen}/export", service.running.client
    who = (REFERRER, {}, ELSEWHERE, COORDINATOR, SERVICE_TOKEN)
    answers = [(await client.get(path, headers=one)).status_code for one in who]
    assert answers == [403, 401, 404, 200, 200]
    unknown = await client.get(f"/citizens/{UNKNOWN}/export", headers=SERVICE_TOKEN)
    assert unknown.status_code == 404
    readers = await service.rows("select reader from access_entry order by id")
    assert [row["reader"] for row in readers] == [actor_of("anna"), actor_of("notification")]


async def test_of_who_is_erased_there_is_nothing_to_tell(service: Served) -> None:
    citizen = (await service.referred())["citizen_id"]
    client = service.running.client
    await client.delete(f"/citizens/{citizen}?reason=requested", headers=COORDINATOR)
    gone = await client.get(f"/citizens/{citizen}/export", headers=SERVICE_TOKEN)
    assert (gone.status_code, gone.json()["type"]) == (410, GONE)


async def test_no_export_tells_who_of_the_staff_it_was(service: Served) -> None:
    made = (await service.refer(referral(), {"Idempotency-Key": "k-1"})).json()
    client, citizen = service.running.client, made["citizen_id"]
    await client.get(f"/citizens/{citizen}/contact?purpose=call", headers=COORDINATOR)
    await client.get(f"/citizens/{citizen}/export", headers=COORDINATOR)
    told = await exported(service, citizen)
    assert [row["purpose"] for row in told["When your data was seen, and what for"]] == [
        "call", "export",
    ]  # fmt: skip
    assert told["Requests that were made about you"]
    for word in ("anna", actor_of("anna"), "subject", "sender"):
        assert word not in str(told)
