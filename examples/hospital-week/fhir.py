"""FHIR R4 as the hospital's integration engine writes it. Pure."""

from datetime import datetime

Json = dict[str, object]

CPR_SYSTEM = "urn:oid:1.2.208.176.1.2"
LOCATION_SYSTEM = "https://brobyg.dk/locations"
IDENTIFIER_SYSTEM = "https://hospital.example/appointments"
CANCELLATION_SYSTEM = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"


def patient(cpr: str) -> Json:
    """The participant that is the citizen, named by CPR alone: the least that identifies."""
    return {
        "actor": {"type": "Patient", "identifier": {"system": CPR_SYSTEM, "value": cpr}},
        "status": "accepted",
    }


def place(location_id: str) -> Json:
    """The participant that is the place."""
    return {
        "actor": {
            "type": "Location",
            "identifier": {"system": LOCATION_SYSTEM, "value": location_id},
        },
        "status": "accepted",
    }


def appointment(
    number: str,
    *,
    status: str,
    cpr: str,
    location_id: str,
    starts_at: datetime,
    ends_at: datetime,
    updated_at: datetime,
    system: str = IDENTIFIER_SYSTEM,
) -> Json:
    """One Appointment as it was at `updated_at`; `number` is the `system`'s own identifier."""
    body: Json = {
        "resourceType": "Appointment",
        "meta": {"lastUpdated": updated_at.isoformat(timespec="milliseconds")},
        "identifier": [{"system": system, "value": number}],
        "status": status,
    }
    if status == "cancelled":
        body["cancelationReason"] = {"coding": [{"system": CANCELLATION_SYSTEM, "code": "prov"}]}
    body["start"] = starts_at.isoformat()
    body["end"] = ends_at.isoformat()
    body["participant"] = [patient(cpr), place(location_id)]
    return body


def search_path(number: str, system: str = IDENTIFIER_SYSTEM) -> str:
    """Where a conditional update of this appointment goes (FHIR R4, 3.1.0.4.3)."""
    return f"/fhir/Appointment?identifier={system}|{number}"


def batch(entries: list[tuple[str, str, Json]]) -> Json:
    """A Bundle of independent requests: (method, path under /fhir, resource) each."""
    return {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {
                "resource": resource,
                "request": {"method": method, "url": path.removeprefix("/fhir/")},
            }
            for method, path, resource in entries
        ],
    }
