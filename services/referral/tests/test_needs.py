"""Facts lead to needs, in the transaction that keeps them; the pathway's policy says which."""

import asyncio
from typing import Any

import pytest
from brobyg_contracts.pathways import load_pathway
from brobyg_kit.testing import bearer
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_data import store_reference
from referral_bench import REFERRER, Served
from referral_reference import DEPARTMENT, ELSEWHERE, MORE, SOR, SOR_ID
from referral_samples import ADDRESS, OTHER_CPR, fhir_appointment, patient, place, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRENAA = "grenaa-health-house"
AGAIN = "2026-11-30T09:00:00+01:00"
CITIZEN = "/referrals/{referral_id}/consent"


def at(minute: int) -> str:
    """A time at which the hospital says something, later for a higher minute."""
    return f"2026-11-30T08:{minute:02}:00.000+01:00"


async def withdraw(service: Served, made: dict[str, Any]) -> None:
    answer = await service.running.client.delete(CITIZEN.format(**made), headers=REFERRER)
    assert answer.status_code == 200


async def give_again(service: Served, made: dict[str, Any]) -> None:
    path, body = CITIZEN.format(**made), {"given_at": AGAIN}
    answer = await service.running.client.put(path, json=body, headers=REFERRER)
    assert answer.status_code == 200, answer.text


async def test_a_booking_opens_a_need_that_says_all_but_what_is_said_of_the_citizen(
    service: Served,
) -> None:
    made = await service.referred()
    booked = (await service.put(fhir_appointment())).json()["id"]
    assert await service.needs() == [
        (
            "opened",
            {
                "need_id": booked,
                "about_kind": "appointment",
                "about_id": booked,
                "pathway": "escort",
                "policy_version": load_pathway("escort").version,
                "department": DEPARTMENT,
                "mode": "in_person",
                "priority": 5,
                "competences": [],
                "referral_id": made["referral_id"],
                "citizen_id": made["citizen_id"],
                "location_id": "randers-hospital",
                "starts_at": "2026-12-02T08:00:00Z",
                "ends_at": "2026-12-02T08:30:00Z",
            },
        )
    ]


