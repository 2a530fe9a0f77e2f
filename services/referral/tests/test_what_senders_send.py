"""What hospitals' systems send beyond the plain booking. People are official test persons."""

import io
from typing import Any

import pytest
from referral_bench import HOSPITAL, OTHER_HOSPITAL, Served, bundle, events_of, handled
from referral_samples import (
    OTHER_CPR,
    SYSTEM,
    UNKNOWN_CPR,
    fhir_appointment,
    patient,
    place,
    referral,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

X_ECPR = "urn:oid:1.2.208.176.1.6.1.1"
#: The test person's replacement number, by which the hospital does not know the CPR number.
REPLACEMENT = "0201601XX1"
RANDERS, GRENAA = "randers-hospital", "grenaa-health-house"
NEWER = "2026-11-30T08:30:00.000+01:00"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
OID = "urn:oid:2.16.840.1.113883.5.90"


def at(*participants: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An appointment of these participants."""
    return fhir_appointment(**changes) | {"participant": list(participants)}


def shown(body: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Value and status of the participants that are shown, by type."""
    return {
        one["actor"]["type"]: (one["actor"]["identifier"]["value"], one["status"])
        for one in body["participant"]
    }


def named(participant: dict[str, Any], *, system: str, value: str) -> dict[str, Any]:
    """The participant named by another number."""
    identifier = {"system": system, "value": value}
    return participant | {"actor": participant["actor"] | {"identifier": identifier}}


def role(code: str, system: str | None = PARTICIPATION) -> list[dict[str, Any]]:
    return [{"coding": [{"code": code} | ({"system": system} if system else {})]}]


def put_entry(body: dict[str, Any]) -> dict[str, Any]:
    """An entry of a Bundle that keeps or changes the appointment by its identifier."""
    url = f"Appointment?identifier={SYSTEM}|{body['identifier'][0]['value']}"
    return {"resource": body, "request": {"method": "PUT", "url": url}}


async def attention(service: Served, reason: str) -> float:
    """How often a coordinator was to be told for this reason."""
    return await metric(service, f'brobyg_referral_attention_total{{reason="{reason}"}} ')


async def metric(service: Served, sample: str) -> float:
    """The value of this sample, which ends with a blank; 0 when there is none."""
    lines = (await service.running.client.get("/metrics")).text.splitlines()
    return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))


OLD_PLACES = [
    {"status": "declined"},
    {"period": {"end": "2026-11-20"}},
    {"period": {"start": "2026-01", "end": "2026-11"}},
    {"period": {"end": "2026-12-02T08:00:00+01:00"}},
    {"status": "declined", "period": {"end": "9999-12-31"}},
]


