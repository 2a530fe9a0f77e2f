"""FHIR R4 under /fhir, for the hospitals. Every error is an OperationOutcome."""

from typing import Annotated

import msgspec
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from brobyg_referral.cases.ports import Names, StoredAppointment
from brobyg_referral.hospital.entrypoints import fhir_description as described
from brobyg_referral.hospital.entrypoints.bundles import answer_bundle
from brobyg_referral.hospital.entrypoints.fhir_rendering import FHIR_JSON
from brobyg_referral.hospital.entrypoints.hospital_requests import HospitalRequests
from brobyg_referral.hospital.entrypoints.problems import HospitalRoute
from brobyg_referral.hospital.errors import NoSuchAppointment, TooLarge
from brobyg_referral.hospital.fhir import bundle, writing
from brobyg_referral.hospital.fhir.outcome import NOT_APPLICABLE, Issue, outcome
from brobyg_referral.hospital.fhir.reading import MAX_BODY_BYTES, parse_json
from brobyg_referral.hospital.use_cases.decisions import Group, Result

_READABLE = ("application/fhir+json", "application/json")
_ACCEPTED = frozenset({*_READABLE, "application/*", "*/*", "text/json"})
_FORMATS = frozenset({"json", *_READABLE, "text/json"})


def negotiated(request: Request) -> None:
    """Raise Problem 406 when the caller reads no FHIR JSON, 415 for a body of another type."""
    wanted = request.query_params.get("_format")
    if wanted is not None:
        # In a query "+" stands for a space, and people write "application/fhir+json".
        wanted = wanted.replace(" ", "+")
    accept = [
        part.partition(";")[0].strip().lower()
        for part in request.headers.get("accept", "*/*").split(",")
    ]
    if wanted not in _FORMATS if wanted is not None else not _ACCEPTED.intersection(accept):
        raise Problem(406, "Only application/fhir+json is answered here")
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and sent not in _READABLE:
        raise Problem(415, "The body is expected as application/fhir+json (or application/json)")


async def organisation_of(
    request: Request, caller: Annotated[Caller, Depends(requires_act("send-appointments"))]
) -> str:
    """Whose appointments these are.

    Raises Problem 401, 403 (no hospital, or a token that names no organisation), 406, 415.
    """
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
    stored: StoredAppointment, request: Request, *, created: bool, warning: Issue | None = None
) -> Response:
    headers = {"ETag": writing.etag(stored)}
    if created:
        path = f"Appointment/{stored.appointment_id}/_history/{stored.state.version}"
        headers["Location"] = f"{base_of(request)}/{path}"
    body = outcome([warning]) if warning else writing.appointment(stored)
    return FhirJson(body, 201 if created else 200, headers)


def _answered(result: Result, request: Request) -> Response:
    if result.stored is None:
        return FhirJson(outcome([NOT_APPLICABLE]), 202)
    return _shown(result.stored, request, created=result.created, warning=result.warning)


def create_router(requests: HospitalRequests) -> APIRouter:
    """All of /fhir."""
    router = APIRouter(
        prefix="/fhir",
        tags=["FHIR R4"],
        default_response_class=FhirJson,
        route_class=HospitalRoute,
        responses=described.REFUSED,
    )

    _add_reading(router, requests)
    _add_writing(router, requests)
    return router


def _add_reading(router: APIRouter, requests: HospitalRequests) -> None:
    @router.get(
        "/metadata", summary="CapabilityStatement: what this server does", **described.METADATA
    )
    async def metadata(
        request: Request,
        _: Annotated[Caller, Depends(requires_act("read-capability"))],
    ) -> Response:
        negotiated(request)
        return FhirJson(writing.capability_statement(base_of(request), "2026-11-23"))

    @router.get(
        "/Appointment/{appointment_id}",
        summary="Read what is kept of one of your own appointments",
        **described.READ,
    )
    async def read(request: Request, organisation: Organisation, appointment_id: str) -> Response:
        wanted = Names(organisation, appointment_ids=[bundle.own_id(appointment_id)])
        found = await requests.find(wanted)
        if not found:
            raise NoSuchAppointment.of("not-found", "There is no such appointment.")
        return _shown(found[0], request, created=False)

    @router.get("/Appointment", summary="Search: ?identifier=system|value", **described.SEARCH)
    async def search(request: Request, organisation: Organisation) -> Response:
        identifier = bundle.searched_identifier(request.query_params.multi_items(), "the URL")
        found = await requests.find(Names(organisation, [identifier]))
        return FhirJson(writing.searchset(found, base_of(request)))


def _add_writing(router: APIRouter, requests: HospitalRequests) -> None:
    async def body_of(request: Request, organisation: Organisation) -> bytes:
        """The body; one that is too large is counted before it is refused."""
        try:
            return await request.body()
        except HTTPException:
            too_large = TooLarge.of("too-long", f"A body may have {MAX_BODY_BYTES} bytes.")
            await requests.take(organisation, lambda _: Group([too_large]))
            raise

    @router.post(
        "/Appointment",
        summary="Create; a repeat of the same business identifier has no second effect",
        **described.CREATE,
    )
    async def create(
        request: Request, organisation: Organisation, body: Annotated[bytes, Depends(body_of)]
    ) -> Response:
        condition = request.headers.get("if-none-exist")
        result = await requests.take_one(
            organisation, lambda reference: bundle.create(parse_json(body), condition, reference)
        )
        return _answered(result, request)

    @router.put(
        "/Appointment/{appointment_id}", summary="Update; If-Match is honoured", **described.UPDATE
    )
    async def update(
        request: Request,
        organisation: Organisation,
        body: Annotated[bytes, Depends(body_of)],
        appointment_id: str,
    ) -> Response:
        etag = request.headers.get("if-match")
        result = await requests.take_one(
            organisation,
            lambda reference: bundle.update(parse_json(body), appointment_id, etag, reference),
        )
        return _answered(result, request)

    @router.put(
        "/Appointment",
        summary="Conditional update: ?identifier=system|value; creates when there is none",
        **described.PUT,
    )
    async def put(
        request: Request, organisation: Organisation, body: Annotated[bytes, Depends(body_of)]
    ) -> Response:
        etag, query = request.headers.get("if-match"), request.query_params.multi_items()
        result = await requests.take_one(
            organisation,
            lambda reference: bundle.put(parse_json(body), query, etag, reference),
        )
        return _answered(result, request)

    @router.post("", summary="Bundle of type batch or transaction", **described.BUNDLE)
    async def post_bundle(
        request: Request, organisation: Organisation, body: Annotated[bytes, Depends(body_of)]
    ) -> Response:
        return FhirJson(await answer_bundle(requests, organisation, body, base_of(request)))
