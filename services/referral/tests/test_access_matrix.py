"""Who may do what: every endpoint as every role, of the own and of another organisation."""

from dataclasses import replace
from typing import Any

import pytest
from access_matrix import Ask, Own, faults, operators_asks
from brobyg_contracts.domain import ROLES
from brobyg_kit.testing import bearer
from referral_bench import FHIR_JSON, Served
from referral_reference import DEPARTMENT, ELSEWHERE
from referral_samples import (
    GIVEN,
    MESSAGES,
    OTHER_CPR,
    SYSTEM,
    UNKNOWN_CPR,
    fhir_appointment,
    referral,
)
from test_attention_of_appointments import declined
from test_consents import RESEARCH
from test_entered_appointments import entered
from test_sessions import session

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWN = Own(DEPARTMENT, ELSEWHERE, "hospital-randers")
HEAD_OFFICE = bearer("coordinator")
KINDS = ("place", "department", "organisation", "pool", "postcode", "calendar")


async def reference(service: Served) -> list[Ask]:
    """To read every kind, and to put an entry as it is."""
    asks = [Ask("GET /reference/{kind}", "/reference/pool")]
    for kind in KINDS:
        answer = await service.running.client.get(f"/reference/{kind}", headers=HEAD_OFFICE)
        entry = answer.json()[0]
        path, body = f"/reference/{kind}/{entry['id']}", entry | {}
        for name in ("version", "withdrawn"):
            body.pop(name, None)
        match = {"If-Match": f'"{entry["version"]}"'}
        # The departments of these tests lack what the toy pathways ask for, which a place shows.
        status = 422 if kind == "place" else None
        at = f"PUT /reference/{kind}/{{entry_id}}"
        asks.append(Ask(at, path, body, match, outside=403, status=status))
        asks.append(Ask("GET /reference/{kind}/{entry_id}", path))
    return asks


def hospital(appointment_id: str) -> list[Ask]:
    """What a hospital sends under its own numbers, and reads of its own."""
    number, sent = "M-1", fhir_appointment("M-1", cpr=OTHER_CPR)
    query = f"/fhir/Appointment?identifier={SYSTEM}|{number}"
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": []}
    own = {"headers": FHIR_JSON, "for_oneself": True}
    at = "/fhir/Appointment/{appointment_id}"
    return [
        Ask("GET /fhir/metadata", "/fhir/metadata"),
        Ask("PUT /fhir/Appointment", query, sent, **own),
        Ask("POST /fhir/Appointment", "/fhir/Appointment", sent, **own),
        Ask("POST /fhir", "/fhir", bundle, **own),
        Ask("GET /fhir/Appointment", query, outside=None, listed=appointment_id),
        Ask(f"GET {at}", f"/fhir/Appointment/{appointment_id}"),
        Ask(
            f"PUT {at}",
            f"/fhir/Appointment/{appointment_id}",
            sent | {"id": appointment_id},
            headers=FHIR_JSON,
        ),
    ]


def referrals(made: dict[str, Any], appointment: str, session_id: str) -> list[Ask]:
    """What referrers and coordinators do for a citizen of theirs."""
    one, plan = f"/referrals/{made['referral_id']}", session()
    new = referral(UNKNOWN_CPR)
    later = entered(
        made, starts_at="2026-12-04T09:00:00+01:00", ends_at="2026-12-04T09:30:00+01:00"
    )
    moved = {name: value for name, value in later.items() if name != "referral_id"}
    changed = {key: value for key, value in plan.items() if key not in ("pathway", "department")}
    return [
        Ask("POST /referrals", "/referrals", new, outside=403, for_oneself=True, again=409),
        Ask("GET /referrals/{referral_id}", one),
        Ask("POST /appointments", "/appointments", entered(made)),
        Ask("PUT /appointments/{appointment_id}", f"/appointments/{appointment}", moved),
        Ask("POST /sessions", "/sessions", plan, outside=403),
        Ask("GET /sessions/{session_id}", f"/sessions/{session_id}"),
        Ask("PUT /sessions/{session_id}", f"/sessions/{session_id}", changed),
        Ask("DELETE /sessions/{session_id}", f"/sessions/{session_id}"),
        Ask("GET /referrals/{referral_id}/consents", f"{one}/consents"),
        Ask(
            "PUT /referrals/{referral_id}/consents/{scope}",
            f"{one}/consents/research",
            RESEARCH,
        ),
        Ask("DELETE /referrals/{referral_id}/consents/{scope}", f"{one}/consents/research"),
        Ask("DELETE /appointments/{appointment_id}", f"/appointments/{appointment}"),
        Ask("PUT /referrals/{referral_id}/consent", f"{one}/consent", HELP_AGAIN),
    ]


