"""What this service shows in FHIR: a stored appointment, search results, what the server can do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from brobyg_referral.cases.domain.appointment import Participation
from brobyg_referral.cases.ports import StoredAppointment
from brobyg_referral.hospital.fhir.participants import LOCATION_SYSTEM
from brobyg_referral.hospital.fhir.structure import JsonObject, JsonValue
from brobyg_referral.people.domain.cpr import CPR_SYSTEM

FHIR_VERSION = "4.0.1"
CITIZEN_ID_SYSTEM = "https://brobyg.dk/citizens"
_DOCUMENTATION = (
    "Keeps only what is needed of appointments of citizens with an active, consented referral; any"
    " other is answered with 202 and not kept. The patient is the participant whose actor.type is"
    f" Patient and whose actor.identifier has the system {CPR_SYSTEM}; one that states any role but"
    " SBJ or PART of v3-ParticipationType is somebody else. The place is the participant"
    f" with the system {LOCATION_SYSTEM}, or with an identifier that is mapped to a place here,"
    " such as a SOR id, that has not declined and whose period has not ended. Both are shown with"
    " the status that was sent. When the patient has declined, nobody is asked to come along. Order"
    " is by meta.lastUpdated; by meta.versionId of a sender whose versions are known to rise. An"
    " appointment is known by any of its identifiers that have system and value, blanks around them"
    " ignored. It is cancelled by its identifier alone, whoever is named as its patient. What was"
    " entered here before the hospital sent it keeps its id. A first booking at a place that is not"
    " known here is refused; one that moves there is taken in and answered by an OperationOutcome"
    " of severity warning: nobody comes along to it."
)


def etag(stored: StoredAppointment) -> str:
    """The weak ETag of an appointment's current version."""
    return f'W/"{stored.state.version}"'


def appointment(stored: StoredAppointment) -> JsonObject:
    """Only what is kept of it, and the citizen by opaque id, never by CPR number."""
    state, content = stored.state, stored.state.content
    participants = [
        _participant("Patient", CITIZEN_ID_SYSTEM, stored.referral.citizen_id, content.patient)
    ]
    if content.plan.location_id:
        participants.append(
            _participant("Location", LOCATION_SYSTEM, content.plan.location_id, content.location)
        )
    shown: JsonObject = {
        "resourceType": "Appointment",
        "id": stored.appointment_id,
        "meta": {"versionId": str(state.version), "lastUpdated": instant(state.last_updated)},
        "identifier": [{"system": one.system, "value": one.value} for one in stored.identifiers],
        "status": content.status.value,
        "participant": participants,
    }
    if content.plan.starts_at and content.plan.ends_at:
        shown["start"] = instant(content.plan.starts_at)
        shown["end"] = instant(content.plan.ends_at)
    return shown


def _participant(kind: str, system: str, value: str, status: Participation) -> JsonValue:
    return {
        "actor": {"type": kind, "identifier": {"system": system, "value": value}},
        "status": status.value,
    }


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def searchset(found: Sequence[StoredAppointment], base: str) -> JsonObject:
    """What a search found."""
    entries: list[JsonValue] = [
        {
            "fullUrl": f"{base}/Appointment/{one.appointment_id}",
            "resource": appointment(one),
            "search": {"mode": "match"},
        }
        for one in found
    ]
    shown: JsonObject = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return shown | ({"entry": entries} if entries else {})


def capability_statement(base: str, date: str) -> JsonObject:
    """What the server does, and nothing it does not."""
    interactions: list[JsonValue] = [
        {"code": code} for code in ("read", "create", "update", "search-type")
    ]
    resource: JsonObject = {
        "type": "Appointment",
        "documentation": _DOCUMENTATION,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": True,
        "conditionalRead": "not-supported",
        "conditionalUpdate": True,
        "conditionalDelete": "not-supported",
        "searchParam": [
            {"name": "identifier", "type": "token", "documentation": "system|value, both given"}
        ],
    }
    security: JsonObject = {
        "cors": False,
        "description": (
            "A bearer token (JWT) with the role hospital; an organisation sees its own appointments"
            " only."
        ),
    }
    interaction: list[JsonValue] = [{"code": "transaction"}, {"code": "batch"}]
    rest: JsonObject = {
        "mode": "server",
        "security": security,
        "resource": [resource],
        "interaction": interaction,
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Brobyg referral", "version": "0.1.0"},
        "implementation": {"description": "Brobyg: company on the way to health care", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    }
