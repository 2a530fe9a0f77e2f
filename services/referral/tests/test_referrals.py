import asyncio
from itertools import product
from typing import Any

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.problems import GONE
from brobyg_kit.testing import bearer
from brobyg_referral.cases.entrypoints.models import ReferralIn
from pydantic import ValidationError
from referral_bench import REFERRER, Served
from referral_reference import known
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

COORDINATOR = bearer("coordinator", organisation="municipality-0730", department="randers")
SERVICE_TOKEN = bearer("service", subject="notification", organisation="brobyg")

#: The moment of the test's clock, which is also when it withdraws.
SAID_AGAIN = {"given": True, "given_at": "2026-11-30T09:00:00+01:00"}


async def test_a_referral_is_made_and_told_of_without_anything_that_names_the_citizen(
    service: Served,
) -> None:
    made = await service.referred()
    assert (made["status"], made["pathway"], made["department"], made["consent"]["given"]) == (
        "active",
        "escort",
        "randers-norddjurs",
        True,
    )
    (created, data), (given, _) = await service.events()
    assert (created, given) == ("referral.created", "consent.given")
    assert (data["municipality_code"], "needs" in data) == ("0730", False)
    (record,) = await service.records()
    assert record == {
        "citizen_id": made["citizen_id"],
        "languages": ["da", "en"],
        "gender_wish": None,
        "mobility": "walking_aid",
        "meeting": "home",
        "postcode": "8900",
    }