@pytest.mark.parametrize("old", OLD_PLACES)
@pytest.mark.parametrize("old_first", [True, False])
async def test_who_goes_along_is_sent_to_the_place_that_still_takes_part(
    service: Served, old: dict[str, Any], old_first: bool
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    places = [place(RANDERS) | old, place(GRENAA) | {"period": {"start": "2026-11-20"}}]
    moved = at(patient(), *(places if old_first else places[::-1]), updated=NEWER)
    answer = await service.put(moved)
    assert (answer.status_code, shown(answer.json())["Location"]) == (200, (GRENAA, "accepted"))
    assert await service.told() == ["booked", "rescheduled"]
    assert (await service.events())[-1][1]["location_id"] == GRENAA


async def test_a_period_that_lasts_over_the_appointment_ends_nothing(service: Served) -> None:
    await service.referred()
    day = {"period": {"start": "2026-12-02", "end": "2026-12-02"}}
    assert (await service.put(at(patient(), place() | day))).status_code == 201
    exact = {"period": {"start": "2026-12-02T09:00:00+01:00", "end": "2026-12-02T09:30:00+01:00"}}
    assert (await service.put(at(patient(), place() | exact, updated=NEWER))).status_code == 200
    assert await service.told() == ["booked"]


async def test_a_known_house_is_found_among_rooms_that_are_not_known(service: Served) -> None:
    await service.referred()
    rooms = [place("randers-hospital-room-7"), place(f" {RANDERS} "), place("corridor-b")]
    answer = await service.put(at(patient(), *rooms))
    assert (answer.status_code, shown(answer.json())["Location"]) == (201, (RANDERS, "accepted"))


async def test_two_known_places_that_take_part_are_refused_with_what_would_tell_them_apart(
    service: Served,
) -> None:
    await service.referred()
    answer = await service.put(at(patient(), place(RANDERS), place(GRENAA)))
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (422, "business-rule")
    assert issue["expression"] == ["Appointment.participant[2].actor.identifier.value"]
    assert "declined" in issue["diagnostics"]
    same = at(patient(), place(RANDERS), place(RANDERS))
    assert (await service.put(same)).status_code == 201
    cancelled = at(patient(), place(RANDERS), place(GRENAA), status="cancelled", updated=NEWER)
    assert (await service.put(cancelled)).json()["status"] == "cancelled"


async def test_nobody_is_sent_to_a_place_that_no_longer_takes_part(
    service: Served,
) -> None:
    await service.referred()
    gone = place(RANDERS) | {"status": "declined"}
    refused = await service.put(at(patient(), gone))
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (422, "required")
    await service.put(fhir_appointment())
    answer = await service.put(at(patient(), gone, updated=NEWER))
    assert (answer.status_code, answer.json()["issue"][0]["severity"]) == (200, "warning")
    assert await service.told() == ["booked", "cancelled"]


RELATIVES = [
    patient(OTHER_CPR) | {"actor": patient(OTHER_CPR)["actor"] | {"type": "RelatedPerson"}},
    {
        "actor": {
            "reference": "https://hospital.example/fhir/RelatedPerson/7",
            "identifier": patient(OTHER_CPR)["actor"]["identifier"],
        },
        "status": "accepted",
    },
    patient(OTHER_CPR) | {"type": role("ESC")},
    {
        "actor": {"identifier": patient(OTHER_CPR)["actor"]["identifier"]},
        "status": "accepted",
        "type": role("NOK"),
    },
    {
        "actor": {"type": "http://hl7.org/fhir/StructureDefinition/RelatedPerson"}
        | {"identifier": patient(OTHER_CPR)["actor"]["identifier"]},
        "status": "accepted",
    },
]


@pytest.mark.parametrize("relative", RELATIVES)
async def test_the_patient_is_told_from_a_relative_by_type_and_role(
    service: Served, relative: dict[str, Any]
) -> None:
    mine = await service.referred()
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    for index, participants in enumerate(
        [(patient(), relative, place()), (relative, patient() | {"type": role("SBJ")}, place())]
    ):
        answer = await service.put(at(*participants, number=f"A-{index}"))
        assert answer.status_code == 201, answer.text
        assert shown(answer.json())["Patient"] == (mine["citizen_id"], "accepted")
    assert {data["citizen_id"] for _, data in (await service.events())[-2:]} == {mine["citizen_id"]}


@pytest.mark.parametrize("relative", RELATIVES)
@pytest.mark.parametrize("other", [[], [{"actor": {"display": "x"}, "status": "accepted"}]])
async def test_a_relative_alone_is_never_read_as_the_patient(
    service: Served, relative: dict[str, Any], other: list[dict[str, Any]]
) -> None:
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    answer = await service.put(at(*other, relative, place()))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "required")
    assert "actor.type is Patient" in answer.json()["issue"][0]["diagnostics"]
    assert await service.rows("select 1 from appointment") == []
    assert await service.told() == []


ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
#: What a relative or an escort may state, though named by a CPR number or typed as a Patient.
OTHER_ROLES = [
    [{"text": "Ledsager (datter)"}],
    [{"text": "Pårørende"}],
    [{"coding": [{"system": ROLE_CODE, "code": "FTH"}]}],
    [{"coding": [{"system": "https://hospital.example/roles", "code": "PART"}]}],
    [{"coding": [{"system": PARTICIPATION, "display": "Datter"}]}],
    [{"coding": [{"code": "ESC"}, {"system": PARTICIPATION, "code": "PART"}]}],
    [{"coding": [{"code": "SBJ"}, {"system": OID, "code": "ESC"}]}],
    [{"coding": [{"code": "ESC"}]}],
    [*role("PART"), {"text": "Datter"}],
    [{"id": "a"}],
]
UNTYPED = {"actor": {"identifier": patient(OTHER_CPR)["actor"]["identifier"]}, "status": "accepted"}


