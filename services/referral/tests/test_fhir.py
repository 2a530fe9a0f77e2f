import asyncio
import threading
from typing import Any

import pytest
from brobyg_contracts.reference import Reference
from brobyg_kit.testing import bearer
from brobyg_referral.hospital.fhir import bundle
from brobyg_referral.hospital.fhir.reading import read_appointment
from referral_bench import FHIR_JSON, HOSPITAL, OTHER_HOSPITAL, REFERRER, Served, every_row
from referral_samples import CPR, OTHER_CPR, SYSTEM, UNKNOWN_CPR, fhir_appointment, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")


PLACER = "https://booking.example/orders"
SEARCH_A1 = f"Appointment?identifier={SYSTEM}|A-1"


def issue(answer: Any) -> dict[str, Any]:
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert answer.headers["x-request-id"]
    return dict(body["issue"][0])


async def test_a_booking_of_a_referred_citizen_is_kept_and_published(service: Served) -> None:
    made = await service.referred()
    answer = await service.fhir(
        "POST", "/Appointment", fhir_appointment(), {"X-Request-Id": "abc-1"}
    )
    assert (answer.status_code, answer.headers["etag"], answer.headers["x-request-id"]) == (
        201,
        'W/"1"',
        "abc-1",
    )
    shown = answer.json()
    assert f"/fhir/Appointment/{shown['id']}/_history/1" in answer.headers["location"]
    assert (shown["status"], shown["start"], shown["identifier"]) == (
        "booked",
        "2026-12-02T08:00:00Z",
        [{"system": SYSTEM, "value": "A-1"}],
    )
    kind, data = (await service.events())[-2]
    assert kind == "appointment.booked"
    assert data == {
        "referral_id": made["referral_id"],
        "citizen_id": made["citizen_id"],
        "appointment_id": shown["id"],
        "starts_at": "2026-12-02T08:00:00Z",
        "ends_at": "2026-12-02T08:30:00Z",
        "location_id": "randers-hospital",
    }


async def test_an_appointment_of_somebody_without_a_referral_leaves_no_trace_but_a_count(
    service: Served,
) -> None:
    before = await every_row(service)
    answer = await service.fhir("POST", "/Appointment", fhir_appointment(cpr=UNKNOWN_CPR))
    assert answer.status_code == 202
    assert (issue(answer)["severity"], issue(answer)["code"]) == ("information", "informational")
    assert await every_row(service) == before
    assert await service.counts() == {
        "received": 1,
        "rejected": 0,
        "dropped_without_consent": 1,
        "kept": 0,
        "unchanged": 0,
    }


async def test_a_repeated_create_is_answered_with_the_first_and_has_no_second_effect(
    service: Served,
) -> None:
    await service.referred()
    first = await service.fhir("POST", "/Appointment", fhir_appointment(updated=None))
    again = await service.fhir("POST", "/Appointment", fhir_appointment(updated=None))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert await service.told() == ["booked"]


async def test_a_create_that_says_something_else_of_a_known_appointment_is_not_kept(
    service: Served,
) -> None:
    await service.referred()
    await service.fhir("POST", "/Appointment", fhir_appointment())
    other = fhir_appointment(end="2026-12-02T10:00:00+01:00", updated="2026-11-30T09:00:00Z")
    answer = await service.fhir("POST", "/Appointment", other)
    assert (answer.status_code, issue(answer)["code"]) == (409, "duplicate")
    conditional = await service.fhir(
        "POST", "/Appointment", other, {"If-None-Exist": f"identifier={SYSTEM}|A-1"}
    )
    assert conditional.status_code == 200
    assert await service.told() == ["booked"]


async def test_a_condition_that_names_nothing_known_makes_no_repeat_of_another_content(
    service: Served,
) -> None:
    await service.referred()
    await service.fhir("POST", "/Appointment", fhir_appointment())
    other = fhir_appointment(end="2026-12-02T10:00:00+01:00", updated="2026-11-30T09:00:00Z")
    answer = await service.fhir(
        "POST", "/Appointment", other, {"If-None-Exist": f"identifier={SYSTEM}|A-2"}
    )
    assert (answer.status_code, issue(answer)["code"]) == (409, "duplicate")
    assert await service.told() == ["booked"]


