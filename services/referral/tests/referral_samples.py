"""Samples written from the standard.

The people are official Danish test persons (HL7 Denmark dk-core).
"""

from typing import Any

CPR, OTHER_CPR, UNKNOWN_CPR = "0201609995", "0201609996", "0504909995"
GIVEN, FAMILY = "Einer Test", "Lauridsen"
ADDRESS, MAIL, PHONE = "Testgrusgraven 3, 3.th", "einer.lauridsen@example.org", "+4520304050"
SYSTEM = "https://hospital.example/appointments"

#: The citizen has agreed to messages, in the text that is in use.
MESSAGES: dict[str, Any] = {
    "scope": "contact",
    "given_at": "2026-11-23T10:00:00+01:00",
    "text_id": "messages",
    "text_version": 1,
    "how": "oral",
}


def patient(cpr: str = CPR) -> dict[str, Any]:
    return {
        "actor": {
            "type": "Patient",
            "identifier": {"system": "urn:oid:1.2.208.176.1.2", "value": cpr},
        },
        "status": "accepted",
    }


def place(location_id: str = "randers-hospital") -> dict[str, Any]:
    return {
        "actor": {
            "type": "Location",
            "identifier": {"system": "https://brobyg.dk/locations", "value": location_id},
        },
        "status": "accepted",
    }


def fhir_appointment(
    number: str = "A-1",
    *,
    cpr: str = CPR,
    status: str = "booked",
    start: str = "2026-12-02T09:00:00+01:00",
    end: str = "2026-12-02T09:30:00+01:00",
    location: str = "randers-hospital",
    updated: str | None = "2026-11-30T08:00:00.000+01:00",
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "Appointment",
        "identifier": [{"system": SYSTEM, "value": number}],
        "status": status,
        "start": start,
        "end": end,
        "description": f"Samtale med {GIVEN} {FAMILY}",
        "participant": [patient(cpr), place(location)],
    }
    if updated:
        body["meta"] = {"lastUpdated": updated}
    return body


def referral(cpr: str = CPR, **changes: Any) -> dict[str, Any]:
    """Of a citizen who agrees to the help and to nothing else."""
    body: dict[str, Any] = {
        "citizen": {
            "cpr": cpr,
            "given_name": GIVEN,
            "family_name": FAMILY,
            "language": "da",
            "email": MAIL,
            "phone": PHONE,
            "address": {"line": ADDRESS, "postcode": "8900"},
        },
        "pathway": "escort",
        "referrer_kind": "gp",
        "department": "randers-norddjurs",
        "consent": {"given": True, "given_at": "2026-11-23T10:00:00+01:00"},
        "consents": [],
        "needs": {
            "languages": ["da", "en"],
            "gender_wish": None,
            "mobility": "walking_aid",
            "meeting": "home",
            "postcode": "8900",
        },
    }
    return body | changes
