"""What /openapi.json says of /fhir.

Its routes take the whole request, so FastAPI can't see their bodies, parameters and answers.
"""

from typing import Any, TypeAlias

from brobyg_referral.cases.domain.appointment import AppointmentStatus
from brobyg_referral.hospital.entrypoints.fhir_rendering import FHIR_JSON
from brobyg_referral.hospital.fhir.participants import LOCATION_SYSTEM
from brobyg_referral.people.domain.cpr import CPR_SYSTEM

Described: TypeAlias = dict[str, Any]
Answers: TypeAlias = dict[int | str, Described]


def _resource(*kinds: str) -> Described:
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string", "enum": list(kinds)}},
    }


def _answer(description: str, schema: Described, *headers: str) -> Described:
    shown = {name: {"schema": {"type": "string"}} for name in headers}
    return {"description": description, "content": {FHIR_JSON: {"schema": schema}}} | (
        {"headers": shown} if shown else {}
    )


def _parameter(
    name: str, place: str, description: str, schema: Described, *, required: bool = False
) -> Described:
    return {
        "name": name,
        "in": place,
        "description": description,
        "required": required,
        "schema": schema,
    }


def _body(schema: Described, example: Described) -> Described:
    return {
        "description": "FHIR R4; it may be said to be application/json as well.",
        "required": True,
        "content": {FHIR_JSON: {"schema": schema, "example": example}},
    }


#: A booking of an official test person.
_EXAMPLE: Described = {
    "resourceType": "Appointment",
    "meta": {"lastUpdated": "2026-11-30T08:00:00+01:00"},
    "identifier": [{"system": "https://hospital.example/appointments", "value": "A-1"}],
    "status": "booked",
    "start": "2026-12-15T10:00:00+01:00",
    "end": "2026-12-15T10:30:00+01:00",
    "participant": [
        {
            "actor": {"type": kind, "identifier": {"system": system, "value": value}},
            "status": "accepted",
        }
        for kind, system, value in (
            ("Patient", CPR_SYSTEM, "0201609995"),
            ("Location", LOCATION_SYSTEM, "example-hospital"),
        )
    ],
}
_TIME: Described = {"type": "string", "format": "date-time"}
_APPOINTMENT: Described = {
    "type": "object",
    "required": ["resourceType", "identifier", "status", "participant"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["Appointment"]},
        "id": {"type": "string", "description": "The id in the URL, where that has one."},
        "meta": {"type": "object", "properties": {"lastUpdated": _TIME}},
        "identifier": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "status": {"type": "string", "enum": [status.value for status in AppointmentStatus]},
        "start": _TIME,
        "end": _TIME,
        "participant": {"type": "array", "minItems": 1, "items": {"type": "object"}},
    },
    "externalDocs": {
        "description": "Any other element of the standard may be there.",
        "url": "https://hl7.org/fhir/R4/appointment.html",
    },
}
_APPOINTMENT_WITH_ID: Described = _APPOINTMENT | {"required": ["id", *_APPOINTMENT["required"]]}
_EXAMPLE_WITH_ID: Described = _EXAMPLE | {"id": "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"}
_BUNDLE: Described = {
    "type": "object",
    "required": ["resourceType", "type"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["Bundle"]},
        "type": {"type": "string", "enum": ["batch", "transaction"]},
        "entry": {"type": "array", "items": {"type": "object"}},
    },
    "externalDocs": {"url": "https://hl7.org/fhir/R4/bundle.html"},
}
_BUNDLE_EXAMPLE: Described = {
    "resourceType": "Bundle",
    "type": "batch",
    "entry": [{"resource": _EXAMPLE, "request": {"method": "POST", "url": "Appointment"}}],
}

_FORMAT = _parameter(
    "_format",
    "query",
    "Comes before the Accept header.",
    {"type": "string", "enum": ["json", FHIR_JSON]},
)
_IDENTIFIER = _parameter(
    "identifier",
    "query",
    "The appointment's business identifier: system|value.",
    {"type": "string", "pattern": r"^.+\|[^|]+$"},
    required=True,
)
_IF_MATCH = _parameter(
    "If-Match",
    "header",
    'The version you have seen, such as W/"3", or * for any: else the answer is 412.',
    {"type": "string", "pattern": r'^(\*|(W/)?"[1-9][0-9]{0,8}")$'},
)
_IF_NONE_EXIST = _parameter(
    "If-None-Exist",
    "header",
    "identifier=system|value: when there is such an appointment nothing is created, and it is the"
    " answer.",
    {"type": "string", "pattern": r"^\??identifier=.+\|[^|]+$"},
)

#: An appointment whose new place is not known here is kept, and answered with a warning instead of
#: itself.
_APPOINTMENT_OR_WARNING = _resource("Appointment", "OperationOutcome")

#: Any other answer of any route.
REFUSED: Answers = {"default": _answer("What was wrong, and where", _resource("OperationOutcome"))}
_UPDATED: Answers = {
    200: _answer(
        "The appointment as it is kept, or a warning. Nothing new was created: it was sent before,"
        " or somebody here had entered it by hand",
        _APPOINTMENT_OR_WARNING,
        "ETag",
    ),
    202: _answer(
        "Nothing was kept: no active referral with consent", _resource("OperationOutcome")
    ),
}
_KEPT: Answers = _UPDATED | {
    201: _answer("Kept, and new here", _APPOINTMENT_OR_WARNING, "ETag", "Location")
}


def _route(answers: Answers, *parameters: Described, body: Described | None = None) -> Described:
    """The keyword arguments of a route."""
    extra: Described = {"parameters": [*parameters, _FORMAT]}
    return {"responses": answers, "openapi_extra": extra | ({"requestBody": body} if body else {})}


METADATA = _route({200: _answer("What this server does", _resource("CapabilityStatement"))})
READ = _route({200: _answer("The appointment as it is kept", _resource("Appointment"), "ETag")})
SEARCH = _route({200: _answer("What was found: none or one", _resource("Bundle"))}, _IDENTIFIER)
CREATE = _route(_KEPT, _IF_NONE_EXIST, body=_body(_APPOINTMENT, _EXAMPLE))
UPDATE = _route(_UPDATED, _IF_MATCH, body=_body(_APPOINTMENT_WITH_ID, _EXAMPLE_WITH_ID))
PUT = _route(_KEPT, _IDENTIFIER, _IF_MATCH, body=_body(_APPOINTMENT, _EXAMPLE))
BUNDLE = _route(
    {200: _answer("The answer to each entry, in their order", _resource("Bundle"))},
    body=_body(_BUNDLE, _BUNDLE_EXAMPLE),
)
