"""POST /fhir: a Bundle of requests, each on its own (batch) or all together (transaction)."""

import asyncio
from collections.abc import Sequence
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
    async with requests.counting_a_refusal(organisation):
        # In a thread: a thousand entries take a while.
        kind, read = await asyncio.to_thread(_read, body)
    atomic = kind == "transaction"
    asked = [one for one in read if isinstance(one, AppointmentRequest)]
    if atomic and len(asked) < len(read):  # all or nothing: each entry counts as refused
        await requests.take(organisation, [], rejected=len(read))
        raise _together(read)
    (results,) = await requests.take(
        organisation, [Group(asked, atomic)], rejected=len(read) - len(asked)
    )
    following = iter(results)
    answers = [
        one if isinstance(one, MessageRefused) else _result_of(next(following), index)
        for index, one in enumerate(read)
    ]
    if atomic and any(isinstance(one, MessageRefused) for one in answers):
        raise _together(answers)
    return {
        "resourceType": "Bundle",
        "type": f"{kind}-response",
        "entry": [_answered(one, index, base) for index, one in enumerate(answers)],
    }


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


def _result_of(result: Result, index: int) -> Result | MessageRefused:
    return in_entry(result.refusal, index) if result.refusal else result


def _together(found: Sequence[object]) -> MessageRefused:
    """The refusals among what was found as one."""
    refusals = [one for one in found if isinstance(one, MessageRefused)]
    issues = [issue for refusal in refusals for issue in refusal.issues]
    note = Issue("processing", "Nothing of the transaction was kept.", severity="information")
    return refusals[0].with_issues([*bounded(issues), note])


def _answered(answer: Result | MessageRefused, index: int, base: str) -> dict[str, object]:
    if isinstance(answer, MessageRefused):
        refused = {"status": _status(status_of(answer)), "outcome": outcome(answer.issues)}
        return {"response": refused}
    stored = answer.stored
    if stored is None:
        return {"response": {"status": _status(202), "outcome": outcome([NOT_APPLICABLE])}}
    response: dict[str, object] = {
        "status": _status(201 if answer.created else 200),
        "location": f"Appointment/{stored.appointment_id}/_history/{stored.state.version}",
        "etag": writing.etag(stored),
        "lastModified": writing.instant(stored.state.last_updated),
    }
    if answer.warning:
        response["outcome"] = outcome([issue_in_entry(answer.warning, index)])
    return {
        "fullUrl": f"{base}/Appointment/{stored.appointment_id}",
        "resource": writing.appointment(stored),
        "response": response,
    }


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