async def test_a_repeat_with_the_same_key_has_no_second_effect(service: Served) -> None:
    answers = [await service.refer(headers={"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await service.events()) == 2
    other = await service.refer(referral(department="norddjurs"), {"Idempotency-Key": "k-1"})
    assert other.status_code == 422


async def test_a_citizen_has_one_active_referral_of_a_pathway_whoever_asks_at_the_same_moment(
    service: Served,
) -> None:
    answers = await asyncio.gather(*(service.refer() for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    mine = await service.refer()
    assert made["referral_id"] in mine.text
    theirs = await service.refer(headers=bearer("referrer", organisation="gp-9999"))
    assert theirs.status_code == 409
    assert made["referral_id"] not in theirs.text


@pytest.mark.parametrize("key", ["k-1", None])
async def test_simultaneous_repeats_with_one_key_make_one_referral(
    service: Served, key: str | None
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    answers = await asyncio.gather(*(service.refer(headers=headers) for _ in range(4)))
    assert (
        len({answer.json()["referral_id"] for answer in answers if answer.status_code == 201}) == 1
    )
    assert len(await service.rows("select 1 from referral")) == 1


async def test_only_the_referring_organisation_and_its_coordinators_see_a_referral(
    service: Served,
) -> None:
    made = await service.referred()
    path = f"/referrals/{made['referral_id']}"
    seen = {
        "own": await service.running.client.get(path, headers=REFERRER),
        "coordinator": await service.running.client.get(
            path,
            headers=bearer("coordinator", organisation="municipality-0730", department="randers"),
        ),
        "elsewhere": await service.running.client.get(
            path,
            headers=bearer("coordinator", organisation="municipality-0707", department="aarhus"),
        ),
        "head office": await service.running.client.get(
            path, headers=bearer("coordinator", organisation="brobyg")
        ),
        "other": await service.running.client.get(
            path, headers=bearer("referrer", organisation="gp-9999")
        ),
        "volunteer": await service.running.client.get(path, headers=bearer("volunteer")),
        "nobody": await service.running.client.get(path),
    }
    assert {who: answer.status_code for who, answer in seen.items()} == {
        "own": 200,
        "coordinator": 200,
        "elsewhere": 404,
        "head office": 200,
        "other": 404,
        "volunteer": 403,
        "nobody": 401,
    }
    assert (
        await service.running.client.delete(
            f"{path}/consent", headers=bearer("referrer", organisation="gp-9999")
        )
    ).status_code == 404


async def test_departments_that_share_an_organisation_keep_their_referrals_apart(
    service: Served,
) -> None:
    made = await service.refer(headers=bearer("referrer", organisation="municipality-shared"))
    path = f"/referrals/{made.json()['referral_id']}"
    elsewhere, here = (
        bearer("coordinator", organisation="municipality-shared", department=department)
        for department in ("aarhus", "randers")
    )
    client = service.running.client
    assert (await client.get(path, headers=elsewhere)).status_code == 404
    assert (await client.delete(f"{path}/consent", headers=elsewhere)).status_code == 404
    assert (await client.get(path, headers=here)).status_code == 200


async def test_a_departments_coordinator_refers_to_that_department_only(service: Served) -> None:
    elsewhere = bearer("coordinator", organisation="municipality-0707", department="aarhus")
    refused = await service.refer(headers=elsewhere)
    assert refused.status_code == 403
    assert await service.rows("select 1 from citizen") == []
    assert (await service.refer(headers=COORDINATOR)).status_code == 201


async def test_withdrawn_consent_forgets_the_appointments_and_drops_what_follows(
    service: Served,
) -> None:
    made = await service.referred()
    await service.put(fhir_appointment())
    path = f"/referrals/{made['referral_id']}/consent"
    for _ in range(2):
        answer = await service.running.client.delete(path, headers=REFERRER)
        assert (answer.status_code, answer.json()["status"], answer.json()["consent"]["given"]) == (
            200,
            "consent_withdrawn",
            False,
        )
    assert await service.rows("select 1 from appointment") == []
    assert [kind for kind, _ in await service.events()] == [
        "referral.created",
        "consent.given",
        "appointment.booked",
        "need.opened",
        "consent.withdrawn",
        "need.closed",
    ]
    assert (
        await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T12:00:00Z"))
    ).status_code == 202


async def test_consent_given_again_opens_the_referral_once(service: Served) -> None:
    made = await service.referred()
    path = f"/referrals/{made['referral_id']}/consent"
    await service.running.client.delete(path, headers=REFERRER)
    for _ in range(2):
        answer = await service.running.client.put(
            path, json={"given_at": "2026-11-30T09:00:00+01:00"}, headers=REFERRER
        )
        assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert [kind for kind, _ in await service.events()].count("consent.given") == 2
    assert (await service.put(fhir_appointment())).status_code == 201


async def test_consent_from_before_its_withdrawal_restores_nothing_by_put_or_by_post(
    service: Served,
) -> None:
    made = await service.referred()
    path = f"/referrals/{made['referral_id']}/consent"
    await service.running.client.delete(path, headers=REFERRER)
    before = "2026-11-30T08:59:59+01:00"
    late = await service.running.client.put(path, json={"given_at": before}, headers=REFERRER)
    repeat = await service.refer(referral(consent={"given": True, "given_at": before}))
    pointers = [
        [error["pointer"] for error in answer.json()["errors"]] for answer in (late, repeat)
    ]
    assert ([late.status_code, repeat.status_code], pointers) == (
        [422, 422],
        [["/given_at"], ["/consent/given_at"]],
    )
    assert [kind for kind, _ in await service.events()].count("consent.given") == 1
    found = await service.running.client.get(f"/referrals/{made['referral_id']}", headers=REFERRER)
    assert found.json()["status"] == "consent_withdrawn"


async def test_consent_is_not_given_again_beside_another_active_referral(service: Served) -> None:
    first = await service.referred()
    await service.running.client.delete(
        f"/referrals/{first['referral_id']}/consent", headers=REFERRER
    )
    second = await service.referred(consent=SAID_AGAIN)
    assert second["citizen_id"] == first["citizen_id"]
    answer = await service.running.client.put(
        f"/referrals/{first['referral_id']}/consent",
        json={"given_at": "2026-11-30T09:00:00+01:00"},
        headers=REFERRER,
    )
    assert answer.status_code == 409


async def test_what_messages_need_is_told_to_a_service_and_the_asking_is_recorded(
    service: Served,
) -> None:
    made = await service.referred(consents=[MESSAGES])
    path = f"/citizens/{made['citizen_id']}/contact"
    answer = await service.running.client.get(
        path, params={"purpose": "message"}, headers=SERVICE_TOKEN
    )
    assert answer.json() == {
        "citizen_id": made["citizen_id"],
        "name": None,
        "given_name": GIVEN,
        "email": MAIL,
        "phone": None,
        "language": "da",
        "meeting_point": f"{ADDRESS}, 8900 Randers C",
        "meeting": "home",
    }
    (row,) = await service.rows(
        "select person_id::text, purpose, reader, roles, organisation from access_entry"
    )
    assert row == {
        "person_id": made["citizen_id"],
        "purpose": "message",
        "reader": actor_of("notification"),
        "roles": ["service"],
        "organisation": "brobyg",
    }
    assert (await service.running.client.get(path, headers=SERVICE_TOKEN)).status_code == 422
    assert (
        await service.running.client.get(path, params={"purpose": "message"}, headers=REFERRER)
    ).status_code == 403
    nobody = "/citizens/019ac012-5c00-7a10-8b6e-2f6d0c9a1e01/contact?purpose=message"
    unknown = await service.running.client.get(nobody, headers=SERVICE_TOKEN)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "about:blank"), (
        "an unknown id is not an erased citizen's, so it has another problem type"
    )


async def test_who_lives_outside_the_area_is_reached_all_the_same(service: Served) -> None:
    citizen = referral()["citizen"] | {"address": {"line": ADDRESS, "postcode": "9999"}}
    made = await service.referred(
        citizen=citizen,
        needs=referral()["needs"] | {"meeting": "at_location"},
        consents=[MESSAGES],
    )
    path = f"/citizens/{made['citizen_id']}/contact?purpose=message"
    answer = await service.running.client.get(path, headers=SERVICE_TOKEN)
    assert (answer.status_code, answer.json()["meeting_point"]) == (200, f"{ADDRESS}, 9999")


async def test_a_protected_address_is_told_to_nobody_and_an_erased_citizen_is_gone(
    service: Served,
) -> None:
    made = await service.referred(
        citizen=referral()["citizen"] | {"protected": True}, consents=[MESSAGES]
    )
    (told,) = await service.records()
    assert (referral()["needs"]["meeting"], told["meeting"]) == ("home", "at_location")
    path = f"/citizens/{made['citizen_id']}/contact?purpose=message"
    assert (await service.running.client.get(path, headers=SERVICE_TOKEN)).json()[
        "meeting_point"
    ] is None
    await service.rows(
        "update citizen set cpr_hash = null, sealed = null, record = null, erased_at = now()"
    )
    gone = await service.running.client.get(path, headers=SERVICE_TOKEN)
    assert (gone.status_code, gone.json()["type"]) == (410, GONE)


@pytest.mark.parametrize(("home", "told"), [("8961", "0707"), ("8870", "0730")])
async def test_where_a_protected_citizen_lives_is_neither_published_nor_kept_in_the_open(
    service: Served, home: str, told: str
) -> None:
    """One postcode stands for all homes of the municipality."""
    citizen = referral()["citizen"] | {
        "protected": True,
        "address": {"line": ADDRESS, "postcode": home},
    }
    await service.referred(citizen=citizen, needs=referral()["needs"] | {"postcode": home})
    (_, created), _ = await service.events()
    (record,) = await service.records()
    assert created["municipality_code"] == told
    assert known().postcode(record["postcode"]).municipality_code == told
    for table in ("referral", "outbox", "citizen", "idempotency_key"):
        rows = str(await service.rows(f"select * from {table}"))
        assert f'"{home}"' not in rows, table
        assert f"'{home}'" not in rows, table


async def test_a_new_referral_neither_lifts_protection_nor_forgets_how_the_citizen_is_reached(
    service: Served,
) -> None:
    first = await service.referred(citizen=referral()["citizen"] | {"protected": True})
    await service.running.client.delete(
        f"/referrals/{first['referral_id']}/consent", headers=REFERRER
    )
    citizen = referral()["citizen"] | {
        "address": {"line": ADDRESS, "postcode": "8961"},
        "phone": "+4520304099",
    }
    del citizen["email"]
    needs = referral()["needs"] | {"postcode": "8961"}
    second = await service.referred(citizen=citizen, needs=needs, consent=SAID_AGAIN)
    created = (await service.events())[-2][1]
    record = (await service.records())[-1]
    assert (created["referral_id"], record["meeting"]) == (second["referral_id"], "at_location")
    assert (record["postcode"] != "8961", created["municipality_code"]) == (True, "0707")
    path = f"/citizens/{second['citizen_id']}/contact?purpose=write"
    contact = (await service.running.client.get(path, headers=COORDINATOR)).json()
    assert (contact["email"], contact["phone"], contact["meeting_point"]) == (
        MAIL,
        "+4520304099",
        None,
    )


async def test_consent_is_not_given_in_the_future_but_by_a_clock_that_is_a_little_ahead(
    service: Served,
) -> None:
    ahead, soon = ({"given": True, "given_at": f"2026-11-30T08:05:0{second}Z"} for second in (1, 0))
    refused = await service.refer(referral(consent=ahead))
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/consent/given_at"]
    assert await service.rows("select 1 from citizen") == []
    made = await service.referred(consent=soon)
    path = f"/referrals/{made['referral_id']}/consent"
    await service.running.client.delete(path, headers=REFERRER)
    later = await service.running.client.put(
        path, json={"given_at": "2026-11-30T08:05:01Z"}, headers=REFERRER
    )
    assert (later.status_code, later.json()["errors"][0]["pointer"]) == (422, "/given_at")


async def test_a_key_that_names_the_citizen_is_found_nowhere(service: Served) -> None:
    for _ in range(2):
        assert (await service.refer(headers={"Idempotency-Key": f"cpr-{CPR}"})).status_code == 201
    assert len(await service.rows("select 1 from referral")) == 1
    for table in ("idempotency_key", "referral", "outbox"):
        assert CPR not in str(await service.rows(f"select * from {table}")), table


async def test_a_coordinator_is_told_how_to_reach_the_departments_citizens_which_is_recorded(
    service: Served,
) -> None:
    made = await service.referred()
    path = f"/citizens/{made['citizen_id']}/contact?purpose=call"
    elsewhere = bearer("coordinator", organisation="municipality-0707", department="aarhus")
    client = service.running.client
    assert (await client.get(path, headers=elsewhere)).status_code == 404
    assert await service.rows("select 1 from access_entry") == []
    seen = (await client.get(f"/referrals/{made['referral_id']}", headers=COORDINATOR)).json()
    answer = await client.get(
        f"/citizens/{seen['citizen_id']}/contact?purpose=call", headers=COORDINATOR
    )
    told = answer.json()
    assert (answer.status_code, told["name"], told["phone"]) == (200, f"{GIVEN} {FAMILY}", PHONE)
    assert (
        await client.get(path, headers=bearer("coordinator", organisation="brobyg"))
    ).status_code == 200
    rows = await service.rows("select purpose, organisation from access_entry order by id")
    assert rows == [
        {"purpose": "call", "organisation": one} for one in ("municipality-0730", "brobyg")
    ]
    unknown = "/citizens/019ac012-5c00-7a10-8b6e-2f6d0c9a1e01/contact?purpose=call"
    assert (await client.get(unknown, headers=COORDINATOR)).status_code == 404


def _with(path: str, value: Any) -> dict[str, Any]:
    body = referral()
    *steps, last = path.split(".")
    inner = body
    for step in steps:
        inner = inner[step]
    inner[last] = value
    return body


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("citizen.cpr", "3202609995"),
        ("citizen.cpr", "020160-9995"),
        ("citizen.cpr", 201609995),
        ("citizen.given_name", ""),
        ("citizen.given_name", "Einer\r\nBcc: x"),
        ("citizen.given_name", "E\x00"),
        ("citizen.family_name", "x" * 101),
        ("citizen.email", "a@b.dk\r\nBcc: c@d.dk"),
        ("citizen.email", "einer"),
        ("citizen.phone", "20304050"),
        ("citizen.language", "de"),
        ("citizen.protected", "yes"),
        ("citizen.sex", "male"),
        ("citizen.address", {"line": "Testvej 1", "postcode": "89000"}),
        ("citizen.address.postcode", "\uff18\uff19\uff10\uff10"),
        ("consent.given", False),
        ("consent.given", 1),
        ("consent.given", "true"),
        ("consent.given_at", 20261123),
        ("consent.given_at", "20261123"),
        ("consent.given_at", "2026-11-23"),
        ("consent.given_at", "2026-11-23T10:00:00"),
        ("consent.given_at", "9999-12-31T23:59:59-12:00"),
        ("needs.languages", []),
        ("needs.languages", ["danish"]),
        ("needs.postcode", "00000"),
        ("needs.mobility", "car"),
        ("department", "nowhere"),
        ("pathway", "outreach"),
        ("referrer_kind", "dentist"),
        ("extra", 1),
    ],
)
async def test_what_is_wrong_in_a_referral_is_told_with_its_place_and_without_the_value(
    service: Served, pointer: str, value: object
) -> None:
    answer = await service.refer(_with(pointer, value))
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert any(one.startswith("/" + pointer.replace(".", "/")) for one in pointers), pointers
    assert "3202609995" not in answer.text
    assert "Bcc" not in answer.text
    assert await service.rows("select 1 from citizen") == []


def _leaves(value: object, *path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, *path, name)]
    return [".".join(path)]


async def test_no_number_truth_or_list_is_taken_for_a_text_a_time_or_a_yes() -> None:
    leaves = _leaves(_with("citizen.protected", False))
    values: list[object] = [0, 1, 1.0, 20261123, True, [1], {}]
    for leaf, value in product(leaves, values):
        if value is True and leaf in ("consent.given", "citizen.protected"):
            continue
        with pytest.raises(ValidationError) as refused:
            ReferralIn.model_validate(_with(leaf, value))
        (error, *_) = refused.value.errors()
        assert leaf in ".".join(map(str, error["loc"])), (leaf, value)


async def test_a_number_is_no_time_for_consent_given_again(service: Served) -> None:
    made = await service.referred()
    path = f"/referrals/{made['referral_id']}/consent"
    answer = await service.running.client.put(path, json={"given_at": 20261130}, headers=REFERRER)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "/given_at")
    assert "2026-11-30T10:15:00+01:00" in error["detail"]


@pytest.mark.parametrize(
    ("address", "pointer"),
    [
        (None, "/citizen/address"),
        ({"line": ADDRESS, "postcode": "8961"}, "/citizen/address/postcode"),
    ],
)
async def test_who_is_met_at_home_has_an_address_there(
    service: Served, address: dict[str, str] | None, pointer: str
) -> None:
    citizen = referral()["citizen"] | {"address": address}
    answer = await service.refer(referral(citizen=citizen))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert "needs.meeting is home" in error["detail"]
    assert "8961" not in error["detail"]
    assert await service.rows("select 1 from citizen") == []
    at_location = referral()["needs"] | {"meeting": "at_location"}
    await service.referred(citizen=citizen, needs=at_location)


@pytest.mark.parametrize("address", [None, {"line": ADDRESS, "postcode": "8961"}])
async def test_who_is_protected_is_not_met_at_home_and_needs_no_address(
    service: Served, address: dict[str, str] | None
) -> None:
    await service.referred(citizen=referral()["citizen"] | {"protected": True, "address": address})
    (record,) = await service.records()
    assert record["meeting"] == "at_location"


async def test_what_is_no_json_or_too_large_is_refused(service: Served) -> None:
    client = service.running.client
    headers = REFERRER | {"Content-Type": "application/json"}
    assert (await client.post("/referrals", content=b"{", headers=headers)).status_code == 400
    assert (
        await client.post("/referrals", content=b"x" * 1_100_000, headers=headers)
    ).status_code == 413
    assert (
        await client.post("/referrals", json=referral(), headers=bearer("referrer"))
    ).status_code == 403
    assert (
        await client.post(
            "/referrals", json=referral(), headers=REFERRER | {"Idempotency-Key": "x" * 200}
        )
    ).status_code == 422


async def test_the_answer_s_position_is_of_the_history_alone(service: Served) -> None:
    answer = await service.refer()
    assert answer.headers["Brobyg-Position"] == (
        f"brobyg.referral.v1:{answer.json()['referral_id']}:2"
    )