async def test_a_need_follows_its_appointment(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    await service.put(fhir_appointment(location=GRENAA, updated=at(1)))
    await service.put(fhir_appointment(location=GRENAA, status="cancelled", updated=at(2)))
    await service.put(fhir_appointment(updated=at(3)))
    await service.put(fhir_appointment(status="fulfilled", updated=at(4)))
    told = await service.needs()
    assert [(kind, need.get("location_id"), need.get("reason")) for kind, need in told] == [
        ("opened", "randers-hospital", None),
        ("changed", GRENAA, None),
        ("closed", None, "appointment_cancelled"),
        ("opened", "randers-hospital", None),
        ("closed", None, "completed"),
    ]
    assert len({need["need_id"] for _, need in told}) == 1


async def test_a_need_ends_as_missed_when_the_citizen_did_not_come(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    await service.put(fhir_appointment(status="noshow", updated=at(1)))
    assert (await service.needs())[-1][1]["reason"] == "missed"


async def test_each_fact_of_an_appointment_stands_beside_its_need_in_one_transaction(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    await service.put(fhir_appointment(status="cancelled", updated=at(1)))
    assert [kind for kind, _ in await service.events()][2:] == [
        "appointment.booked",
        "need.opened",
        "appointment.cancelled",
        "need.closed",
    ]
    keys = await service.rows(
        "select key, convert_from(value, 'utf8')::json -> 'data' ->> 'need_id' as need"
        " from outbox where convert_from(value, 'utf8') like '%need_id%' order by id"
    )
    assert {row["key"] for row in keys} == {row["need"] for row in keys}


async def test_withdrawn_consent_closes_each_open_need_and_no_other(service: Served) -> None:
    made = await service.referred()
    opened = [
        (await service.put(fhir_appointment(f"A-{number}"))).json()["id"] for number in (1, 2)
    ]
    await service.put(fhir_appointment("A-3"))
    await service.put(fhir_appointment("A-3", status="cancelled", updated=at(1)))
    before = len(await service.needs())
    await withdraw(service, made)
    closed = (await service.needs())[before:]
    assert sorted(need["need_id"] for _, need in closed) == sorted(opened)
    assert {(kind, need["reason"]) for kind, need in closed} == {("closed", "consent_withdrawn")}


async def test_a_referral_that_wants_a_helper_itself_opens_its_need_at_once(
    service: Served,
) -> None:
    made = await service.referred(pathway="toy_caseload")
    ((kind, need),) = await service.needs()
    assert (kind, need["about_kind"], need["need_id"], need["about_id"]) == (
        "opened",
        "referral",
        made["referral_id"],
        made["referral_id"],
    )
    assert need["policy_version"] == load_pathway("toy_caseload").version
    assert "starts_at" not in need
    for _ in range(2):
        await withdraw(service, made)
        await give_again(service, made)
    told = await service.needs()
    assert [kind for kind, _ in told] == ["opened", "closed", "opened", "closed", "opened"]
    assert told[1][1]["reason"] == "consent_withdrawn"


async def test_the_hospitals_appointments_are_kept_only_where_the_policy_is_about_them(
    service: Served,
) -> None:
    await service.referred(pathway="toy_caseload")
    assert (await service.put(fhir_appointment())).status_code == 202
    assert await service.rows("select 1 from appointment") == []


@pytest.mark.parametrize("pathway", ["toy_session", "unheard_of"])
async def test_nobody_is_referred_to_what_is_no_citizens(service: Served, pathway: str) -> None:
    answer = await service.refer(referral(pathway=pathway))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "/pathway")
    assert "escort, toy_caseload" in error["detail"]


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/needs/postcode", {"needs": {"postcode": "0000", "meeting": "at_location"}}),
        ("/citizen/language", {"citizen": {"language": "de"}}),
    ],
)
async def test_what_the_reference_data_does_not_have_is_refused(
    service: Served, pointer: str, changes: dict[str, dict[str, str]]
) -> None:
    asked = {name: referral()[name] | values for name, values in changes.items()}
    answer = await service.refer(referral(**asked))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, pointer)
    assert await service.rows("select 1 from citizen") == []


async def test_without_reference_data_a_sender_is_told_to_try_again(service: Served) -> None:
    await service.referred()
    await service.rows("truncate reference_entry")
    try:
        answers = [await service.put(fhir_appointment()), await service.refer()]
    finally:
        await store_reference(service.database, *MORE)
    assert [(one.status_code, one.headers["retry-after"]) for one in answers] == [(503, "2")] * 2
    assert answers[0].json()["issue"][0]["code"] == "transient"
    assert await service.told() == []


async def test_what_is_said_of_a_citizen_is_told_anew_only_when_it_has_changed(
    service: Served,
) -> None:
    await service.referred()
    await service.referred(pathway="toy_caseload")
    assert len(await service.records()) == 1
    made = await service.referred(cpr=OTHER_CPR)
    await withdraw(service, made)
    needs = referral()["needs"] | {"languages": ["ar"], "mobility": "wheelchair"}
    consent = {"given": True, "given_at": AGAIN}
    await service.referred(cpr=OTHER_CPR, needs=needs, consent=consent)
    first, second, third = await service.records()
    assert first["citizen_id"] != second["citizen_id"] == third["citizen_id"]
    assert (third["languages"], third["mobility"]) == (["ar"], "wheelchair")


async def test_nothing_said_of_a_citizen_stands_in_the_history(service: Served) -> None:
    made = await service.referred(
        needs=referral()["needs"] | {"languages": ["zu"], "gender_wish": "female"}
    )
    await service.put(fhir_appointment())
    await withdraw(service, made)
    history = str(await service.events())
    for word in ("'zu'", "female", "walking_aid", "8900", "'home'"):
        assert word not in history