HELP_AGAIN = {"given_at": "2026-11-30T08:30:00+01:00"}


def citizens(citizen_id: str, referral_id: str) -> list[Ask]:
    """What is done with a citizen's data; that it is withdrawn and destroyed comes last."""
    one = f"/citizens/{citizen_id}"
    return [
        Ask(
            "POST /citizens/search",
            "/citizens/search",
            {"name": GIVEN, "limit": 50},
            outside=None,
            listed=citizen_id,
        ),
        Ask(
            "GET /citizens/{citizen_id}/contact",
            f"{one}/contact?purpose=call",
            roles=ROLES - {"service"},
        ),
        Ask(
            "GET /citizens/{citizen_id}/contact",
            f"{one}/contact?purpose=message",
            roles={"service"},
        ),
        Ask(
            "POST /citizens/{citizen_id}/contact",
            f"{one}/contact",
            {"purpose": "safety", "emergency": "acute"},
        ),
        Ask("GET /citizens/{person_id}/accesses", f"{one}/accesses"),
        Ask("POST /citizens/sign-in", "/citizens/sign-in", {"email": "no@example.org"}),
        Ask("GET /citizens/{person_id}/sign-in", f"{one}/sign-in"),
        Ask("GET /citizens/{person_id}/export", f"{one}/export"),
        Ask("PUT /citizens/{citizen_id}/guardian", f"{one}/guardian", {"has_guardian": False}),
        Ask(
            "PUT /citizens/{citizen_id}/restriction", f"{one}/restriction", {"reason": "objection"}
        ),
        Ask("DELETE /citizens/{citizen_id}/restriction", f"{one}/restriction"),
        Ask("DELETE /referrals/{referral_id}/consent", f"/referrals/{referral_id}/consent"),
        Ask("DELETE /citizens/{citizen_id}", f"{one}?reason=requested"),
        Ask("GET /erasures/{person_id}", f"/erasures/{citizen_id}"),
    ]


async def test_every_endpoint_answers_every_role_as_the_table_says(service: Served) -> None:
    client, organisation = service.running.client, {"organisation": OWN.organisation}
    coordinator = bearer("coordinator", department=OWN.department)
    referrer = bearer("referrer", **organisation)
    made = (await service.refer(referral(consents=[MESSAGES]), referrer)).json()
    await service.refer(referral(OTHER_CPR), referrer)
    await service.put(declined())
    item = (await service.attention())[0][1]["attention_id"]
    booked = (await service.put(fhir_appointment("M-1", cpr=OTHER_CPR))).json()["id"]
    body = entered(made, starts_at="2026-12-03T09:00:00+01:00", ends_at="2026-12-03T09:30:00+01:00")
    own = (await client.post("/appointments", json=body, headers=referrer)).json()
    planned = (await client.post("/sessions", json=session(), headers=coordinator)).json()
    asks = [
        *await reference(service),
        Ask("GET /counts", "/counts"),
        *hospital(booked),
        Ask("POST /attention/{attention_id}/claim", f"/attention/{item}/claim", again=409),
        Ask(
            "POST /attention/{attention_id}/settle",
            f"/attention/{item}/settle",
            {"outcome": "company_not_needed"},
            again=409,
        ),
        *referrals(made, own["appointment_id"], planned["session_id"]),
        *citizens(made["citizen_id"], made["referral_id"]),
    ]
    asks += await operators_asks(service.running)
    assert await faults(service.running, asks, replace(OWN, subject=made["citizen_id"])) == []