async def test_a_newer_create_of_what_was_cancelled_meanwhile_is_no_repeat_of_the_first(
    service: Served,
) -> None:
    await service.referred()
    await service.fhir("POST", "/Appointment", fhir_appointment(updated="2026-11-30T07:00:00Z"))
    await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T07:10:00Z"))
    late = await service.fhir(
        "POST", "/Appointment", fhir_appointment(updated="2026-11-30T07:00:00Z")
    )
    assert (late.status_code, late.json()["status"]) == (200, "cancelled")
    anew = await service.fhir(
        "POST", "/Appointment", fhir_appointment(updated="2026-11-30T07:20:00Z")
    )
    assert (anew.status_code, issue(anew)["code"]) == (409, "duplicate")
    assert await service.told() == ["booked", "cancelled"]


@pytest.mark.parametrize("updated", [None, "2026-11-30T07:00:00Z"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "cancelled"}, "cancelled"),
        ({"start": "2026-12-02T08:00:00+01:00"}, "rescheduled"),
    ],
)
async def test_a_create_of_what_became_something_else_is_told_what_it_is_and_by_put_it_is_made_anew(
    service: Served, updated: str | None, change: dict[str, str], told: str
) -> None:
    await service.referred()
    first = fhir_appointment(updated=updated)
    await service.fhir("POST", "/Appointment", first)
    changed = await service.put(fhir_appointment(updated=updated, **change))
    again = await service.fhir("POST", "/Appointment", first)
    assert (again.status_code, issue(again)["code"]) == (409, "duplicate")
    assert f"its status is {changed.json()['status']}" in issue(again)["diagnostics"]
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [entry("POST", "Appointment", first)],
    }
    (answered,) = (await service.fhir("POST", "", batch)).json()["entry"]
    assert answered["response"]["status"] == "409 Conflict"
    assert await service.told() == ["booked", told]
    conditional = await service.fhir(
        "POST", "/Appointment", first, {"If-None-Exist": f"identifier={SYSTEM}|A-1"}
    )
    assert (conditional.status_code, conditional.json()) == (200, changed.json())
    anew = await service.put(first)
    assert (anew.status_code, anew.json()["status"]) == (200, "booked")
    assert await service.told() == [
        "booked",
        told,
        "booked" if told == "cancelled" else "rescheduled",
    ]


async def test_a_create_that_says_the_same_again_later_shuts_out_what_lies_between(
    service: Served,
) -> None:
    await service.referred()
    for minute in (0, 20):
        body = fhir_appointment(updated=f"2026-11-30T07:{minute:02}:00Z")
        assert (await service.fhir("POST", "/Appointment", body)).status_code == (
            200 if minute else 201
        )
    late = await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T07:10:00Z"))
    assert (late.status_code, late.json()["status"]) == (200, "booked")


async def test_a_cancellation_with_its_own_time_counts_after_a_booking_without_one(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment(updated=None))  # arrives at 08:00:00 UTC
    answer = await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T07:59:57Z"))
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await service.told() == ["booked", "cancelled"]


async def test_an_appointment_goes_through_its_statuses(service: Served) -> None:
    await service.referred()
    created = (await service.fhir("POST", "/Appointment", fhir_appointment())).json()
    for minute, change in enumerate(
        [
            {"end": "2026-12-02T10:00:00+01:00"},
            {"location": "grenaa-health-house"},
            {"status": "arrived"},
            {"status": "fulfilled"},
        ],
        start=1,
    ):
        body = fhir_appointment(**change, updated=f"2026-11-30T09:0{minute}:00Z")
        body["id"] = created["id"]
        answer = await service.fhir("PUT", f"/Appointment/{created['id']}", body)
        assert (answer.status_code, answer.headers["etag"]) == (200, f'W/"{minute + 1}"')
    assert await service.told() == ["booked", "rescheduled", "rescheduled", "completed"]
    read = await service.fhir("GET", f"/Appointment/{created['id']}")
    assert (read.status_code, read.json()["status"]) == (200, "fulfilled")


