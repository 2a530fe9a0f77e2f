"""The hospital's HTTP door: FHIR R4 under /fhir. Every error is an OperationOutcome (fhir/rendering.py)."""

from typing import Annotated

import msgspec
from brobyg_kit.auth import Caller, requires
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from brobyg_referral.entrypoints import fhir_description as described
from brobyg_referral.entrypoints.bundles import answer_bundle
from brobyg_referral.entrypoints.door import Door
from brobyg_referral.fhir import bundle, writing
from brobyg_referral.fhir.outcome import NOT_APPLICABLE, Issue, outcome, refused
from brobyg_referral.fhir.reading import parse_json
from brobyg_referral.fhir.rendering import FHIR_JSON
from brobyg_referral.intake import Result
from brobyg_referral.ports import Kept

_READABLE = ("application/fhir+json", "application/json")
_ACCEPTED = frozenset({*_READABLE, "application/*", "*/*", "text/json"})
_FORMATS = frozenset({"json", *_READABLE, "text/json"})


def negotiated(request: Request) -> None:
    """Raises Problem 406 when the caller reads no FHIR JSON, 415 when the body is said to be something else."""
    wanted = request.query_params.get("_format")
    if wanted is not None:
        wanted = wanted.replace(
            " ", "+"
        )  # "application/fhir+json" as people write it: in a query the + stands for a space
    accept = [
        part.partition(";")[0].strip().lower()
        for part in request.headers.get("accept", "*/*").split(",")
    ]
    if wanted not in _FORMATS if wanted is not None else not _ACCEPTED.intersection(accept):
        raise Problem(406, "Only application/fhir+json is spoken here")
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and sent not in _READABLE:
        raise Problem(415, "The body is expected as application/fhir+json (or application/json)")


async def organisation_of(
    request: Request, caller: Annotated[Caller, Depends(requires("hospital"))]
) -> str:
    """Whose appointments these are. Raises Problem 401, 403 (no hospital, or a token that names no organisation), 406, 415."""
    if not caller.organisation:
        raise Problem(
            403,
            "The token names no organisation",
            "appointments belong to the organisation that sends them",
        )
    negotiated(request)
    return caller.organisation


Organisation = Annotated[str, Depends(organisation_of)]


class FhirJson(JSONResponse):
    """An answer in FHIR JSON."""

    media_type = FHIR_JSON

    def render(self, content: object) -> bytes:
        """The bytes of it."""
        return msgspec.json.encode(content)


def base_of(request: Request) -> str:
    """The FHIR base URL as the caller sees it."""
    return str(request.base_url).rstrip("/") + "/fhir"


def _shown(
    kept: Kept, request: Request, *, created: bool, warning: Issue | None = None
) -> Response:
    headers = {"ETag": writing.etag(kept)}
    if created:
        headers["Location"] = (
            f"{base_of(request)}/Appointment/{kept.appointment_id}/_history/{kept.state.version}"
        )
    body = outcome([warning]) if warning else writing.appointment(kept)
    return FhirJson(body, 201 if created else 200, headers)


def _answered(result: Result, request: Request) -> Response:
    if result.kept is None:
        return FhirJson(outcome([NOT_APPLICABLE]), 202)
    return _shown(result.kept, request, created=result.created, warning=result.warning)


def create_router(door: Door) -> APIRouter:
    """All of /fhir."""
    router = APIRouter(
        prefix="/fhir",
        tags=["FHIR R4"],
        default_response_class=FhirJson,
        responses=described.REFUSED,
    )

    async def body_of(request: Request, organisation: str) -> bytes:
        """The body; one that is too large is counted before it is refused."""
        try:
            return await request.body()
        except HTTPException:
            await door.take_refused(organisation)
            raise

    @router.get(
        "/metadata", summary="CapabilityStatement: what this server does", **described.METADATA
    )
    async def metadata(
        request: Request,
        _: Annotated[Caller, Depends(requires("hospital", "coordinator", "analyst", "service"))],
    ) -> Response:
        negotiated(request)
        return FhirJson(writing.capability_statement(base_of(request), "2026-11-23"))

    @router.post(
        "/Appointment",
        summary="Create; a repeat of the same business identifier has no second effect",
        **described.CREATE,
    )
    async def create(request: Request, organisation: Organisation) -> Response:
        body = await body_of(request, organisation)
        condition = request.headers.get("if-none-exist")
        result = await door.take(organisation, lambda: bundle.create(parse_json(body), condition))
        return _answered(result, request)

    @router.put(
        "/Appointment/{appointment_id}", summary="Update; If-Match is honoured", **described.UPDATE
    )
    async def update(request: Request, organisation: Organisation, appointment_id: str) -> Response:
        body = await body_of(request, organisation)
        etag = request.headers.get("if-match")
        result = await door.take(
            organisation, lambda: bundle.update(parse_json(body), appointment_id, etag)
        )
        return _answered(result, request)

    @router.put(
        "/Appointment",
        summary="Conditional update: ?identifier=system|value; creates when there is none",
        **described.PUT,
    )
    async def put(request: Request, organisation: Organisation) -> Response:
        body = await body_of(request, organisation)
        etag, query = request.headers.get("if-match"), request.query_params.multi_items()
        result = await door.take(organisation, lambda: bundle.put(parse_json(body), query, etag))
        return _answered(result, request)

    @router.get(
        "/Appointment/{appointment_id}",
        summary="Read what is kept of one of your own appointments",
        **described.READ,
    )
    async def read(request: Request, organisation: Organisation, appointment_id: str) -> Response:
        known = bundle.own_id(appointment_id)
        found = await door.in_transaction(lambda tx: door.store.by_id(tx, organisation, [known]))
        if not found:
            raise refused(404, "not-found", "There is no such appointment.")
        return _shown(found[0], request, created=False)

    @router.get("/Appointment", summary="Search: ?identifier=system|value", **described.SEARCH)
    async def search(request: Request, organisation: Organisation) -> Response:
        identifier = bundle.searched_identifier(request.query_params.multi_items(), "the URL")
        found = await door.in_transaction(
            lambda tx: door.store.by_identifier(tx, organisation, [identifier])
        )
        return FhirJson(writing.searchset(found, base_of(request)))

    @router.post("", summary="Bundle of type batch or transaction", **described.BUNDLE)
    async def post_bundle(request: Request, organisation: Organisation) -> Response:
        body = await body_of(request, organisation)
        return FhirJson(await answer_bundle(door, organisation, body, base_of(request)))

    return router