@pytest.mark.parametrize("stated", OTHER_ROLES)
@pytest.mark.parametrize("relative", [patient(OTHER_CPR), UNTYPED])
@pytest.mark.parametrize("other", [[], [{"actor": {"display": "x"}, "status": "accepted"}]])
async def test_who_states_any_role_but_the_patients_is_not_read_as_the_patient(
    service: Served,
    stated: list[dict[str, Any]],
    relative: dict[str, Any],
    other: list[dict[str, Any]],
) -> None:
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    answer = await service.put(at(*other, relative | {"type": stated}, place()))
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (422, "required")
    assert issue["expression"] == [f"Appointment.participant[{len(other)}].type"]
    assert "another role than the patient's" in issue["diagnostics"]
    assert f"SBJ or PART of {PARTICIPATION}" in issue["diagnostics"]
    assert not [word for word in (OTHER_CPR, "FTH", "Datter", "datter") if word in answer.text]
    assert await service.rows("select 1 from appointment") == []


async def test_nobody_is_read_as_the_patient_beside_one_who_states_the_patients_role(
    service: Served,
) -> None:
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    subject = {"actor": {"display": "x"}, "status": "accepted", "type": role("SBJ")}
    answer = await service.put(at(subject, UNTYPED, place()))
    assert answer.status_code == 422
    assert await service.rows("select 1 from appointment") == []


#: The patient's own roles, as senders code them: with the code system's URL, its OID, its URL
#: before R4, no system, and beside a code of the hospital's own.
OWN_ROLES = [
    role("SBJ"),
    role("PART"),
    [*role("SBJ"), *role("PART")],
    role("PART", OID),
    role("SBJ", "http://hl7.org/fhir/v3/ParticipationType"),
    role("SBJ", None),
    [{"coding": [*role("SBJ")[0]["coding"], {"system": ROLE_CODE, "code": "PAT"}], "text": "x"}],
]


@pytest.mark.parametrize("stated", OWN_ROLES)
@pytest.mark.parametrize("typed", [True, False])
async def test_the_patient_may_state_the_patients_own_roles(
    service: Served, stated: list[dict[str, Any]], typed: bool
) -> None:
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    one = (patient(OTHER_CPR) if typed else UNTYPED) | {"type": stated}
    relative = patient() | {"type": OTHER_ROLES[0]}
    assert (await service.put(at(relative, one, place()))).status_code == 201


async def test_a_role_of_participation_without_a_system_is_a_patients_where_the_type_says_so(
    service: Served,
) -> None:
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    bare = {"type": role("PART", None)}
    assert (await service.put(at(UNTYPED | bare, place()))).status_code == 422
    assert (await service.put(at(patient(OTHER_CPR) | bare, place()))).status_code == 201


async def test_participants_are_shown_with_the_status_that_was_sent(service: Served) -> None:
    made = await service.referred()
    one = patient() | {"status": "needs-action"}
    answer = await service.put(at(one, place() | {"status": "tentative"}))
    expected = {
        "Patient": (made["citizen_id"], "needs-action"),
        "Location": (RANDERS, "tentative"),
    }
    assert shown(answer.json()) == expected
    read = await service.fhir("GET", f"/Appointment/{answer.json()['id']}")
    assert shown(read.json()) == expected
    changed = await service.put(at(patient(), place(), updated=NEWER))
    assert (changed.headers["etag"], shown(changed.json())["Patient"][1]) == ('W/"2"', "accepted")
    assert await service.told() == ["booked"]


async def test_nobody_is_asked_to_go_along_with_a_patient_who_has_declined(
    service: Served, written: io.StringIO
) -> None:
    made, before = await service.referred(), await attention(service, "patient_declined")
    declined = patient() | {"status": "declined"}
    answer = await service.put(at(declined, place()))
    assert (answer.status_code, answer.json()["status"]) == (201, "booked")
    assert shown(answer.json())["Patient"] == (made["citizen_id"], "declined")
    assert await service.told() == []
    assert await attention(service, "patient_declined") == before + 1
    lines = written.getvalue()
    assert "appointment.needs_attention" in lines
    assert answer.json()["id"] in lines
    await service.put(at(declined, place(), updated=NEWER))  # says it again
    assert await attention(service, "patient_declined") == before + 1


