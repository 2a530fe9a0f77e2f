"""What this service shows in FHIR: an appointment as it is kept, search results, and what the server can do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from brobyg_referral.domain.cpr import CPR_SYSTEM
from brobyg_referral.fhir.reading import LOCATION_SYSTEM
from brobyg_referral.fhir.structure import JsonObject, JsonValue
from brobyg_referral.ports import Kept

FHIR_VERSION = "4.0.1"
CITIZEN_ID_SYSTEM = "https://brobyg.dk/citizens"


def etag(kept: Kept) -> str:
    """The weak ETag of an appointment's current version."""
    return f'W/"{kept.state.version}"'


def appointment(kept: Kept) -> JsonObject:
    """The appointment: only what is kept of it, and the citizen by opaque id, never by CPR number."""
    state = kept.state
    participants: list[JsonValue] = [
        {
            "actor": {
                "type": "Patient",
                "identifier": {"system": CITIZEN_ID_SYSTEM, "value": kept.referral.citizen_id},
            },
            "status": "accepted",
        }
    ]
    if state.plan.location_id:
        actor: JsonObject = {
            "type": "Location",
            "identifier": {"system": LOCATION_SYSTEM, "value": state.plan.location_id},
        }
        participants.append({"actor": actor, "status": "accepted"})
    shown: JsonObject = {
        "resourceType": "Appointment",
        "id": kept.appointment_id,
        "meta": {"versionId": str(state.version), "lastUpdated": instant(state.last_updated)},
        "identifier": [{"system": one.system, "value": one.value} for one in kept.identifiers],
        "status": state.status.value,
        "participant": participants,
    }
    if state.plan.starts_at and state.plan.ends_at:
        shown |= {"start": instant(state.plan.starts_at), "end": instant(state.plan.ends_at)}
    return shown


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def searchset(found: Sequence[Kept], base: str) -> JsonObject:
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
    documentation = (
        "Keeps only what is needed of appointments of citizens with an active, consented referral; any other is answered with 202 and not kept. The patient"
        f" is a participant whose actor.identifier has the system {CPR_SYSTEM}, the place one with the system {LOCATION_SYSTEM}. Order is by meta.lastUpdated."
        " An appointment is known by any of its identifiers that have system and value."
        " A first booking at a place that is not known here is refused; one that moves there is taken in and answered by an OperationOutcome of severity"
        " warning: nobody comes along to it."
    )
    resource: JsonObject = {
        "type": "Appointment",
        "documentation": documentation,
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
        "description": "A bearer token (JWT) with the role hospital; an organisation sees its own appointments only.",
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
