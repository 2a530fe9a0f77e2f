"""POST /fhir: a Bundle of requests, each on its own (batch) or all together (transaction)."""

import asyncio
from http import HTTPStatus

from brobyg_referral.entrypoints.hospital_requests import HospitalRequests
from brobyg_referral.entrypoints.problems import status_of
from brobyg_referral.errors import Malformed, MessageRefused
from brobyg_referral.fhir import writing
from brobyg_referral.fhir.bundle import (
    AppointmentRequest,
    in_entry,
    issue_in_entry,
    read_bundle,
    read_entries,
    read_entry,
)
from brobyg_referral.fhir.outcome import NOT_APPLICABLE, Issue, bounded, outcome
from brobyg_referral.fhir.reading import parse_json
from brobyg_referral.use_cases.decisions import Group, Result


async def answer_bundle(
    requests: HospitalRequests, organisation: str, body: bytes, base: str
) -> dict[str, object]:
    """Carry the Bundle out and answer it with a Bundle.

    Raises MessageRefused when the envelope is wrong, or anything in a transaction is.
    """
    try:
        kind, read = await asyncio.to_thread(_read, body)  # a thousand entries take a while
    except MessageRefused:
        await requests.take(organisation, [], rejected=1)
        raise
    if kind == "transaction":
        return await _transaction(requests, organisation, read, base)
    return await _batch(requests, organisation, read, base)


def _read(body: bytes) -> tuple[str, list[AppointmentRequest | MessageRefused]]:
    resource = parse_json(body)
    if resource.get("resourceType") != "Bundle":
        raise Malformed.of(
            "invalid",
            "resourceType Bundle is expected here; send an Appointment to /fhir/Appointment.",
            "resourceType",
        )
    kind, entries = read_bundle(resource, ("batch", "transaction"))
    return kind, read_entries(entries, read_entry)


async def _batch(
    requests: HospitalRequests,
    organisation: str,
    read: list[AppointmentRequest | MessageRefused],
    base: str,
) -> dict[str, object]:
    groups = [Group([one]) for one in read if isinstance(one, AppointmentRequest)]
    results = iter(await requests.take(organisation, groups, rejected=len(read) - len(groups)))
    answers = []
    for index, one in enumerate(read):
        if isinstance(one, MessageRefused):
            answers.append(_refused(one))
            continue
        (result,) = next(results)
        if result.refusal:
            answers.append(_refused(in_entry(result.refusal, index)))
        else:
            answers.append(_answered(result, index, base))
    return {"resourceType": "Bundle", "type": "batch-response", "entry": answers}


async def _transaction(
    requests: HospitalRequests,
    organisation: str,
    read: list[AppointmentRequest | MessageRefused],
    base: str,
) -> dict[str, object]:
    asked = [one for one in read if isinstance(one, AppointmentRequest)]
    refusals = [one for one in read if isinstance(one, MessageRefused)]
    if refusals:
        await requests.take(organisation, [], rejected=len(read))
        raise _together(refusals)
    (results,) = await requests.take(organisation, [Group(asked, atomic=True)])
    refusals = [
        in_entry(result.refusal, index) for index, result in enumerate(results) if result.refusal
    ]
    if refusals:
        raise _together(refusals)
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [_answered(result, index, base) for index, result in enumerate(results)],
    }


def _together(refusals: list[MessageRefused]) -> MessageRefused:
    issues = [issue for refusal in refusals for issue in refusal.issues]
    note = Issue("processing", "Nothing of the transaction was kept.", severity="information")
    return refusals[0].with_issues([*bounded(issues), note])


def _refused(refusal: MessageRefused) -> dict[str, object]:
    response = {"status": _status(status_of(refusal)), "outcome": outcome(refusal.issues)}
    return {"response": response}


def _answered(result: Result, index: int, base: str) -> dict[str, object]:
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
        response["outcome"] = outcome([issue_in_entry(result.warning, index)])
    return {
        "fullUrl": f"{base}/Appointment/{stored.appointment_id}",
        "resource": writing.appointment(stored),
        "response": response,
    }


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
