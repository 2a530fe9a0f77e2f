"""POST /fhir: a Bundle of requests, each on its own (batch) or all together (transaction)."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from brobyg_contracts.reference import Reference

from brobyg_referral.hospital.entrypoints.hospital_requests import HospitalRequests
from brobyg_referral.hospital.entrypoints.problems import status_of
from brobyg_referral.hospital.errors import Malformed, MessageRefused
from brobyg_referral.hospital.fhir import writing
from brobyg_referral.hospital.fhir.bundle import read_bundle, read_entry, refused_or
from brobyg_referral.hospital.fhir.outcome import NOT_APPLICABLE, Issue, bounded, outcome
from brobyg_referral.hospital.fhir.reading import parse_json
from brobyg_referral.hospital.use_cases.decisions import Group, Result


async def answer_bundle(
    requests: HospitalRequests, organisation: str, body: bytes, base: str
) -> dict[str, object]:
    """Carry the Bundle out and answer it with a Bundle.

    Raises MessageRefused when the envelope is wrong, or anything in a transaction is.
    """
    group, results = await requests.take(organisation, partial(_read, body))
    refusals = [result.refusal for result in results if result.refusal]
    if refusals and not group.is_bundle:
        raise refusals[0]
    if refusals and group.atomic:
        raise _together(refusals)
    return {
        "resourceType": "Bundle",
        "type": "transaction-response" if group.atomic else "batch-response",
        "entry": [_answered(result, base) for result in results],
    }


def _read(body: bytes, reference: Reference) -> Group:
    try:
        resource = parse_json(body)
        if resource.get("resourceType") != "Bundle":
            raise Malformed.of(
                "invalid",
                "resourceType Bundle is expected here; send an Appointment to /fhir/Appointment.",
                "resourceType",
            )
        kind, entries = read_bundle(resource, ("batch", "transaction"))
    except MessageRefused as refusal:
        return Group([refusal])
    found = [refused_or(partial(read_entry, entry, reference)) for entry in entries]
    return Group(found, kind == "transaction", is_bundle=True)


def _together(refusals: Sequence[MessageRefused]) -> MessageRefused:
    issues = [issue for refusal in refusals for issue in refusal.issues]
    note = Issue("processing", "Nothing of the transaction was kept.", severity="information")
    return refusals[0].with_issues([*bounded(issues), note])


def _answered(result: Result, base: str) -> dict[str, object]:
    if refusal := result.refusal:
        refused = {"status": _status(status_of(refusal)), "outcome": outcome(refusal.issues)}
        return {"response": refused}
    stored = result.stored
    if stored is None:
        return {"response": {"status": _status(202), "outcome": outcome([NOT_APPLICABLE])}}
    response: dict[str, object] = {
        "status": _status(201 if result.created else 200),
        "location": f"Appointment/{stored.appointment_id}/_history/{stored.state.version}",
        "etag": writing.etag(stored),
        "lastModified": writing.instant(stored.state.last_updated),
    }
    if result.warning:
        response["outcome"] = outcome([result.warning])
    return {
        "fullUrl": f"{base}/Appointment/{stored.appointment_id}",
        "resource": writing.appointment(stored),
        "response": response,
    }


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
