import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from brobyg_referral.hospital.errors import Malformed, MessageRefused, RuleBroken, TooLarge
from brobyg_referral.hospital.fhir.bundle import searched_identifier, version_of
from brobyg_referral.hospital.fhir.reading import MAX_BODY_BYTES, parse_json, read_appointment
from brobyg_referral.hospital.fhir.structure import JsonObject
from hypothesis import given
from hypothesis import strategies as st
from referral_reference import known
from referral_samples import CPR, fhir_appointment, patient

Damage = Callable[[JsonObject], object]


def refusal(body: JsonObject) -> MessageRefused:
    with pytest.raises(MessageRefused) as caught:
        read_appointment(body, known())
    return caught.value


#: As an engine might say that something is not so.
MODIFIER = {"url": "https://example.org/fhir/not", "valueBoolean": True}


def test_a_booked_appointment_is_read_in_utc() -> None:
    read = read_appointment(
        fhir_appointment(start="2026-12-02T09:00:00+01:00", end="2026-12-02T09:30:00+01:00"),
        known(),
    )
    assert read.content.plan.starts_at is not None
    assert read.content.plan.starts_at.isoformat() == "2026-12-02T08:00:00+00:00"
    assert (read.cpr, read.content.plan.location_id, read.identifiers[0].token) == (
        CPR,
        "randers-hospital",
        "https://hospital.example/appointments|A-1",
    )


@pytest.mark.parametrize(
    ("where", "code", "damage"),
    [
        ("Appointment.status", "code-invalid", lambda b: b.update(status="bogus")),
        ("Appointment", "required", lambda b: b.pop("status")),
        ("Appointment", "structure", lambda b: b.update(startTime="x")),
        ("Appointment.start", "value", lambda b: b.update(start="2026-12-03 10:00")),
        ("Appointment.start", "value", lambda b: b.update(start="2026-12-03T10:00:00")),
        ("Appointment.start", "value", lambda b: b.update(start="2026-02-30T10:00:00Z")),
        ("Appointment.start", "value", lambda b: b.update(start="9999-12-31T23:59:59-14:00")),
        ("Appointment.start", "value", lambda b: b.update(start="0001-01-01T00:00:00+14:00")),
        ("Appointment.start", "structure", lambda b: b.update(start=5)),
        ("Appointment.end", "value", lambda b: b.update(start=b["end"], end=b["start"])),
        ("Appointment.created", "value", lambda b: b.update(created="2026-02-30")),
        ("Appointment", "required", lambda b: b.pop("participant")),
        ("Appointment.participant[0]", "required", lambda b: b["participant"][0].pop("status")),
        (
            "Appointment.participant[0].status",
            "code-invalid",
            lambda b: b["participant"][0].update(status="maybe"),
        ),
        (
            "Appointment.participant[0].required",
            "code-invalid",
            lambda b: b["participant"][0].update(required="yes"),
        ),
        (
            "Appointment.participant[0]",
            "structure",
            lambda b: b["participant"][0].update(cpr="0201609995"),
        ),
        (
            "Appointment.participant[2]",
            "invariant",
            lambda b: b["participant"].append({"status": "accepted"}),
        ),
        (
            "Appointment.implicitRules",
            "not-supported",
            lambda b: b.update(implicitRules="https://example.org/rules"),
        ),
        (
            "Appointment.modifierExtension",
            "not-supported",
            lambda b: b.update(modifierExtension=[MODIFIER]),
        ),
        (
            "Appointment.participant[0].modifierExtension",
            "not-supported",
            lambda b: b["participant"][0].update(modifierExtension=[MODIFIER]),
        ),
        ("Appointment", "invariant", lambda b: b.pop("end")),
        ("Appointment", "invariant", lambda b: (b.pop("start"), b.pop("end"))),
        ("Appointment.participant[0]", "structure", lambda b: b.update(participant=[None])),
        ("Appointment.identifier[0]", "structure", lambda b: b.update(identifier=[5])),
        ("Appointment.meta", "structure", lambda b: b.update(meta=None)),
        (
            "Appointment.participant[0].actor",
            "structure",
            lambda b: b["participant"][0].update(actor="Patient/1"),
        ),
        (
            "Appointment.cancelationReason",
            "invariant",
            lambda b: b.update(cancelationReason={"text": "moved"}),
        ),
        ("Appointment.identifier", "required", lambda b: b.pop("identifier")),
        ("Appointment.identifier", "required", lambda b: b.update(identifier=[{"value": "A-1"}])),
        ("Appointment.identifier[0]", "value", lambda b: b["identifier"][0].update(value="a\x00b")),
        (
            "Appointment.identifier[0]",
            "value",
            lambda b: b["identifier"][0].update(value="x" * 256),
        ),
        (
            "Appointment.identifier[0]",
            "value",
            lambda b: b["identifier"][0].update(system="urn:oid:1.2.208.176.1.2", value=CPR),
        ),
        (
            "Appointment.participant[2].actor",
            "business-rule",
            lambda b: b["participant"].append(patient("0504909995")),
        ),
        (
            "Appointment.participant[2].actor",
            "business-rule",
            lambda b: b["participant"].append(
                {"actor": {"reference": "Patient/7"}, "status": "accepted"}
            ),
        ),
        ("Appointment.participant", "required", lambda b: b["participant"].pop(0)),
        ("Appointment.participant", "required", lambda b: b["participant"].pop(1)),
        (
            "Appointment.participant[0].actor.identifier.value",
            "value",
            lambda b: b["participant"][0]["actor"]["identifier"].update(value="3202609995"),
        ),
    ],
)
def test_what_breaks_the_standard_is_refused_with_the_place_and_without_the_value(
    where: str, code: str, damage: Damage
) -> None:
    body = fhir_appointment()
    damage(body)
    refused = refusal(body)
    assert isinstance(refused, RuleBroken)
    assert (where, code) in [(issue.expression, issue.code) for issue in refused.issues]
    told = " ".join(issue.diagnostics for issue in refused.issues)
    assert not any(value in told for value in (CPR, "bogus", "maybe", "3202609995"))