async def test_an_out_of_date_message_is_answered_with_what_is_known_and_has_no_effect(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment(updated="2026-11-30T10:00:00Z"))
    late = await service.put(fhir_appointment(status="cancelled", updated="2026-11-30T09:59:59Z"))
    assert (late.status_code, late.json()["status"]) == (200, "booked")
    assert await service.told() == ["booked"]
    assert (await service.counts())["unchanged"] == 1


async def test_cancelled_and_missed_are_published(service: Served) -> None:
    await service.referred()
    for number, status in (("A-1", "cancelled"), ("A-2", "noshow")):
        await service.put(fhir_appointment(number))
        await service.put(fhir_appointment(number, status=status, updated="2026-11-30T10:00:00Z"))
    assert await service.told() == ["booked", "cancelled", "booked", "missed"]


async def test_a_first_booking_at_a_place_that_is_none_of_ours_is_refused(service: Served) -> None:
    await service.referred()
    answer = await service.fhir("POST", "/Appointment", fhir_appointment(location="nowhere"))
    assert (answer.status_code, issue(answer)["code"]) == (422, "code-invalid")
    assert issue(answer)["expression"] == ["Appointment.participant[1].actor.identifier.value"]
    assert "nowhere" not in answer.text
    assert await service.rows("select 1 from appointment") == []


async def test_a_cancellation_that_names_a_place_that_is_none_of_ours_is_taken(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    answer = await service.put(
        fhir_appointment(status="cancelled", location="nowhere", updated="2026-11-30T10:00:00Z")
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await service.told() == ["booked", "cancelled"]


async def test_a_booking_that_is_over_already_is_kept_and_answered_with_a_warning(
    service: Served,
) -> None:
    await service.referred()
    answer = await service.put(
        fhir_appointment(start="2025-12-02T09:00:00+01:00", end="2025-12-02T09:30:00+01:00")
    )
    assert answer.status_code == 201
    told = issue(answer)
    assert (told["severity"], told["expression"], "nobody is asked" in told["diagnostics"]) == (
        "warning",
        ["Appointment.end"],
        True,
    )
    assert await service.told() == ["booked"]


async def test_a_body_that_is_too_large_is_answered_and_not_cut_off(service: Served) -> None:
    """Not a broken connection, which would be tried again for ever."""
    for _ in range(10):
        answer = await service.running.client.post(
            "/referrals",
            content=b" " * 3_000_000,
            headers=REFERRER | {"content-type": "application/json"},
        )
        assert answer.status_code == 413


async def test_a_move_to_a_place_that_is_none_of_ours_is_kept_and_answered_with_a_warning(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    moved = fhir_appointment(location="nowhere", updated="2026-11-30T10:00:00Z")
    answer = await service.put(moved)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert (issue(answer)["severity"], issue(answer)["code"]) == ("warning", "code-invalid")
    assert await service.told() == ["booked", "cancelled"]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry("PUT", SEARCH_A1, moved)]}
    (answered,) = (await service.fhir("POST", "", batch)).json()["entry"]
    assert answered["response"]["status"] == "200 OK"
    assert answered["response"]["outcome"]["issue"][0]["expression"] == [
        "Bundle.entry[0].resource.participant[1].actor.identifier.value"
    ]
    back = await service.put(fhir_appointment(updated="2026-11-30T11:00:00Z"))
    assert (back.status_code, back.json()["status"]) == (200, "booked")
    assert await service.told() == ["booked", "cancelled", "booked"]


def named(number: str, *others: str, **changes: Any) -> dict[str, Any]:
    """An appointment with identifiers of the booking system before the hospital's own."""
    body = fhir_appointment(number, **changes)
    return body | {
        "identifier": [
            *({"system": PLACER, "value": other} for other in others),
            *body["identifier"],
        ]
    }


async def test_an_appointment_is_known_by_any_of_its_identifiers_in_whatever_order_they_come(
    service: Served,
) -> None:
    await service.referred()
    first = await service.fhir("POST", "/Appointment", fhir_appointment("F-1"))
    moved = named("F-1", "P-1", end="2026-12-02T10:00:00+01:00", updated="2026-11-30T07:10:00Z")
    answer = await service.fhir("PUT", f"/Appointment?identifier={PLACER}|P-1", moved)
    assert (answer.status_code, answer.json()["id"]) == (200, first.json()["id"])
    only_placer = fhir_appointment(status="cancelled", updated="2026-11-30T07:20:00Z")
    only_placer["identifier"] = [{"system": PLACER, "value": "P-1"}]
    answer = await service.fhir("POST", "/Appointment", only_placer)
    assert answer.status_code == 409  # known, and so not made anew
    answer = await service.fhir("PUT", f"/Appointment?identifier={PLACER}|P-1", only_placer)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert {one["value"] for one in answer.json()["identifier"]} == {"F-1", "P-1"}
    assert await service.told() == ["booked", "rescheduled", "cancelled"]


async def test_an_identifier_that_a_repeated_create_adds_is_kept(service: Served) -> None:
    await service.referred()
    first = fhir_appointment("F-1", updated=None)
    await service.fhir("POST", "/Appointment", first)
    again = await service.fhir("POST", "/Appointment", named("F-1", "P-1") | {"meta": {}})
    assert again.status_code == 200
    found = (await service.fhir("GET", f"/Appointment?identifier={PLACER}|P-1")).json()
    assert found["total"] == 1


@pytest.mark.parametrize(
    ("start", "end", "wrong"),
    [
        ("2126-12-02T09:00:00+01:00", "2126-12-02T09:30:00+01:00", "start"),
        ("2020-12-02T09:00:00+01:00", "2020-12-02T09:30:00+01:00", "start"),
        ("2026-12-02T09:00:00+01:00", "2199-12-02T09:30:00+01:00", "end"),
    ],
)
async def test_a_booking_far_from_now_is_refused_as_a_typing_error(
    service: Served, start: str, end: str, wrong: str
) -> None:
    await service.referred()
    answer = await service.fhir("POST", "/Appointment", fhir_appointment(start=start, end=end))
    assert (answer.status_code, issue(answer)["expression"]) == (422, [f"Appointment.{wrong}"])
    assert await service.told() == []


async def test_a_wrong_time_is_refused_alike_whether_or_not_the_citizen_has_a_referral(
    service: Served,
) -> None:
    await service.referred()
    before = await every_row(service)
    for wrong in ({"updated": "2199-12-31T23:59:59Z"}, {"end": "2199-12-02T09:30:00+01:00"}):
        answers = [
            await service.fhir("POST", "/Appointment", fhir_appointment(cpr=cpr, **wrong))
            for cpr in (CPR, UNKNOWN_CPR)
        ]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].json() == answers[1].json()
    assert await every_row(service) == before


