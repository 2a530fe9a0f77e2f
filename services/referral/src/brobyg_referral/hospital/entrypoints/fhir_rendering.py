"""Every error under /fhir as an OperationOutcome, whoever raised it."""

from brobyg_kit.problems import Problem
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from brobyg_referral.hospital.entrypoints.problems import FhirProblem
from brobyg_referral.hospital.fhir.outcome import Code, Issue, outcome

FHIR_JSON = "application/fhir+json"

_CODES: dict[int, Code] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    503: "transient",
}


def render(problem: Problem, request: Request) -> Response:
    """The problem as an OperationOutcome with the HTTP status it has."""
    known = problem.issues if isinstance(problem, FhirProblem) else None
    body = outcome(known or _issues(problem, request.method))
    return JSONResponse(
        body, status_code=problem.status, media_type=FHIR_JSON, headers=problem.headers
    )


def _issues(problem: Problem, method: str) -> list[Issue]:
    code = _CODES.get(problem.status, "exception" if problem.status >= 500 else "processing")
    if problem.errors:
        return [Issue(code, f"{error.pointer}: {error.detail}") for error in problem.errors]
    if problem.status == 405 and method not in ("GET", "PUT", "POST"):
        text = (
            "Appointments are not deleted or patched: send a newer one (cancelled,"
            " entered-in-error). See GET /fhir/metadata."
        )
    elif problem.status in (404, 405):
        text = "There is no such interaction or resource here: see GET /fhir/metadata."
    else:
        detail = problem.detail[:1].upper() + problem.detail[1:]
        text = f"{problem.title}. {detail}".rstrip(". ") + "."
    return [Issue(code, text)]
