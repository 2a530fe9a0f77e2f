"""Errors on HTTP: RFC 9457 `application/problem+json`, without a value that somebody sent."""

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from brobyg_kit.errors import KitError

JSON_TYPE = "application/problem+json"
#: What the types of this system's problems begin with; a name follows.
PROBLEM_TYPES = "https://brobyg.dk/problems/"
#: The problem type of a 410 by which the owner says that an erasure is on record. Nothing else says
#: so: an unknown id is a plain 404, which may as well come from a gateway or a wrong address.
GONE = f"{PROBLEM_TYPES}gone"
#: The problem type of a 403 by which the owner says that nothing is done with a person's data.
RESTRICTED = f"{PROBLEM_TYPES}restricted"
#: The form of all names of fields. It has too few digits for a person's number, and nothing to
#: escape in a JSON pointer.
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}[0-9]{0,3}")


class ReceivedProblem(msgspec.Struct):
    """What is read of another service's problem. A body without a type has the type ""."""

    #: The whole URI.
    type: str = ""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field."""

    #: A JSON pointer (RFC 6901) into the body, or `query/…`, `path/…`, `header/…`.
    pointer: str
    #: What was expected.
    detail: str


class Problem(KitError):
    """Answer the request with this status and explanation, which must name no person."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        type: str = "about:blank",
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """`errors` lists the fields that are wrong, `headers` are added to the answer."""
        super().__init__(f"{status} {title}")
        self.status, self.title, self.detail, self.type = status, title, detail, type
        self.errors, self.headers = list(errors), headers or {}


#: Turns a problem into an answer; a part of the API that follows another standard has its own.
Renderer = Callable[[Problem, Request], Response]


def render(problem: Problem, request: Request) -> Response:
    """The problem as RFC 9457 JSON."""
    body: dict[str, object] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = [
            {"pointer": error.pointer, "detail": error.detail} for error in problem.errors
        ]
    if request_id := getattr(request.state, "request_id", None):
        body["request_id"] = request_id
    return JSONResponse(
        body, status_code=problem.status, media_type=JSON_TYPE, headers=problem.headers
    )


def route_answering(
    kind: type[Exception], problem_of: Callable[[Any, Request], Problem]
) -> type[APIRoute]:
    """The class of routes on which a service's own errors, of this `kind`, become problems."""

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await handler(request)
                except kind as error:
                    raise problem_of(error, request) from error

            return handle

    return Route


def of_validation(error: RequestValidationError) -> Problem:
    """What is wrong and where, without the input.

    pydantic's own text may quote it, so only messages free of values are used.
    """
    fields = [_field(one) for one in error.errors()[:50]]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return Problem(400, "The body is not valid JSON", errors=fields)
    return Problem(422, "Some of what was sent is not as it should be", errors=fields)


def shown_name(name: str) -> str:
    """A field's name as it may be shown.

    What does not look like a name is left out: a malformed body may have values where names belong.
    """
    return name if _NAME.fullmatch(name) else "(not a name)"


def _field(error: dict[str, Any]) -> FieldError:
    """One of pydantic's errors, whose `loc` begins with the part of the request it is in."""
    where, *path = [str(p) if isinstance(p, int) else shown_name(str(p)) for p in error["loc"]]
    detail = _UNQUOTED.get(error["type"], error["msg"].removeprefix("Value error, "))
    if error["type"] == "missing" and not path and where == "body":
        detail = "expected a body: a JSON object"
    if words := _CHOICE.fullmatch(str(error.get("ctx", {}).get("pattern"))):
        detail = f"expected one of: {words[1].replace('|', ', ')}"
    if error["type"] == "json_invalid":  # no field yet; the last part counts characters
        return FieldError("", f"{detail} at character {path[-1]}")
    return FieldError("/".join(["" if where == "body" else where, *path]), detail)


#: A pattern that lists words.
_CHOICE = re.compile(r"\^\(([a-z_|]+)\)\$")
_UNQUOTED = {
    "extra_forbidden": "this field is not known here; leave it out",
    "json_invalid": "this is not valid JSON",
    "datetime_from_date_parsing": "expected a date and time such as 2026-11-30T10:15:00+01:00",
    "datetime_parsing": "expected a date and time such as 2026-11-30T10:15:00+01:00",
    "uuid_parsing": "expected a UUID such as 019ad7a0-1f00-7c3a-9a51-3b7f0e6d2a11",
    "dict_type": "expected a JSON object",
    "model_attributes_type": "expected a JSON object",
    "timezone_aware": "the time needs a zone, such as 2026-11-30T10:15:00+01:00",
}
