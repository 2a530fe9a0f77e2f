"""The HTTP side of every service: routes that need a token, errors, health, and documents."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException as StarletteHTTPException

from brobyg_kit import problems
from brobyg_kit.auth import Requirement, Verifier
from brobyg_kit.clock import Clock
from brobyg_kit.database_errors import is_waited_out
from brobyg_kit.documents import documents_router
from brobyg_kit.errors import HandlerBlocked
from brobyg_kit.health import Figures, Health, report_of
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.middleware import Failed, RequestMiddleware
from brobyg_kit.problems import FieldError, Problem, shown_name
from brobyg_kit.service import Parts, Service

log = get_logger(__name__)

#: Lets /docs ask for a token to try things with; `auth.requires_act` is what checks it.
_SHOWN_SCHEME = HTTPBearer(auto_error=False, description="A token of `brobyg token`.")
_TEXT = {"type": "string"}
#: How /openapi.json describes what `problems.render` answers; a router whose errors have another
#: form says so itself.
_REFUSED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What was wrong (RFC 9457)",
        "content": {
            problems.JSON_TYPE: {
                "schema": {
                    "title": "Problem",
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": _TEXT,
                        "title": _TEXT,
                        "status": {"type": "integer"},
                        "detail": _TEXT,
                        "errors": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["pointer", "detail"],
                                "properties": {"pointer": _TEXT, "detail": _TEXT},
                            },
                        },
                        "request_id": _TEXT,
                    },
                }
            }
        },
    }
}
#: FastAPI's words for a body that it cannot read for another reason than its JSON.
_UNREADABLE_BODY = "There was an error parsing the body"


#: FastAPI's own would put addresses as they were sent, with whatever somebody wrote there, and what
#: an error says into spans and logs. `RequestMiddleware` tells of a request by its route.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    service: Service,
    parts: Parts,
    clock: Clock,
    verifier: Verifier,
    metrics: Metrics,
    health: Health,
    numbers: Figures,
    serves: Callable[[], bool] = lambda: True,
    always: Sequence[APIRouter] = (),
) -> FastAPI:
    """The service's ASGI application. What `numbers` returns is part of /readyz.

    While `serves` is false only the health is told, and what `always` has. Raises RuntimeError
    when a route that is not public needs no token.
    """
    title = f"Brobyg {service.name}"
    app = FastAPI(title=title, docs_url=None, redoc_url=None, telemetry=_NO_TELEMETRY)
    app.state.verifier = verifier
    open_now = Depends(_only_when(serves))
    closed = [(router, [open_now]) for router in parts.routers]
    for router, first in [*closed, *((router, []) for router in always)]:
        _check_needs_token(router)
        app.include_router(
            router,
            dependencies=[*first, Depends(_SHOWN_SCHEME), Depends(_check_query)],
            responses=_REFUSED,
        )
    for router in parts.public_routers:
        app.include_router(router, dependencies=[open_now])
    report = partial(report_of, service.name, health, numbers, service.helps)
    app.include_router(_health_router(metrics, health, numbers, report))
    app.include_router(documents_router(title, service.name, service.asyncapi))
    failed = _install_errors(app, parts)
    app.add_middleware(RequestMiddleware, clock=clock, metrics=metrics, failed=failed)
    return app


def _only_when(serves: Callable[[], bool]) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if not serves():
            advice = "Erasures that a backup does not know of are made again first"
            raise Problem(503, "Not yet", advice, headers={"Retry-After": "2"})

    return check


def _check_needs_token(router: APIRouter) -> None:
    for route in router.routes:
        # Of a mount or a websocket it is not known what it needs.
        if not (isinstance(route, APIRoute) and _needs_token(route.dependant)):
            raise RuntimeError(
                f"{getattr(route, 'path', route)} is open: give it Depends(requires_act(...))"
                " or make it a public route and say why"
            )


def _needs_token(dependant: Dependant) -> bool:
    return isinstance(dependant.call, Requirement) or any(map(_needs_token, dependant.dependencies))


async def _check_query(request: Request) -> None:
    """Refuse a query parameter that the route does not read: it is most likely misspelt.

    A route that takes the whole request checks for itself. This runs before the token is checked,
    as it tells only what /openapi.json does.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or route.dependant.request_param_name:
        return
    known = sorted(_query_of(route.dependant))
    if unknown := sorted(set(request.query_params) - set(known)):
        others = f"known are {', '.join(known)}" if known else "none is"
        detail = f"this parameter is not known here; {others}"
        raise Problem(
            422,
            "Some of what was sent is not as it should be",
            errors=[FieldError(f"query/{shown_name(name)}", detail) for name in unknown[:50]],
        )


def _query_of(dependant: Dependant) -> set[str]:
    return {one.alias for one in dependant.query_params}.union(
        *map(_query_of, dependant.dependencies)
    )


def _health_router(
    metrics: Metrics, health: Health, numbers: Figures, report: Figures
) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Alive: every loop of this process is running")
    async def livez() -> Response:
        hung = health.hung()
        return JSONResponse({"alive": not hung, "hung": hung}, status_code=503 if hung else 200)

    @router.get("/readyz", summary="Ready: what it depends on is there; and what waits")
    async def readyz() -> Response:
        body = await report()
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    @router.get("/metrics", summary="Prometheus metrics")
    async def prometheus() -> Response:
        await numbers()
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _install_errors(app: FastAPI, parts: Parts) -> Failed:
    def answer(problem: Problem, request: Request) -> Response:
        for prefix, renderer in parts.renderers.items():
            if request.url.path.startswith(prefix):
                return renderer(problem, request)
        return problems.render(problem, request)

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # FastAPI calls this for no other
        return answer(error, request)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # as above
        if any(one["loc"] == ("body",) for one in error.errors()) and not _says_json(request):
            return answer(Problem(415, "The body is expected as application/json"), request)
        return answer(problems.of_validation(error), request)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)  # as above
        title = str(error.detail)
        if title == _UNREADABLE_BODY:
            title = "The body is not JSON in UTF-8, or is nested too deeply"
        return answer(Problem(error.status_code, title, headers=dict(error.headers or {})), request)

    async def on_unexpected(request: Request, error: Exception) -> Response:
        if is_waited_out(error):
            log.warning("request.postponed", error=error)
            # It may have been stored: a connection can be lost between the commit and its answer.
            advice = "Send it again: with the same Idempotency-Key or identifier it is kept once"
            if request.method in ("GET", "HEAD"):
                advice = "Send it again in a moment; /readyz says what is in the way"
            blocked = isinstance(error, HandlerBlocked)
            title = "This can't be done" if blocked else "The database can't be used"
            title += " right now"
            return answer(Problem(503, title, advice, headers={"Retry-After": "2"}), request)
        log.error("request.failed", error=error)
        return answer(Problem(500, "Something went wrong here"), request)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(StarletteHTTPException, on_http)
    return on_unexpected


def _says_json(request: Request) -> bool:
    """FastAPI reads a body as JSON only by this header; else the whole body is one wrong value."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
