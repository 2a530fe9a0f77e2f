"""POST /fhir: a Bundle of requests, each on its own (batch) or all together (transaction)."""

import asyncio
from http import HTTPStatus

from brobyg_referral.entrypoints.door import Door
from brobyg_referral.fhir import writing
from brobyg_referral.fhir.bundle import (
    Asked,
    in_entry,
    issue_in_entry,
    read_bundle,
    read_entries,
    read_entry,
)
from brobyg_referral.fhir.outcome import (
    NOT_APPLICABLE,
    Issue,
    OutcomeJson,
    Refused,
    bounded,
    outcome,
    refused,
)
from brobyg_referral.fhir.reading import parse_json
from brobyg_referral.intake import Command, Group, Result


async def answer_bundle(door: Door, organisation: str, body: bytes, base: str) -> dict[str, object]:
    """Carry the Bundle out and answer it with a Bundle. Raises Refused when the envelope is wrong, or anything in a transaction is."""
    try:
        kind, read = await asyncio.to_thread(_read, body)  # a thousand entries take a while
    except Refused:
        await door.take_refused(organisation)
        raise
    if kind == "transaction":
        return await _transaction(door, organisation, read, base)
    return await _batch(door, organisation, read, base)


def _read(body: bytes) -> tuple[str, list[Asked | Refused]]:
    resource = parse_json(body)
    if resource.get("resourceType") != "Bundle":
        raise refused(
            400,
            "invalid",
            "resourceType Bundle is expected here; send an Appointment to /fhir/Appointment.",
            "resourceType",
        )
    kind, entries = read_bundle(resource, ("batch", "transaction"))
    return kind, read_entries(entries, read_entry)


async def _batch(
    door: Door, organisation: str, read: list[Asked | Refused], base: str
) -> dict[str, object]:
    groups = [Group([Command(one)]) for one in read if isinstance(one, Asked)]
    results = iter(await _take(door, organisation, groups, rejected=len(read) - len(groups)))
    answers = []
    for index, one in enumerate(read):
        result = next(results)[0] if isinstance(one, Asked) else Result("rejected", refusal=one)
        refusal = (
            in_entry(result.refusal, index)
            if result.refusal and isinstance(one, Asked)
            else result.refusal
        )
        answers.append(_entry(result, refusal, index, base))
    return {"resourceType": "Bundle", "type": "batch-response", "entry": answers}


async def _transaction(
    door: Door, organisation: str, read: list[Asked | Refused], base: str
) -> dict[str, object]:
    refusals = [one for one in read if isinstance(one, Refused)]
    asked = [one for one in read if isinstance(one, Asked)]
    if refusals:
        await door.take_refused(organisation, len(read))
        raise _together(refusals)
    results = (
        await _take(door, organisation, [Group([Command(one) for one in asked], atomic=True)])
    )[0]
    refusals = [
        in_entry(result.refusal, index) for index, result in enumerate(results) if result.refusal
    ]
    if refusals:
        raise _together(refusals)
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [_entry(result, None, index, base) for index, result in enumerate(results)],
    }


def _together(refusals: list[Refused]) -> Refused:
    issues = [issue for refusal in refusals for issue in refusal.issues]
    note = Issue("processing", "Nothing of the transaction was kept.", severity="information")
    return Refused(refusals[0].status, [*bounded(issues), note])


def _entry(result: Result, refusal: Refused | None, index: int, base: str) -> dict[str, object]:
    if refusal:
        return {"response": {"status": _status(refusal.status), "outcome": outcome(refusal.issues)}}
    if result.kept is None:
        dropped: OutcomeJson = outcome([NOT_APPLICABLE])
        return {"response": {"status": _status(202), "outcome": dropped}}
    kept = result.kept
    warned = {"outcome": outcome([issue_in_entry(result.warning, index)])} if result.warning else {}
    return {
        "fullUrl": f"{base}/Appointment/{kept.appointment_id}",
        "resource": writing.appointment(kept),
        "response": {
            "status": _status(201 if result.created else 200),
            "location": f"Appointment/{kept.appointment_id}/_history/{kept.state.version}",
            "etag": writing.etag(kept),
            "lastModified": writing.instant(kept.state.last_updated),
            **warned,
        },
    }


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


async def _take(
    door: Door, organisation: str, groups: list[Group], rejected: int = 0
) -> list[list[Result]]:
    return await door.in_transaction(
        lambda tx: door.intake.take(tx, "http", organisation, groups, rejected)
    )