def test_every_identifier_that_can_name_the_appointment_is_read_and_others_are_passed_over() -> (
    None
):
    body = fhir_appointment()
    citizens = {"system": "urn:oid:1.2.208.176.1.2", "value": CPR}
    body["identifier"] = [
        citizens,
        {"value": "x"},
        {"system": "s", "value": "1"},
        *body["identifier"],
    ]
    assert [one.token for one in read_appointment(body, known()).identifiers] == [
        "s|1",
        "https://hospital.example/appointments|A-1",
    ]
    body["identifier"] = [{"system": "s", "value": str(number)} for number in range(11)]
    assert [issue.code for issue in refusal(body).issues] == ["too-long"]


def test_all_issues_are_told_at_once() -> None:
    body = fhir_appointment(
        status="noshow", start="2026-12-03T10:00:00Z", end="2026-12-03T09:00:00Z"
    )
    body.pop("identifier")
    assert {issue.expression for issue in refusal(body).issues} == {
        "Appointment.end",
        "Appointment.identifier",
    }


def test_a_cancelled_appointment_needs_neither_time_nor_place() -> None:
    body = fhir_appointment(status="cancelled")
    for name in ("start", "end"):
        body.pop(name)
    body["participant"] = [patient()]
    assert read_appointment(body, known()).content.plan.starts_at is None


@pytest.mark.parametrize("status", ["booked", "cancelled", "arrived"])
def test_a_place_that_is_none_of_ours_is_read_as_no_place_and_told_with_where_it_stands(
    status: str,
) -> None:
    read = read_appointment(fhir_appointment(status=status, location="nowhere"), known())
    assert read.content.plan.location_id is None
    assert read.place_issue is not None
    assert read.place_issue.expression == "Appointment.participant[1].actor.identifier.value"
    assert "nowhere" not in read.place_issue.diagnostics


def test_an_unknown_property_that_looks_like_somebodys_number_is_not_repeated() -> None:
    body = fhir_appointment()
    body["0201609995"] = 1
    assert "0201609995" not in str([issue.diagnostics for issue in refusal(body).issues])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b"[]",
        b"1",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 5000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(body)


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        parse_json(b"{" + b" " * MAX_BODY_BYTES + b"}")


def test_brackets_within_text_are_not_nesting() -> None:
    body = {"a": "[" * 500 + '\\"'}
    assert parse_json(json.dumps(body).encode()) == body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(
    st.sampled_from(
        [
            "status",
            "start",
            "end",
            "participant",
            "identifier",
            "meta",
            "text",
            "contained",
            "extension",
            "created",
            "priority",
        ]
    ),
    json_values,
)
def test_whatever_stands_in_a_property_it_is_read_or_refused(name: str, value: object) -> None:
    body = fhir_appointment()
    body[name] = value
    with suppress(MessageRefused):  # any other exception fails the test
        read_appointment(body, known())


@pytest.mark.parametrize(
    "query",
    [
        [],
        [("identifier", "A-1")],
        [("identifier", "|A-1")],
        [("identifier", "s|v"), ("identifier", "s|w")],
        [("date", "2026")],
        [("identifier", "s|v"), ("_count", "5")],
    ],
)
def test_a_search_other_than_by_the_whole_identifier_is_refused(
    query: list[tuple[str, str]],
) -> None:
    with pytest.raises(Malformed):
        searched_identifier(query, "the URL")


def test_a_version_is_read_from_weak_and_strong_etags_and_the_star_and_nothing_else() -> None:
    assert (version_of('W/"3"'), version_of('"3"'), version_of(" * "), version_of(None)) == (
        3,
        3,
        "*",
        None,
    )
    for wrong in ("3", "**", 'W/"x"', 'W/"0"'):
        with pytest.raises(Malformed):
            version_of(wrong)
