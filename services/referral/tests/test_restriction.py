"""Processing of a citizen is restricted: all is kept, nothing is done until that is lifted."""

import asyncio
from typing import Any

import httpx2
import pytest
from brobyg_kit.problems import RESTRICTED
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served, every_row
from referral_samples import MESSAGES, fhir_appointment, patient, place, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", subject="anna", department="randers")
HEAD_OFFICE = bearer("coordinator", organisation="brobyg")
ELSEWHERE = bearer("coordinator", organisation="municipality-0707", department="aarhus")
NOTIFICATION = bearer("service", subject="notification", organisation="brobyg")
UNKNOWN = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"
MOVED = {"start": "2026-12-03T10:00:00+01:00", "end": "2026-12-03T10:30:00+01:00"}


def path(citizen_id: str) -> str:
    return f"/citizens/{citizen_id}/restriction"


async def restrict(
    service: Served, citizen_id: str, reason: str = "accuracy_contested", headers: Any = COORDINATOR
) -> httpx2.Response:
    return await service.running.client.put(
        path(citizen_id), json={"reason": reason}, headers=headers
    )


async def lift(service: Served, citizen_id: str, headers: Any = COORDINATOR) -> httpx2.Response:
    return await service.running.client.delete(path(citizen_id), headers=headers)


async def since(service: Served, number: int) -> list[tuple[str, Any]]:
    """What was told after so many events: type, and the need's id, its reason or the start."""
    told = (await service.events())[number:]
    return [
        (kind, data.get("reason") or data.get("starts_at") or data["citizen_id"])
        for kind, data in told
    ]


async def booked(service: Served) -> tuple[str, str]:
    """A citizen with a booked appointment: both ids."""
    made = await service.referred(consents=[MESSAGES])
    return made["citizen_id"], (await service.put(fhir_appointment())).json()["id"]


async def test_open_needs_close_and_nothing_is_deleted_and_all_opens_again(service: Served) -> None:
    citizen, need = await booked(service)
    before, kept = len(await service.events()), await every_row(service)
    answer = await restrict(service, citizen)
    assert (answer.status_code, answer.json()["reason"]) == (200, "accuracy_contested")
    assert await since(service, before) == [
        ("need.closed", "restricted"),
        ("citizen.restricted", "accuracy_contested"),
    ]
    now = await every_row(service)
    assert {name for name in kept if now[name] < kept[name]} == set()
    before += 2
    assert (await lift(service, citizen)).status_code == 204
    start = "2026-12-02T08:00:00Z"
    assert await since(service, before) == [
        ("citizen.unrestricted", citizen),
        ("appointment.booked", start),
        ("need.opened", start),
    ]
    assert (await service.needs())[-1][1]["need_id"] == need
    # What is sent from now on counts as it always does.
    await service.put(fhir_appointment(status="cancelled", updated=at(9)))
    assert (await service.told())[-1] == "cancelled"


def at(minute: int) -> str:
    """A time at which the hospital says something, later for a higher minute."""
    return f"2026-11-30T08:{minute:02}:00.000+01:00"


def declined() -> dict[str, Any]:
    participants = [patient() | {"status": "declined"}, place()]
    return fhir_appointment(updated=at(5)) | {"participant": participants}


@pytest.mark.parametrize(
    ("meanwhile", "then"),
    [
        (fhir_appointment(updated=at(5), **MOVED), ["booked", "opened"]),
        (fhir_appointment(updated=at(5), status="cancelled"), []),
        (fhir_appointment(updated=at(5), status="pending"), []),
        (fhir_appointment(updated=at(5), status="fulfilled"), []),
        (declined(), ["raised"]),
        (fhir_appointment("A-2", updated=at(5), **MOVED), ["booked", "opened"] * 2),
    ],
)
async def test_what_the_hospital_sends_meanwhile_is_kept_and_counts_once_it_is_lifted(
    service: Served, meanwhile: dict[str, Any], then: list[str]
) -> None:
    citizen, _ = await booked(service)
    await restrict(service, citizen)
    silent = len(await service.events())
    assert (await service.put(meanwhile)).status_code in (200, 201)
    assert await since(service, silent) == []
    assert (await service.counts())["kept"] == 2
    await lift(service, citizen)
    told = [kind.partition(".")[2] for kind, _ in (await service.events())[silent + 1 :]]
    assert told == then
    if then == ["booked", "opened"]:
        assert (await service.needs())[-1][1]["starts_at"] == "2026-12-03T09:00:00Z"


async def test_what_is_over_by_then_is_not_opened_again(service: Served) -> None:
    citizen, _ = await booked(service)
    await restrict(service, citizen)
    await service.rows(
        "update appointment set starts_at = '2026-11-30 06:00Z', ends_at = '2026-11-30 07:00Z',"
        " announced_starts_at = '2026-11-30 06:00Z', announced_ends_at = '2026-11-30 07:00Z'"
    )
    before = len(await service.events())
    await lift(service, citizen)
    assert await since(service, before) == [("citizen.unrestricted", citizen)]


async def test_what_was_over_before_is_told_afterwards(service: Served) -> None:
    """Nobody is to go there any more, so nothing is withheld; that it took place counts."""
    citizen, _ = await booked(service)
    over = {"start": "2026-11-30T06:00:00+01:00", "end": "2026-11-30T07:00:00+01:00"}
    await service.put(fhir_appointment(updated=at(3), **over))
    before = len(await service.events())
    await restrict(service, citizen)
    assert [kind for kind, _ in await since(service, before)] == ["citizen.restricted"]
    await service.put(fhir_appointment(updated=at(5), status="fulfilled", **over))
    await lift(service, citizen)
    assert [kind for kind, _ in await since(service, before + 2)] == [
        "appointment.completed",
        "need.closed",
    ]