async def test_identifiers_of_different_appointments_in_one_message_are_a_conflict(
    service: Served,
) -> None:
    await service.referred()
    await service.put(fhir_appointment("F-1"))
    await service.fhir(
        "POST",
        "/Appointment",
        fhir_appointment() | {"identifier": [{"system": PLACER, "value": "P-1"}]},
    )
    await service.put(named("F-2"))
    await service.fhir("PUT", f"/Appointment?identifier={SYSTEM}|F-2", named("F-2", "P-2"))
    two_known = named("F-1", "P-1", status="cancelled", updated="2026-11-30T09:00:00Z")
    another_number_of_one_system = named(
        "F-3", "P-2", status="cancelled", updated="2026-11-30T09:00:00Z"
    )
    for body in (two_known, another_number_of_one_system):
        answer = await service.fhir(
            "PUT", f"/Appointment?identifier={PLACER}|{body['identifier'][0]['value']}", body
        )
        assert (answer.status_code, issue(answer)["code"]) == (409, "conflict")
    assert await service.told() == ["booked", "booked", "booked"]


async def test_the_same_identifiers_in_another_order_at_the_same_moment_make_one_appointment(
    service: Served,
) -> None:
    await service.referred()
    body = named("F-1", "P-1")
    turned = body | {"identifier": body["identifier"][::-1]}
    answers = await asyncio.gather(
        *(service.fhir("POST", "/Appointment", one) for one in [body, turned] * 4)
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert await service.told() == ["booked"]


async def test_a_version_that_is_no_longer_current_is_refused(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    moved = fhir_appointment(end="2026-12-02T10:00:00+01:00", updated="2026-11-30T10:00:00Z")
    assert (await service.put(moved, {"If-Match": 'W/"1"'})).status_code == 200
    stale = await service.put(
        fhir_appointment(status="cancelled", updated="2026-11-30T11:00:00Z"), {"If-Match": 'W/"1"'}
    )
    assert (stale.status_code, issue(stale)["code"]) == (412, "conflict")
    wrong = await service.put(fhir_appointment(), {"If-Match": "yesterday"})
    assert (wrong.status_code, issue(wrong)["code"]) == (400, "invalid")
    assert await service.told() == ["booked", "rescheduled"]


async def test_any_version_will_do_for_a_star_so_long_as_there_is_one(service: Served) -> None:
    await service.referred()
    absent = await service.put(fhir_appointment(), {"If-Match": "*"})
    assert (absent.status_code, issue(absent)["code"]) == (412, "conflict")
    await service.put(fhir_appointment())
    cancelled = fhir_appointment(status="cancelled", updated="2026-11-30T10:00:00Z")
    assert (await service.put(cancelled, {"If-Match": "*"})).status_code == 200
    assert await service.told() == ["booked", "cancelled"]


async def test_the_format_may_be_asked_for_with_its_plus_as_people_write_it(
    service: Served,
) -> None:
    for written in ("application/fhir+json", "application/fhir%2Bjson", "json"):
        answer = await service.fhir(
            "GET", f"/metadata?_format={written}", headers={"Accept": "text/html"}
        )
        assert answer.status_code == 200, written


async def test_a_bundle_is_read_beside_the_event_loop(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.referred()
    readers: set[int] = set()

    def seen(resource: Any, reference: Reference) -> Any:
        readers.add(threading.get_ident())
        return read_appointment(resource, reference)

    monkeypatch.setattr(bundle, "read_appointment", seen)
    entries = [entry("POST", "Appointment", fhir_appointment())]
    answer = await service.fhir(
        "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}
    )
    assert answer.json()["entry"][0]["response"]["status"] == "201 Created"
    assert readers
    assert threading.get_ident() not in readers


async def test_another_organisation_neither_sees_nor_changes_it_and_may_use_its_identifier(
    service: Served,
) -> None:
    await service.referred()
    mine = (await service.put(fhir_appointment())).json()
    cancelled = fhir_appointment(status="cancelled", updated="2026-11-30T10:00:00Z") | {
        "id": mine["id"]
    }
    for method, path, body in (
        ("GET", f"/Appointment/{mine['id']}", None),
        ("PUT", f"/Appointment/{mine['id']}", cancelled),
    ):
        answer = await service.fhir(method, path, body, OTHER_HOSPITAL)
        assert (answer.status_code, issue(answer)["code"]) == (404, "not-found")
    found = await service.fhir("GET", f"/Appointment?identifier={SYSTEM}|A-1", None, OTHER_HOSPITAL)
    assert found.json()["total"] == 0
    theirs = await service.fhir("POST", "/Appointment", fhir_appointment(), OTHER_HOSPITAL)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine["id"]


async def test_an_appointment_is_found_by_its_identifier(service: Served) -> None:
    await service.referred()
    mine = (await service.put(fhir_appointment())).json()
    found = (await service.fhir("GET", f"/Appointment?identifier={SYSTEM}|A-1")).json()
    assert (found["type"], found["total"], found["entry"][0]["resource"]) == ("searchset", 1, mine)
    for query in ("", "?date=2026", "?identifier=A-1"):
        assert issue(await service.fhir("GET", f"/Appointment{query}"))["severity"] == "error"


async def test_the_patient_of_an_appointment_can_not_be_changed(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment())
    for cpr in (OTHER_CPR, UNKNOWN_CPR):
        answer = await service.put(fhir_appointment(cpr=cpr, updated="2026-11-30T10:00:00Z"))
        assert (answer.status_code, issue(answer)["code"]) == (422, "business-rule")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/Appointment/x", {"Authorization": ""}, 401, "login"),
        ("GET", "/Appointment/x", {"Authorization": "Bearer x.y.z"}, 401, "login"),
        ("GET", "/Appointment/x", bearer("volunteer"), 403, "forbidden"),
        ("GET", "/Appointment/x", bearer("hospital"), 403, "forbidden"),
        ("GET", "/Appointment/x", {}, 404, "not-found"),
        ("GET", "/Appointment/%00", {}, 404, "not-found"),
        ("GET", "/Patient/1", {}, 404, "not-found"),
        ("GET", "/metadata/x", {}, 404, "not-found"),
        ("DELETE", "/Appointment/x", {}, 405, "not-supported"),
        ("PATCH", "/Appointment/x", {}, 405, "not-supported"),
        ("GET", "/Appointment/x", {"Accept": "application/fhir+xml"}, 406, "not-supported"),
        ("GET", "/metadata?_format=xml", {}, 406, "not-supported"),
        ("POST", "/Appointment", {"Content-Type": "application/xml"}, 415, "not-supported"),
        ("POST", "/Appointment", {}, 400, "structure"),
        ("PUT", "/Appointment/x", {}, 400, "structure"),
        ("PUT", "/Appointment", {}, 400, "structure"),
        ("POST", "", {}, 400, "structure"),
    ],
)
async def test_every_error_is_an_operation_outcome(
    service: Served, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await service.fhir(method, path, None, headers)
    assert (answer.status_code, issue(answer)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b'{"resourceType": "Patient"}', 400),
        (b" " * 1_100_000, 413),
        ({"resourceType": "Appointment"}, 422),
        (fhir_appointment(status="bogus"), 422),
        (fhir_appointment(cpr="3202609995"), 422),
        (fhir_appointment() | {"id": "x" * 65}, 422),
    ],
)
async def test_a_broken_body_is_refused_counted_and_leaves_nothing(
    service: Served, body: object, status: int
) -> None:
    await service.referred()
    before = await every_row(service)
    for path in ("/Appointment", ""):
        answer = await service.fhir("POST", path, body)
        assert answer.status_code == (400 if status == 422 and not path else status)
        assert issue(answer)["severity"] == "error"
    assert await every_row(service) == before
    assert (await service.counts())["rejected"] == 2