async def test_who_would_have_gone_along_is_released_when_the_patient_declines_and_asked_anew_later(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    await service.put(at(patient() | {"status": "declined"}, place(), updated=NEWER))
    assert await service.told() == ["booked", "cancelled"]
    await service.put(fhir_appointment(updated="2026-11-30T08:45:00+01:00"))
    assert await service.told() == ["booked", "cancelled", "booked"]


@pytest.mark.parametrize("padded", ["A-1   ", "  A-1", "\tA-1\n"])
async def test_a_number_padded_with_blanks_names_the_appointment_that_the_bare_number_names(
    service: Served, padded: str
) -> None:
    await service.referred()
    first = await service.fhir("POST", "/Appointment", fhir_appointment(padded))
    cancelled = await service.put(fhir_appointment("A-1", status="cancelled", updated=NEWER))
    assert (first.status_code, cancelled.status_code) == (201, 200)
    assert await service.told() == ["booked", "cancelled"]
    for number in (padded, "A-1"):
        found = await service.running.client.get(
            "/fhir/Appointment",
            params={"identifier": f"{SYSTEM}|{number}"},
            headers=HOSPITAL,
        )
        assert [one["resource"]["id"] for one in found.json()["entry"]] == [first.json()["id"]]
        assert found.json()["entry"][0]["resource"]["identifier"][0]["value"] == "A-1"


async def test_a_padded_condition_finds_what_is_there(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment("A-1"))
    other = fhir_appointment("A-1 ", end="2026-12-02T11:00:00+01:00", updated=NEWER)
    header = {"If-None-Exist": f"identifier={SYSTEM}|A-1%20%20"}
    assert (await service.fhir("POST", "/Appointment", other, header)).status_code == 200


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
@pytest.mark.parametrize(
    ("system", "number"),
    [
        (X_ECPR, REPLACEMENT),
        ("urn:oid:1.2.208.176.1.2", OTHER_CPR),
        ("urn:oid:1.2.208.176.1.2", UNKNOWN_CPR),
    ],
)
async def test_the_hospitals_own_number_is_enough_to_cancel_whoever_the_patient_is_said_to_be(
    service: Served, written: io.StringIO, status: str, system: str, number: str
) -> None:
    mine = await service.referred()
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    booked = await service.put(fhir_appointment())
    before = await attention(service, "cancelled_for_another")
    someone = named(patient(), system=system, value=number)
    answer = await service.put(at(someone, place(), status=status, updated=NEWER))
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert shown(answer.json())["Patient"][0] == mine["citizen_id"]
    assert await service.told() == ["booked", "cancelled"]
    assert (await service.events())[-1][1]["citizen_id"] == mine["citizen_id"]
    assert await attention(service, "cancelled_for_another") == before + 1
    lines = written.getvalue()
    assert booked.json()["id"] in lines
    assert number not in lines
    for table in ("appointment", "outbox", "citizen"):
        assert number not in str(await service.rows(f"select * from {table}")), table


async def test_who_is_known_by_a_replacement_number_too_is_cancelled_by_it(service: Served) -> None:
    await service.referred()
    assert (await service.refer(referral(REPLACEMENT))).status_code == 201
    await service.put(fhir_appointment())
    someone = named(patient(), system=X_ECPR, value=REPLACEMENT)
    by_id = (await service.fhir("GET", f"/Appointment?identifier={SYSTEM}|A-1")).json()["entry"][0]
    cancelled = at(someone, place(), status="cancelled", updated=NEWER)
    answer = await service.fhir(
        "PUT",
        f"/Appointment/{by_id['resource']['id']}",
        cancelled | {"id": by_id["resource"]["id"]},
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await service.told() == ["booked", "cancelled"]


async def test_what_else_names_another_patient_is_refused_and_the_advice_in_the_answer_works(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    before = await attention(service, "refused_for_another")
    someone = named(patient(), system=X_ECPR, value=REPLACEMENT)
    moved = at(someone, place(GRENAA), updated=NEWER)
    refused = await service.put(moved)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (422, "business-rule")
    assert await attention(service, "refused_for_another") == before + 1
    assert "status cancelled or entered-in-error" in refused.json()["issue"][0]["diagnostics"]
    cancelled = moved | {"status": "entered-in-error"}
    assert (await service.put(cancelled)).status_code == 200
    assert (await service.refer(referral(REPLACEMENT))).status_code == 201
    anew = moved | {"identifier": [{"system": SYSTEM, "value": "A-2"}]}
    assert (await service.put(anew)).status_code == 201
    assert await service.told() == ["booked", "cancelled", "booked"]


@pytest.mark.parametrize("channel", ["http", "kafka"])
async def test_a_coordinator_is_told_of_what_a_transaction_is_refused_for_another_patient(
    service: Served, written: io.StringIO, channel: str
) -> None:
    await service.referred()
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    booked = (await service.put(fhir_appointment("A-1"))).json()["id"]
    told_before = [
        await attention(service, reason) for reason in ("refused_for_another", "patient_declined")
    ]
    declined = at(patient() | {"status": "declined"}, place(), number="A-2")
    moved = at(patient(OTHER_CPR), place(GRENAA), updated=NEWER)
    # A-2 is kept nowhere, so neither is who its patient is.
    other = at(patient(OTHER_CPR), place(), number="A-2", updated=NEWER)
    body = bundle("transaction", *(put_entry(one) for one in (declined, moved, other)))
    if channel == "http":
        assert (await service.fhir("POST", "", body)).status_code == 422
    else:
        await handled(service, body)
    assert await service.told() == ["booked"]
    told_after = [
        await attention(service, reason) for reason in ("refused_for_another", "patient_declined")
    ]
    assert told_after == [told_before[0] + 1, told_before[1]]
    lines = [line for line in written.getvalue().splitlines() if "needs_attention" in line]
    assert (len(lines), booked in lines[0]) == (1, True)


async def test_what_is_rolled_back_and_done_again_is_counted_and_logged_once(
    service: Served, written: io.StringIO
) -> None:
    await service.referred()
    handle = service.running.runtime.parts.handle
    assert handle is not None
    declined = events_of(service, at(patient() | {"status": "declined"}, place()))
    kept = 'brobyg_referral_appointments_total{channel="kafka",outcome="kept"} '
    before = [await metric(service, kept), await attention(service, "patient_declined")]
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block that fails is what is tested
        async with service.database.transaction() as tx:
            await handle(tx, declined)
            raise ZeroDivisionError
    async with service.database.transaction() as tx:
        await handle(tx, declined)
    after = [await metric(service, kept), await attention(service, "patient_declined")]
    assert after == [number + 1 for number in before]
    assert written.getvalue().count("appointment.needs_attention") == 1


async def test_a_record_cancels_by_the_hospitals_own_number_and_a_wrong_time_in_it_is_refused(
    service: Served,
) -> None:
    await service.referred()
    someone = named(patient(), system=X_ECPR, value=REPLACEMENT)
    cancelled = at(someone, place(), status="cancelled", updated="2199-12-31T23:59:59Z")
    (rejected,) = await handled(service, fhir_appointment(), cancelled)
    assert rejected["issue"][0]["expression"] == ["Appointment.meta.lastUpdated"]
    assert await service.told() == ["booked"]
    cancelled["meta"]["lastUpdated"] = NEWER
    # Alone in its transaction: the referral is found by its appointment.
    await handled(service, bundle("collection", {"resource": cancelled}))
    assert await service.told() == ["booked", "cancelled"]


def versioned(version: str | None, **changes: Any) -> dict[str, Any]:
    body = fhir_appointment(**changes)
    if version is not None:
        body.setdefault("meta", {})["versionId"] = version
    return body


@pytest.mark.parametrize("updated", ["2026-11-30T08:00:00.000+01:00", None])
async def test_of_a_sender_whose_versions_rise_the_higher_version_decides_in_whatever_order(
    service: Served, updated: str | None
) -> None:
    await service.referred()
    first = versioned("1", updated=updated)
    second = versioned("2", status="cancelled", updated=updated)
    for number, order in (("A-1", [first, second]), ("A-2", [second, first])):
        identified = {"identifier": [{"system": SYSTEM, "value": number}]}
        await handled(service, *(body | identified for body in order))
        found = await service.fhir("GET", f"/Appointment?identifier={SYSTEM}|{number}")
        assert found.json()["entry"][0]["resource"]["status"] == "cancelled", number
    assert await service.told() == ["booked", "cancelled"]


async def test_the_version_of_any_other_sender_is_opaque(service: Served) -> None:
    await service.referred()
    other = OTHER_HOSPITAL
    for body in (versioned("2", status="cancelled"), versioned("1"), versioned("x7")):
        await service.put(body, other)
    assert await service.told() == ["booked"]