@pytest.mark.parametrize("asked", [None, "randers", "norddjurs", DEPARTMENT])
async def test_a_referral_is_run_by_the_department_that_covers_the_home_or_that_is_named(
    service: Served, asked: str | None
) -> None:
    made = await service.referred(department=asked)
    assert made["department"] == DEPARTMENT
    assert (await service.events())[0][1]["department"] == DEPARTMENT


async def test_who_lives_elsewhere_gets_the_nearest_department_that_runs_the_pathway(
    service: Served,
) -> None:
    citizen = referral()["citizen"] | {"address": {"line": ADDRESS, "postcode": "8000"}}
    needs = referral()["needs"] | {"postcode": "8000"}
    covered = await service.referred(citizen=citizen, needs=needs, department=None)
    assert covered["department"] == ELSEWHERE
    far = await service.referred(
        citizen=citizen, needs=needs, department=None, pathway="toy_caseload"
    )
    assert far["department"] == DEPARTMENT


async def test_a_department_that_does_not_run_the_pathway_is_refused_with_those_that_do(
    service: Served,
) -> None:
    answer = await service.refer(referral(pathway="toy_caseload", department=ELSEWHERE))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "/department")
    assert DEPARTMENT in error["detail"]


async def test_a_coordinator_whose_token_names_a_former_department_is_the_present_ones(
    service: Served,
) -> None:
    made = await service.referred()
    former = bearer("coordinator", organisation="municipality-0707", department="norddjurs")
    path = f"/referrals/{made['referral_id']}"
    assert (await service.running.client.get(path, headers=former)).status_code == 200


async def test_a_referral_of_a_former_department_is_shown_as_the_present_ones(
    service: Served,
) -> None:
    key, client = {"Idempotency-Key": "k-1"}, service.running.client
    made = (await service.refer(headers=key)).json()
    await service.rows("update referral set department = 'norddjurs' returning 1")
    path = f"/referrals/{made['referral_id']}"
    given = {"given_at": "2026-11-30T09:00:00+01:00"}
    answers = [
        await client.get(path, headers=REFERRER),
        await service.refer(headers=key),
        await client.delete(f"{path}/consent", headers=REFERRER),
        await client.put(f"{path}/consent", json=given, headers=REFERRER),
    ]
    assert [one.json()["department"] for one in answers] == [DEPARTMENT] * 4


def by(system: str, value: str, kind: str = "Location") -> dict[str, Any]:
    """A place that is named by an identifier of another system."""
    identifier = {"system": system, "value": value}
    return {"actor": {"type": kind, "identifier": identifier}, "status": "accepted"}


async def test_a_place_is_found_by_its_sor_id_and_shown_by_ours(service: Served) -> None:
    await service.referred()
    body = fhir_appointment() | {"participant": [patient(), by(SOR, SOR_ID)]}
    answer = await service.put(body)
    assert answer.status_code == 201
    assert place()["actor"]["identifier"] in [
        one["actor"]["identifier"] for one in answer.json()["participant"]
    ]
    assert (await service.needs())[0][1]["location_id"] == "randers-hospital"


async def test_a_place_that_is_not_mapped_is_refused_and_says_so(service: Served) -> None:
    await service.referred()
    body = fhir_appointment() | {"participant": [patient(), by(SOR, "999000016009")]}
    answer = await service.put(body)
    (told,) = answer.json()["issue"]
    assert (answer.status_code, told["code"]) == (422, "code-invalid")
    assert "not mapped" in told["diagnostics"]
    assert "999000016009" not in answer.text


async def test_a_room_that_is_not_mapped_beside_a_known_house_is_passed_over(
    service: Served,
) -> None:
    await service.referred()
    body = fhir_appointment() | {"participant": [patient(), by(SOR, "999000016009"), place()]}
    assert (await service.put(body)).status_code == 201


async def test_one_citizens_bookings_and_withdrawal_at_once_leave_no_need_open(
    service: Served,
) -> None:
    made = await service.referred()
    await asyncio.gather(
        *(service.put(fhir_appointment(f"A-{number}")) for number in range(6)),
        withdraw(service, made),
    )
    state: dict[str, str] = {}
    for kind, need in await service.needs():
        state[need["need_id"]] = kind
    assert set(state.values()) <= {"closed"}