async def test_an_update_names_its_own_id_and_an_existing_appointment(service: Served) -> None:
    await service.referred()
    unknown = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"
    assert (
        await service.fhir("PUT", f"/Appointment/{unknown}", fhir_appointment())
    ).status_code == 400
    assert (
        await service.fhir("PUT", f"/Appointment/{unknown}", fhir_appointment() | {"id": unknown})
    ).status_code == 404
    mismatch = await service.fhir(
        "PUT", f"/Appointment?identifier={SYSTEM}|A-2", fhir_appointment("A-1")
    )
    assert mismatch.status_code == 400


def entry(method: str, url: str, resource: object) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": method, "url": url}}


async def test_a_batch_answers_each_entry_on_its_own(service: Served) -> None:
    await service.referred()
    entries = [
        entry("POST", "Appointment", fhir_appointment("A-1")),
        entry("POST", "Appointment", fhir_appointment("A-2", status="bogus")),
        entry(
            "PUT",
            f"Appointment?identifier={SYSTEM}|A-1",
            fhir_appointment("A-1", status="cancelled", updated="2026-11-30T10:00:00Z"),
        ),
        entry("POST", "Appointment", fhir_appointment("A-3", cpr=UNKNOWN_CPR)),
        entry("DELETE", "Appointment/1", fhir_appointment("A-4")),
    ]
    answer = await service.fhir(
        "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}
    )
    assert (answer.status_code, answer.json()["type"]) == (200, "batch-response")
    assert [one["response"]["status"][:3] for one in answer.json()["entry"]] == [
        "201",
        "422",
        "200",
        "202",
        "422",
    ]
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == [
        "Bundle.entry[1].resource.status"
    ]
    assert await service.told() == ["booked", "cancelled"]
    assert await service.counts() == {
        "received": 5,
        "rejected": 2,
        "dropped_without_consent": 1,
        "kept": 2,
        "unchanged": 0,
    }


