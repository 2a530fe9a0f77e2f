"""Processing of a citizen is restricted: all is kept, nothing is done until that is lifted."""

import asyncio
from typing import Any

import httpx2
import pytest
from brobyg_kit.problems import RESTRICTED
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served, every_row
from referral_samples import MESSAGES, OTHER_CPR, fhir_appointment, patient, place, referral

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
    contact = f"/citizens/{citizen}/contact?purpose=message"
    called = contact.replace("message", "call")
    await restrict(service, citizen)
    refused = await service.running.client.get(contact, headers=NOTIFICATION)
    assert (refused.status_code, refused.json()["type"]) == (403, RESTRICTED)
    assert (await service.running.client.get(called, headers=COORDINATOR)).status_code == 200
    assert len(await service.rows("select 1 from access_entry")) == 1
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
    again = await restrict(service, citizen, "accuracy_contested", HEAD_OFFICE)
    assert again.json() == answers[0].json()
    other = await restrict(service, citizen, "objection", HEAD_OFFICE)
    assert other.status_code == 409
    assert "for accuracy_contested, which stays" in other.json()["detail"]
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


# What a restriction held back


ALIKE = {"start": "2026-12-02T09:10:00+01:00", "end": "2026-12-02T09:40:00+01:00"}


async def enter(service: Served, made: dict[str, Any], **changes: str) -> None:
    body = {
        "referral_id": made["referral_id"],
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:00:00+01:00",
        "ends_at": "2026-12-02T09:30:00+01:00",
    } | changes
    answer = await service.running.client.post("/appointments", json=body, headers=REFERRER)
    assert answer.status_code == 201


async def raised(service: Served) -> list[tuple[str, list[str]]]:
    """What was raised since the restriction was lifted: kind and reasons."""
    told = await service.events()
    lifted = [kind for kind, _ in told].index("citizen.unrestricted")
    return sorted(
        (data["kind"], data["reasons"])
        for kind, data in told[lifted:]
        if kind == "attention.raised"
    )


@pytest.mark.parametrize("before", ["pending", "booked"])
async def test_a_visit_that_was_entered_and_that_the_hospital_books_is_one_need(
    service: Served, before: str
) -> None:
    """The hospital's was known otherwise when it was entered, and moves there meanwhile."""
    made = await service.referred()
    elsewhere = fhir_appointment(status=before, start=MOVED["start"], end=MOVED["end"])
    hospitals = (await service.put(elsewhere)).json()["id"]
    await enter(service, made)
    await restrict(service, made["citizen_id"])
    await service.put(fhir_appointment(updated=at(5), **ALIKE))
    silent = len(await service.needs())
    await lift(service, made["citizen_id"])
    opened = [need["need_id"] for kind, need in (await service.needs())[silent:]]
    assert opened == [hospitals]
    assert await raised(service) == [("entered_appointment_changed", ["appointment_booked"])]
    # Nothing of it comes back by the next message.
    await service.put(fhir_appointment(updated=at(6), **ALIKE))
    assert len(await service.needs()) == silent + 1


async def test_what_was_entered_and_changed_meanwhile_is_told_to_a_coordinator(
    service: Served,
) -> None:
    made = await service.referred()
    await enter(service, made)
    await restrict(service, made["citizen_id"])
    await service.put(fhir_appointment(updated=at(5), **ALIKE))
    await lift(service, made["citizen_id"])
    assert await raised(service) == [("entered_appointment_changed", ["appointment_booked"])]


async def test_what_was_entered_and_cancelled_meanwhile_is_told_to_a_coordinator(
    service: Served,
) -> None:
    made = await service.referred()
    await enter(service, made)
    await restrict(service, made["citizen_id"])
    await service.put(fhir_appointment(updated=at(5)))
    await service.put(fhir_appointment(updated=at(6), status="cancelled"))
    await lift(service, made["citizen_id"])
    assert await raised(service) == [("entered_appointment_changed", ["appointment_cancelled"])]


@pytest.mark.parametrize("meanwhile", [True, False])
async def test_what_named_another_patient_is_told_once_it_is_lifted_if_it_is_so_still(
    service: Served, meanwhile: bool
) -> None:
    """Whether it came while processing was restricted, or was open when that began."""
    citizen, _ = await booked(service)
    other = await service.referred(cpr=OTHER_CPR)
    if meanwhile:
        await restrict(service, citizen)
    silent = len(await service.attention())
    await service.put(fhir_appointment(updated=at(5), cpr=OTHER_CPR))
    if meanwhile:
        assert len(await service.attention()) == silent
    else:
        await restrict(service, citizen)
    await lift(service, citizen)
    assert await raised(service) == [("refused_for_another", ["other_patient"])]
    assert await service.rows("select 1 from withheld_item") == []
    assert other["citizen_id"] != citizen


async def test_what_is_no_longer_so_is_not_told_once_it_is_lifted(service: Served) -> None:
    citizen, _ = await booked(service)
    await service.referred(cpr=OTHER_CPR)
    await restrict(service, citizen)
    await service.put(fhir_appointment(updated=at(5), cpr=OTHER_CPR))
    await service.put(fhir_appointment(updated=at(6), cpr=OTHER_CPR, status="cancelled"))
    await service.put(fhir_appointment(updated=at(7)))
    await lift(service, citizen)
    assert await raised(service) == []


async def test_an_appointment_that_was_cancelled_for_another_is_told_once_it_is_lifted(
    service: Served,
) -> None:
    citizen, _ = await booked(service)
    await service.referred(cpr=OTHER_CPR)
    await restrict(service, citizen)
    await service.put(fhir_appointment(updated=at(6), cpr=OTHER_CPR, status="cancelled"))
    await lift(service, citizen)
    assert await raised(service) == [("cancelled_for_another", ["other_patient"])]


async def withdraw(service: Served, referral_id: str) -> None:
    path = f"/referrals/{referral_id}/consent"
    answer = await service.running.client.delete(path, headers=REFERRER)
    assert answer.status_code == 200


APPOINTMENTS = "select 1 from appointment"


async def test_withdrawing_consent_deletes_once_the_restriction_is_lifted(
    service: Served,
) -> None:
    made = await service.referred()
    await service.put(fhir_appointment())
    await restrict(service, made["citizen_id"])
    await withdraw(service, made["referral_id"])
    assert [kind for kind, _ in await service.events()][-1] == "consent.withdrawn"
    assert len(await service.rows(APPOINTMENTS)) == 1
    # What the hospital sends from now on is dropped, as without a referral.
    events, kept = await service.events(), await service.counts()
    await service.put(fhir_appointment(updated=at(5), **MOVED))
    assert await service.events() == events
    now = await service.counts()
    assert now["kept"] == kept["kept"]
    assert now["dropped_without_consent"] == kept["dropped_without_consent"] + 1
    await lift(service, made["citizen_id"])
    assert await service.rows(APPOINTMENTS) == []
    assert [kind for kind, _ in await service.events()][-1] == "citizen.unrestricted"


async def test_an_erasure_deletes_what_a_withdrawal_has_left(service: Served) -> None:
    made = await service.referred()
    await service.put(fhir_appointment())
    await restrict(service, made["citizen_id"])
    await withdraw(service, made["referral_id"])
    erased = f"/citizens/{made['citizen_id']}?reason=requested"
    assert (await service.running.client.delete(erased, headers=COORDINATOR)).status_code == 202
    for table in ("appointment", "appointment_identifier", "course"):
        assert await service.rows(f"select 1 from {table}") == [], table