Fact = tuple[str, str, str]
FACTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["booked", "cancelled", "fulfilled", "noshow", "declined", "proposed"]),
            st.sampled_from(["A-1", "A-2"]),
            st.sampled_from(["randers-hospital", GRENAA, "nowhere"]),
        ),
        st.tuples(st.just("entered"), st.just(""), st.sampled_from(["randers-hospital", GRENAA])),
        st.tuples(st.sampled_from(["withdrawn", "given again"]), st.just(""), st.just("")),
    ),
    min_size=1,
    max_size=9,
)


def drawn_facts() -> list[list[Fact]]:
    """Sequences of facts as hypothesis draws them, to be run in the test's own loop."""
    drawn: list[list[Fact]] = []

    @settings(max_examples=40, database=None, derandomize=True)
    @given(FACTS)
    def draw(facts: list[Fact]) -> None:
        drawn.append(facts)

    draw()
    return drawn


async def happens(service: Served, made: dict[str, Any], fact: Fact, minute: int) -> None:
    """A fact, told by the hospital, a referrer or the citizen; some are refused."""
    what, number, location = fact
    if what == "withdrawn":
        await withdraw(service, made)
    elif what == "given again":
        await give_again(service, made)
    elif what == "entered":
        body = {
            "referral_id": made["referral_id"],
            "location_id": location,
            "starts_at": "2026-12-02T09:10:00+01:00",
            "ends_at": "2026-12-02T09:40:00+01:00",
        }
        await service.running.client.post("/appointments", json=body, headers=REFERRER)
    else:
        body = fhir_appointment(
            number,
            status="booked" if what == "declined" else what,
            location=location,
            updated=at(minute),
        )
        if what == "declined":
            body["participant"][0]["status"] = "declined"
        await service.put(body)


def check_needs(told: list[tuple[str, dict[str, Any]]]) -> set[str]:
    """That each need is opened, changed and closed in an order that can be; those left open."""
    reasons: dict[str, str] = {}
    still_open: set[str] = set()
    for kind, need in told:
        about = need["need_id"]
        if kind == "opened":
            assert about not in still_open
            still_open.add(about)
        elif kind == "changed":
            assert about in still_open
        else:
            # The hospital may correct why it has ended.
            assert about in still_open or need["reason"] != reasons[about]
            still_open.discard(about)
            reasons[about] = need["reason"]
    return still_open


async def test_whatever_happens_in_whatever_order_a_need_is_open_while_company_is_wanted(
    service: Served,
) -> None:
    for facts in drawn_facts():
        await service.rows(
            "truncate citizen, referral, appointment, outbox, stream, timer, attention cascade"
        )
        made = await service.referred()
        for minute, fact in enumerate(facts):
            await happens(service, made, fact, minute)
        rows = await service.rows(
            "select appointment_id::text as id, announced_starts_at, announced_location_id"
            " from appointment where announced = 'booked'"
        )
        told = await service.needs()
        assert check_needs(told) == {row["id"] for row in rows}, facts
        last = {need["need_id"]: need for kind, need in told if kind != "closed"}
        for row in rows:
            assert last[row["id"]]["location_id"] == row["announced_location_id"], facts


async def test_whatever_happens_at_once_a_need_is_open_while_company_is_wanted(
    service: Served,
) -> None:
    for facts in drawn_facts()[:20]:
        await service.rows(
            "truncate citizen, referral, appointment, outbox, stream, timer, attention cascade"
        )
        made = await service.referred()
        await asyncio.gather(
            *(happens(service, made, fact, minute) for minute, fact in enumerate(facts))
        )
        rows = await service.rows(
            "select appointment_id::text as id from appointment where announced = 'booked'"
        )
        assert check_needs(await service.needs()) == {row["id"] for row in rows}, facts