async def test_a_transaction_is_kept_whole_or_not_at_all(service: Served) -> None:
    await service.referred()
    good, late = (
        entry("POST", "Appointment", fhir_appointment("A-1")),
        entry("POST", "Appointment", fhir_appointment("A-2")),
    )
    unreadable = entry("POST", "Appointment", fhir_appointment("A-3", status="bogus"))
    not_there = entry(
        "PUT",
        "Appointment/019ac012-5c00-7a10-8b6e-2f6d0c9a1e01",
        fhir_appointment("A-4") | {"id": "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"},
    )
    for bad, status in ((unreadable, 422), (not_there, 404), (good, 400)):
        answer = await service.fhir(
            "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}
        )
        assert (answer.status_code, issue(answer)["severity"]) == (status, "error")
    assert await service.rows("select 1 from appointment") == []
    assert await service.told() == []
    answer = await service.fhir(
        "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [good, late]}
    )
    assert [one["response"]["status"] for one in answer.json()["entry"]] == [
        "201 Created",
        "201 Created",
    ]
    assert await service.counts() == {
        "received": 8,
        "rejected": 6,
        "dropped_without_consent": 0,
        "kept": 2,
        "unchanged": 0,
    }


async def test_two_creates_of_the_same_identifier_at_the_same_moment_make_one_appointment(
    service: Served,
) -> None:
    await service.referred()
    answers = await asyncio.gather(
        *(service.fhir("POST", "/Appointment", fhir_appointment()) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await service.told() == ["booked"]


async def counted(service: Served) -> float:
    """How many messages the process's own counters have counted since it began."""
    lines = (await service.running.client.get("/metrics")).text.splitlines()
    return sum(
        float(line.split()[-1])
        for line in lines
        if line.startswith("brobyg_referral_appointments_total{")
    )


async def test_the_same_identifier_for_two_citizens_at_the_same_moment_makes_one_appointment(
    service: Served,
) -> None:
    await service.referred()
    assert (await service.refer(referral(OTHER_CPR))).status_code == 201
    bodies = [fhir_appointment(cpr=cpr) for cpr in (OTHER_CPR, "0201609995")] * 3
    before = await counted(service)
    answers = await asyncio.gather(*(service.fhir("POST", "/Appointment", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201, 422, 422, 422]
    assert await counted(service) - before == (await service.counts())["received"] == len(bodies)
    assert await service.told() == ["booked"]


async def test_the_capability_statement_is_true(service: Served) -> None:
    statement = (await service.fhir("GET", "/metadata")).json()
    assert (statement["resourceType"], statement["fhirVersion"], statement["kind"]) == (
        "CapabilityStatement",
        "4.0.1",
        "instance",
    )
    (resource,) = statement["rest"][0]["resource"]
    offered = {one["code"] for one in resource["interaction"]}
    assert offered == {"read", "create", "update", "search-type"}
    paths = (await service.running.client.get("/openapi.json")).json()["paths"]
    fhir = {path: set(methods) for path, methods in paths.items() if path.startswith("/fhir")}
    assert fhir == {
        "/fhir/metadata": {"get"},
        "/fhir": {"post"},
        "/fhir/Appointment": {"post", "get", "put"},
        "/fhir/Appointment/{appointment_id}": {"get", "put"},
    }
    plain = await service.running.client.get(
        "/fhir/metadata", headers=HOSPITAL | {"Accept": "application/json"} | FHIR_JSON
    )
    assert plain.status_code == 200


async def test_the_description_of_the_api_says_what_may_be_sent_and_what_is_answered(
    service: Served,
) -> None:
    paths = (await service.running.client.get("/openapi.json")).json()["paths"]
    shown = {
        (method, path): (
            {one["name"] for one in operation["parameters"]} - {"_format"},
            set(operation["responses"]) - {"default"},
            "requestBody" in operation,
        )
        for path, methods in paths.items()
        if path.startswith("/fhir")
        for method, operation in methods.items()
    }
    one = "/fhir/Appointment/{appointment_id}"
    assert shown == {
        ("get", "/fhir/metadata"): (set(), {"200"}, False),
        ("get", one): ({"appointment_id"}, {"200"}, False),
        ("get", "/fhir/Appointment"): ({"identifier"}, {"200"}, False),
        ("post", "/fhir/Appointment"): ({"If-None-Exist"}, {"200", "201", "202"}, True),
        ("put", "/fhir/Appointment"): ({"identifier", "If-Match"}, {"200", "201", "202"}, True),
        ("put", one): ({"appointment_id", "If-Match"}, {"200", "202"}, True),
        ("post", "/fhir"): (set(), {"200"}, True),
    }
    answers = [
        answer for path in paths if path.startswith("/fhir") for operation in paths[path].values()
        for answer in operation["responses"].values()
    ]  # fmt: skip
    assert {kind for answer in answers for kind in answer["content"]} == {"application/fhir+json"}


async def test_the_examples_in_the_description_are_taken_in_as_they_are(service: Served) -> None:
    await service.referred()
    paths = (await service.running.client.get("/openapi.json")).json()["paths"]

    def example(method: str, path: str) -> Any:
        return paths[path][method]["requestBody"]["content"]["application/fhir+json"]["example"]

    made = await service.fhir("POST", "/Appointment", example("post", "/fhir/Appointment"))
    again = await service.put(example("put", "/fhir/Appointment"))
    bundled = await service.fhir("POST", "", example("post", "/fhir"))
    by_id = example("put", "/fhir/Appointment/{appointment_id}") | {"id": made.json()["id"]}
    updated = await service.fhir("PUT", f"/Appointment/{by_id['id']}", by_id)
    assert [one.status_code for one in (made, again, bundled, updated)] == [201, 200, 200, 200]
    assert bundled.json()["entry"][0]["response"]["status"] == "200 OK"


@pytest.mark.parametrize("url", ["http://[", "//[::1/Appointment", "http://[nonsense]/Appointment"])
async def test_an_entry_whose_url_can_not_be_read_is_refused_and_the_others_are_kept(
    service: Served, url: str
) -> None:
    await service.referred()
    entries = [
        entry("PUT", url, fhir_appointment("A-1")),
        entry("POST", "Appointment", fhir_appointment("A-2")),
    ]
    answer = await service.fhir(
        "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}
    )
    assert answer.status_code == 200
    bad, good = (one["response"] for one in answer.json()["entry"])
    assert (bad["status"][:3], good["status"][:3]) == ("422", "201")
    assert bad["outcome"]["issue"][0]["expression"] == ["Bundle.entry[0].request.url"]
    assert url not in str(bad)


@pytest.mark.parametrize("ahead", ["2026-12-01T08:00:01Z", "2199-12-31T23:59:59Z"])
async def test_a_time_more_than_a_day_ahead_is_refused_and_does_not_shut_out_what_follows(
    service: Served, ahead: str
) -> None:
    await service.referred()
    answer = await service.put(fhir_appointment(status="cancelled", updated=ahead))
    assert answer.status_code == 422
    assert issue(answer)["expression"] == ["Appointment.meta.lastUpdated"]
    assert ahead not in answer.text
    assert (await service.put(fhir_appointment(updated="2026-12-01T08:00:00Z"))).status_code == 201
    assert await service.told() == ["booked"]


async def test_a_newer_message_that_says_the_same_is_a_version_of_its_own(service: Served) -> None:
    await service.referred()
    answers = [
        await service.put(fhir_appointment(updated=f"2026-11-30T0{hour}:00:00Z"))
        for hour in (7, 8, 8)
    ]
    shown = [
        (one.headers["ETag"], one.json()["meta"]["versionId"], one.json()["meta"]["lastUpdated"])
        for one in answers
    ]
    assert shown == [
        ('W/"1"', "1", "2026-11-30T07:00:00Z"),
        ('W/"2"', "2", "2026-11-30T08:00:00Z"),
        ('W/"2"', "2", "2026-11-30T08:00:00Z"),
    ]
    assert await service.told() == ["booked"]