async def test_what_was_booked_by_hand_is_taken_up_as_it_was_agreed(service: Served) -> None:
    made = await service.referred()
    await service.put(fhir_appointment(status="pending"))
    entered = {
        "referral_id": made["referral_id"],
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:10:00+01:00",
        "ends_at": "2026-12-02T09:40:00+01:00",
    }
    await service.running.client.post("/appointments", json=entered, headers=REFERRER)
    agreed = (await service.needs())[-1][1]["starts_at"]
    await restrict(service, made["citizen_id"])
    await lift(service, made["citizen_id"])
    assert [kind for kind, _ in await service.needs()] == ["opened", "closed", "opened"]
    assert (await service.needs())[-1][1]["starts_at"] == agreed


async def test_a_case_closes_and_opens_again(service: Served) -> None:
    made = await service.referred(pathway="toy_caseload")
    await restrict(service, made["citizen_id"])
    await lift(service, made["citizen_id"])
    needs = [(kind, need.get("reason")) for kind, need in await service.needs()]
    assert needs == [("opened", None), ("closed", "restricted"), ("opened", None)]


async def test_services_are_not_told_how_to_reach_them_and_coordinators_are(
    service: Served,
) -> None:
    citizen, _ = await booked(service)
    contact = f"/citizens/{citizen}/contact?purpose=mail"
    await restrict(service, citizen)
    refused = await service.running.client.get(contact, headers=NOTIFICATION)
    assert (refused.status_code, refused.json()["type"]) == (403, RESTRICTED)
    assert (await service.running.client.get(contact, headers=COORDINATOR)).status_code == 200
    assert len(await service.rows("select 1 from access_log")) == 1
    await lift(service, citizen)
    assert (await service.running.client.get(contact, headers=NOTIFICATION)).status_code == 200


async def test_nothing_new_is_begun_for_them(service: Served) -> None:
    made = await service.referred()
    await restrict(service, made["citizen_id"])
    events = await service.events()
    client, plan = (
        service.running.client,
        {
            "location_id": "randers-hospital",
            "starts_at": "2026-12-02T09:00:00+01:00",
            "ends_at": "2026-12-02T09:30:00+01:00",
        },
    )
    refused = [
        await service.refer(referral(pathway="toy_caseload")),
        await service.refer(),
        await client.post(
            "/appointments", json=plan | {"referral_id": made["referral_id"]}, headers=REFERRER
        ),
    ]
    assert [(one.status_code, one.json()["type"]) for one in refused] == [(409, RESTRICTED)] * 3
    assert await service.events() == events
    consent = f"/referrals/{made['referral_id']}/consent"
    assert (await client.delete(consent, headers=REFERRER)).status_code == 200
    given = {"given_at": "2026-11-30T09:00:00+01:00"}
    again = await client.put(consent, json=given, headers=REFERRER)
    assert (again.status_code, again.json()["type"]) == (409, RESTRICTED)
    await lift(service, made["citizen_id"])
    assert (await client.put(consent, json=given, headers=REFERRER)).status_code == 200


async def test_again_has_no_effect_and_the_first_reason_stays(service: Served) -> None:
    citizen, _ = await booked(service)
    answers = await asyncio.gather(*(restrict(service, citizen) for _ in range(3)))
    assert [one.status_code for one in answers] == [200] * 3
    again = await restrict(service, citizen, "objection", HEAD_OFFICE)
    assert again.json() == answers[0].json()
    told = [kind for kind, _ in await service.events()]
    assert (told.count("citizen.restricted"), told.count("need.closed")) == (1, 1)
    assert [(await lift(service, citizen)).status_code for _ in range(2)] == [204, 204]
    told = [kind for kind, _ in await service.events()]
    assert (told.count("citizen.unrestricted"), told.count("need.opened")) == (1, 2)


async def test_only_coordinators_of_the_department_and_of_head_office_may(service: Served) -> None:
    citizen, _ = await booked(service)
    for ask in (restrict, lift):
        who = (REFERRER, NOTIFICATION, {}, ELSEWHERE, HEAD_OFFICE)
        answers = [await ask(service, citizen, headers=one) for one in who]
        assert [one.status_code for one in answers[:-1]] == [403, 403, 401, 404]
        assert answers[-1].is_success
        assert (await ask(service, UNKNOWN)).status_code == 404


@pytest.mark.parametrize("reason", ["", "He asked for it", "lauridsen"])
async def test_a_reason_is_one_word(service: Served, reason: str) -> None:
    citizen, _ = await booked(service)
    assert (await restrict(service, citizen, reason)).status_code == 422


async def test_somebody_restricted_can_be_erased_and_is_then_neither(service: Served) -> None:
    citizen, _ = await booked(service)
    await restrict(service, citizen)
    erased = f"/citizens/{citizen}?reason=requested"
    assert (await service.running.client.delete(erased, headers=COORDINATOR)).status_code == 202
    closed = [need["reason"] for kind, need in await service.needs() if kind == "closed"]
    assert closed == ["restricted"]
    assert await service.rows("select 1 from restriction") == []
    assert (await lift(service, citizen)).status_code == 410
