"""A Bundle, entry by entry: what each asks for, or why it is refused."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from brobyg_contracts.reference import Reference

from brobyg_referral.cases.domain.appointment import BusinessIdentifier, identifier_of
from brobyg_referral.hospital.errors import Malformed, MessageRefused, RuleBroken, TooLarge
from brobyg_referral.hospital.fhir.outcome import Issue
from brobyg_referral.hospital.fhir.reading import (
    HospitalAppointment,
    identifier_problem,
    read_appointment,
)
from brobyg_referral.hospital.fhir.structure import JsonObject, structural_issues

MAX_ENTRIES = 1_000
_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T")
Version: TypeAlias = int | Literal["*"]


@dataclass(frozen=True, slots=True)
class AppointmentRequest:
    """What one request asks of one appointment."""

    #: `create` (POST Appointment): keep it if its identifiers are new; `update` (PUT
    #: Appointment/id): change that one; `put` (PUT Appointment?identifier=...): either, by its
    #: identifiers.
    mode: Literal["create", "update", "put"]
    appointment: HospitalAppointment
    appointment_id: str | None = None
    #: Names the appointment whose existence makes a create a repeat.
    if_none_exist: BusinessIdentifier | None = None
    #: The version the sender has seen, or "*" for any, so long as there is one.
    if_match: Version | None = None


def read_bundle(resource: JsonObject, kinds: Sequence[str]) -> tuple[str, list[JsonObject]]:
    """The type and the entries of a Bundle of one of these `kinds`.

    Raises TooLarge for too many entries, RuleBroken for anything else wrong with the envelope.
    """
    if issues := structural_issues(resource, "Bundle"):
        raise RuleBroken(*issues)
    kind = resource.get("type")
    if kind not in kinds:
        raise RuleBroken.of(
            "not-supported",
            f"Bundle.type is expected to be one of {', '.join(kinds)}.",
            "Bundle.type",
        )
    entries = cast("list[JsonObject]", resource.get("entry", []))
    if len(entries) > MAX_ENTRIES:
        raise TooLarge.of("too-long", f"A Bundle may have {MAX_ENTRIES} entries.", "Bundle.entry")
    return cast("str", kind), entries


def refused_or(read: Callable[[], T]) -> T | MessageRefused:
    """What `read` returns, or the refusal that it raises."""
    try:
        return read()
    except MessageRefused as refusal:
        return refusal


def read_resource(entry: JsonObject, reference: Reference) -> AppointmentRequest:
    """An entry of a collection: the appointment as it is, and no request. Raises MessageRefused."""
    return AppointmentRequest("put", read_appointment(_resource_of(entry), reference))


def _resource_of(entry: JsonObject) -> JsonObject:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        raise RuleBroken.of("required", "The resource is missing.", "resource")
    return resource


def read_entry(entry: JsonObject, reference: Reference) -> AppointmentRequest:
    """What an entry of a batch or transaction asks. Raises MessageRefused."""
    request = entry.get("request")
    if not isinstance(request, dict):
        raise RuleBroken.of(
            "invariant", "bdl-3: an entry of a batch or transaction has a request.", "request"
        )
    method, url = str(request.get("method", "")), str(request.get("url", ""))
    if method not in ("POST", "PUT"):
        raise RuleBroken.of(
            "not-supported",
            "POST Appointment, PUT Appointment/[id] and PUT Appointment?identifier=system|value are"
            " expected.",
            "request.method",
        )
    resource = _resource_of(entry)
    if_match, if_none_exist = request.get("ifMatch"), request.get("ifNoneExist")
    if method == "POST":
        if url.strip("/") != "Appointment":
            raise RuleBroken.of("not-supported", "POST Appointment is expected.", "request.url")
        condition = if_none_exist if isinstance(if_none_exist, str) else None
        return create(resource, condition, reference)
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an IPv6 host without its ']'; the error may quote the URL
        raise RuleBroken.of(
            "invalid", "A URL is expected, such as Appointment/[id].", "request.url"
        ) from None
    etag = if_match if isinstance(if_match, str) else None
    if parts.path.strip("/") == "Appointment":
        query = parse_qsl(parts.query, keep_blank_values=True)
        return put(resource, query, etag, reference)
    kind, _, appointment_id = parts.path.strip("/").rpartition("/")
    if kind != "Appointment" or not _ID.fullmatch(appointment_id):
        raise RuleBroken.of(
            "not-supported",
            "PUT Appointment/[id] or PUT Appointment?identifier=system|value is expected.",
            "request.url",
        )
    return update(resource, appointment_id, etag, reference)


def create(
    resource: JsonObject, if_none_exist: str | None, reference: Reference
) -> AppointmentRequest:
    """POST Appointment. Raises MessageRefused."""
    condition = None
    if if_none_exist is not None:
        condition = searched_identifier(
            parse_qsl(if_none_exist.lstrip("?"), keep_blank_values=True), "If-None-Exist"
        )
    return AppointmentRequest(
        "create", read_appointment(resource, reference), if_none_exist=condition
    )


def update(
    resource: JsonObject, appointment_id: str, etag: str | None, reference: Reference
) -> AppointmentRequest:
    """PUT Appointment/[id].

    Raises MessageRefused, also where the body does not name the same id (as the standard asks).
    """
    if resource.get("id") != appointment_id:
        raise Malformed.of(
            "invalid", "Appointment.id is expected to be the id in the URL.", "Appointment.id"
        )
    return AppointmentRequest(
        "update",
        read_appointment(resource, reference),
        appointment_id=own_id(appointment_id),
        if_match=version_of(etag),
    )


def own_id(text: str) -> str:
    """`text` as an id of ours; an id that nothing has where it can be none.

    So the answer is "not found" as for any other.
    """
    return text.lower() if _UUID.fullmatch(text) else "00000000-0000-0000-0000-000000000000"


def put(
    resource: JsonObject,
    query: Sequence[tuple[str, str]],
    etag: str | None,
    reference: Reference,
) -> AppointmentRequest:
    """PUT Appointment?identifier=system|value.

    Raises MessageRefused, also where the body does not carry that identifier.
    """
    wanted = searched_identifier(query, "the URL")
    appointment = read_appointment(resource, reference)
    if wanted not in appointment.identifiers:
        raise Malformed.of(
            "invalid",
            "The appointment is expected to carry the identifier the URL names.",
            "Appointment.identifier",
        )
    return AppointmentRequest("put", appointment, if_match=version_of(etag))


def searched_identifier(query: Sequence[tuple[str, str]], where: str) -> BusinessIdentifier:
    """The one search this service knows: `identifier=system|value`.

    Raises Malformed for any other.
    """
    values = [value for name, value in query if name == "identifier"]
    if len(values) != 1 or any(name not in ("identifier", "_format") for name, _ in query):
        raise Malformed.of(
            "not-supported", f"identifier=system|value, and nothing else, is expected in {where}."
        )
    system, bar, value = values[0].rpartition("|")
    identifier = identifier_of(system, value)
    if not bar or not identifier.system or identifier_problem(identifier):
        raise Malformed.of(
            "invalid", f"identifier=system|value is expected in {where}, with both parts."
        )
    return identifier


def version_of(etag: str | None) -> Version | None:
    """The version in `W/"3"`, or "*"; None for none. Raises Malformed for any other text."""
    if etag is None:
        return None
    if etag.strip() == "*":
        return "*"
    found = _ETAG.fullmatch(etag.strip())
    if not found:
        raise Malformed.of(
            "invalid",
            'If-Match is expected to be an ETag as this server gives them, such as W/"3".',
        )
    return int(found[1])


def in_entry(refusal: MessageRefused, index: int) -> MessageRefused:
    """The same refusal, saying in which entry."""
    return refusal.with_issues(issue_in_entry(issue, index) for issue in refusal.issues)


def issue_in_entry(issue: Issue, index: int) -> Issue:
    """The same issue, saying in which entry."""
    where = issue.expression or ""
    if where.startswith("Appointment"):
        where = where.replace("Appointment", "resource", 1)
    elif where.startswith("resourceType"):
        where = f"resource.{where}"
    return replace(issue, expression=f"Bundle.entry[{index}]" + (f".{where}" if where else ""))
