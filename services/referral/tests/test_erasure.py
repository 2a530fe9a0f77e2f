"""A citizen is erased in one step, nothing left finds them, and that is shown."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest
from brobyg_contracts import CitizenErased, ErasureAcknowledged, EventData
from brobyg_kit.attention import actor_of
from brobyg_kit.event import Event, encode_data
from brobyg_kit.ids import derived_id
from brobyg_kit.problems import GONE
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served
from referral_samples import (
    ADDRESS,
    CPR,
    FAMILY,
    GIVEN,
    MAIL,
    MESSAGES,
    PHONE,
    fhir_appointment,
    referral,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")
HEAD_OFFICE = bearer("coordinator", organisation="brobyg")
ELSEWHERE = bearer("coordinator", organisation="municipality-0707", department="aarhus")
SERVICE_TOKEN = bearer("service", subject="notification", organisation="brobyg")
UNKNOWN = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"


async def erase(
    service: Served, citizen_id: str, reason: str = "requested", headers: Any = COORDINATOR
) -> httpx2.Response:
    return await service.running.client.delete(
        f"/citizens/{citizen_id}?reason={reason}", headers=headers
    )


async def status(service: Served, citizen_id: str) -> dict[str, Any]:
    answer = await service.running.client.get(f"/erasures/{citizen_id}", headers=COORDINATOR)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def an_event(data: EventData, subject: str, number: int = 1) -> Event:
    return Event(
        id=derived_id("event", subject, str(data), str(number)),
        source="matching",
        type=data.EVENT_TYPE,
        subject=subject,
        time=datetime(2026, 11, 29, 8, 0, tzinfo=UTC),
        dataschema=data.DATASCHEMA,
        correlationid=derived_id("beginning"),
        sequence=number,
        data=encode_data(data),
    )


async def hear(service: Served, *said: tuple[str, str], number: int = 1) -> None:
    """Let these services acknowledge, each as citizen and service."""
    handle = service.running.runtime.parts.handle
    assert handle is not None
    events = [
        an_event(ErasureAcknowledged(person_id=who, service=name), who, number)
        for who, name in said
    ]
    async with service.database.transaction() as tx:
        await handle(tx, events)


async def dumped(service: Served) -> str:
    """All that the database holds, what was sent aside."""
    tables = await service.rows(
        "select table_name from information_schema.tables where table_schema = 'public'"
        " and table_name not in ('outbox', 'replica', 'reference_entry')"
    )
    found = [await service.rows(f"select * from {one['table_name']}") for one in tables]
    return json.dumps(
        found, default=lambda value: value.hex() if isinstance(value, bytes) else str(value)
    )


async def test_one_request_ends_all_that_is_done_for_the_citizen_and_destroys_what_finds_them(
    service: Served,
) -> None:
    made = await service.referred()
    booked = (await service.put(fhir_appointment())).json()["id"]
    answer = await erase(service, made["citizen_id"])
    assert (answer.status_code, answer.headers["location"]) == (
        202,
        f"/erasures/{made['citizen_id']}",
    )
    told = (await service.events())[-3:]
    ids = {"referral_id": made["referral_id"], "citizen_id": made["citizen_id"]}
    assert told[0] == ("consent.withdrawn", ids | {"scope": "processing"})
    assert (told[1][0], told[1][1]["need_id"], told[1][1]["reason"]) == (
        "need.closed",
        booked,
        "citizen_erased",
    )
    assert told[2] == (
        "citizen.erased",
        {"citizen_id": made["citizen_id"], "reason": "requested"},
    )
    records = await service.rows(
        "select key, value is null as gone from outbox where topic = 'brobyg.citizen.v1'"
        " order by id"
    )
    # What still waited to be said is not sent any more.
    assert [(row["key"], row["gone"]) for row in records] == [(made["citizen_id"], True)]
    (citizen,) = await service.rows("select * from citizen")
    assert citizen["cpr_hash"] is None
    assert citizen["record"] is None
    assert await service.rows("select 1 from appointment") == []
    assert await service.rows("select 1 from appointment_identifier") == []


async def test_nothing_that_is_left_finds_the_citizen_and_nothing_brings_them_back(
    service: Served,
) -> None:
    key = {"Idempotency-Key": "k-1"}
    made = (await service.refer(referral(consents=[MESSAGES]), key)).json()
    client, contact = (
        service.running.client,
        f"/citizens/{made['citizen_id']}/contact?purpose=message",
    )
    assert (await client.get(contact, headers=SERVICE_TOKEN)).status_code == 200
    await service.put(fhir_appointment())
    (asked,) = await service.rows("select request_hash from idempotency_key")
    (before,) = await service.rows("select cpr_hash, sealed from citizen")
    await erase(service, made["citizen_id"])
    left = await dumped(service)
    canaries = (CPR, GIVEN, FAMILY, MAIL, PHONE, ADDRESS)
    bytes_of = (asked["request_hash"], before["cpr_hash"], before["sealed"])
    assert [one for one in (*map(str, canaries), *(b.hex() for b in bytes_of)) if one in left] == []
    # Who read it and why stays, about an id.
    assert await service.rows("select purpose, reader from access_entry") == [
        {"purpose": "message", "reader": actor_of("notification")}
    ]
    answers = [
        await client.get(contact, headers=SERVICE_TOKEN),
        await client.put(
            f"/referrals/{made['referral_id']}/consent",
            json={"given_at": "2026-11-30T09:00:00+01:00"},
            headers=REFERRER,
        ),
        await service.refer(headers=key),
    ]
    assert [(one.status_code, one.json()["type"]) for one in answers] == [(410, GONE)] * 3
    assert len(await service.rows("select 1 from citizen")) == 1
    assert (await service.referred())["citizen_id"] != made["citizen_id"]


async def test_what_the_hospital_sends_of_an_erased_citizen_leaves_nothing(
    service: Served,
) -> None:
    made = await service.referred()
    await erase(service, made["citizen_id"])
    assert (await service.put(fhir_appointment())).status_code == 202
    assert await service.rows("select 1 from appointment") == []
    assert (await service.counts())["dropped_without_consent"] == 1


async def test_a_second_erasure_has_no_effect_and_the_first_reason_stays(service: Served) -> None:
    made = await service.referred()
    await erase(service, made["citizen_id"])
    events = await service.events()
    again = await erase(service, made["citizen_id"], "retention_over", HEAD_OFFICE)
    assert (again.status_code, again.json()["reason"]) == (202, "requested")
    assert await service.events() == events
    assert len(await service.rows("select 1 from outbox where value is null")) == 1


async def test_erasures_at_the_same_moment_are_one(service: Served) -> None:
    made = await service.referred()
    answers = await asyncio.gather(*(erase(service, made["citizen_id"]) for _ in range(4)))
    assert [one.status_code for one in answers] == [202] * 4
    assert [kind for kind, _ in await service.events()].count("citizen.erased") == 1


async def test_only_coordinators_of_the_department_and_of_head_office_erase_a_citizen(
    service: Served,
) -> None:
    made = await service.referred()
    who = (REFERRER, SERVICE_TOKEN, {}, ELSEWHERE)
    answers = [await erase(service, made["citizen_id"], headers=one) for one in who]
    assert [one.status_code for one in answers] == [403, 403, 401, 404]
    assert (await erase(service, UNKNOWN)).status_code == 404
    assert await service.rows("select 1 from erasure") == []
    assert (await erase(service, made["citizen_id"], headers=HEAD_OFFICE)).status_code == 202
    path = f"/erasures/{made['citizen_id']}"
    seen = [await service.running.client.get(path, headers=one) for one in (*who, COORDINATOR)]
    assert [one.status_code for one in seen] == [403, 403, 401, 404, 200]
    unknown = await service.running.client.get(f"/erasures/{UNKNOWN}", headers=COORDINATOR)
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "query", ["", "?reason=", "?reason=Because%20she%20asked", "?reason=lauridsen", "?why=so"]
)
async def test_a_reason_is_one_of_the_known_words(service: Served, query: str) -> None:
    made = await service.referred()
    path = f"/citizens/{made['citizen_id']}{query}"
    assert (await service.running.client.delete(path, headers=COORDINATOR)).status_code == 422


async def test_a_service_that_is_away_for_a_day_is_missing_until_it_acknowledges(
    service: Served,
) -> None:
    made, other = await service.referred(), derived_id("a helper of matching")
    citizen = made["citizen_id"]
    begun = (await erase(service, citizen)).json()
    assert [one["service"] for one in begun["missing"]] == ["matching", "notification"]
    await hear(service, (citizen, "notification"), (other, "notification"))
    await service.rows("update erasure set requested_at = requested_at - interval '1 day'")
    waiting = await status(service, citizen)
    assert waiting["missing"] == [{"service": "matching", "since": waiting["requested_at"]}]
    assert waiting["requested_at"] < begun["requested_at"]
    assert waiting["completed_at"] is None
    await hear(service, (citizen, "matching"), (citizen, "notification"), number=2)
    heard = await status(service, citizen)
    assert heard["missing"] == []
    assert heard["acknowledged"]["notification"] == waiting["acknowledged"]["notification"]
    assert heard["completed_at"] is None, "the topic still has to be compacted"
    await service.rows("update erasure set compacted_at = now()")
    await hear(service, (citizen, "matching"), number=3)
    assert (await status(service, citizen))["completed_at"] is not None
    assert await service.rows("select distinct person_id::text from erasure_acknowledgement") == [
        {"person_id": citizen}
    ]


async def test_whom_a_restored_backup_has_again_is_erased_again(service: Served) -> None:
    made = await service.referred()
    booked = (await service.put(fhir_appointment())).json()["id"]
    citizen, again = made["citizen_id"], service.running.runtime.parts.erase
    assert again is not None
    said = an_event(CitizenErased(citizen_id=citizen, reason="requested"), citizen)
    async with service.database.transaction() as tx:
        await again(tx, said)
    closed = [data["need_id"] for kind, data in await service.needs() if kind == "closed"]
    assert closed == [booked]
    (row,) = await service.rows("select cpr_hash, record, erased_at from citizen")
    assert (row["cpr_hash"], row["record"], row["erased_at"] is None) == (None, None, False)
    found = await status(service, citizen)
    assert (found["reason"], found["actor"]) == ("requested", "referral")
    assert found["requested_at"] == msgspec.to_builtins(said.time).replace("+00:00", "Z")
    assert len(await service.rows("select 1 from outbox where value is null")) == 1


async def test_an_erased_citizen_who_is_not_in_a_restored_backup_is_proven_all_the_same(
    service: Served,
) -> None:
    again = service.running.runtime.parts.erase
    assert again is not None
    async with service.database.transaction() as tx:
        await again(tx, an_event(CitizenErased(citizen_id=UNKNOWN, reason="requested"), UNKNOWN))
    assert await service.rows("select person_id::text from erased_person") == [
        {"person_id": UNKNOWN}
    ]
    assert await service.rows("select count(*) from erasure") == [{"count": 1}]


LATER = {
    "starts_at": "2026-12-01T09:15:00+01:00",
    "ends_at": "2026-12-01T10:00:00+01:00",
    "location_id": "randers-hospital",
}


async def enter(service: Served, made: dict[str, Any], key: str) -> httpx2.Response:
    body = {"referral_id": made["referral_id"], **LATER}
    return await service.running.client.post(
        "/appointments", json=body, headers=REFERRER | {"Idempotency-Key": key}
    )


async def test_no_key_of_a_request_leads_to_whom_it_named(service: Served) -> None:
    made = (await service.refer(headers={"Idempotency-Key": "k-1"})).json()
    assert (await enter(service, made, "k-2")).status_code == 201
    await erase(service, made["citizen_id"])
    assert await service.rows("select made_id, request_hash from idempotency_key") == [
        {"made_id": None, "request_hash": None}
    ]


async def test_no_key_leads_to_an_appointment_of_a_consent_that_was_withdrawn(
    service: Served,
) -> None:
    made = await service.referred()
    assert (await enter(service, made, "k-1")).status_code == 201
    ended = await service.running.client.delete(
        f"/referrals/{made['referral_id']}/consent", headers=REFERRER
    )
    assert ended.status_code == 200, ended.text
    assert await service.rows("select 1 from idempotency_key") == []
    assert (await enter(service, made, "k-1")).status_code == 409
