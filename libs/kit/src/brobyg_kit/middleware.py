"""Around every request: bounds on its body, an id, a trace, metrics and a log line."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import HTTPException, Request
from fastapi.responses import Response
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brobyg_kit import positions, tracing
from brobyg_kit.clock import Clock
from brobyg_kit.ids import new_id
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics

log = get_logger(__name__)

#: The largest body that is read, bytes.
BODY_LIMIT = 1024 * 1024
#: So much of a larger one is read before it is answered, bytes: a client that is still sending
#: receives the answer only if its body is read.
_DISCARDED = 16 * BODY_LIMIT
#: A body may pause for so long, seconds.
BODY_PAUSE_SECONDS = 15.0
#: A body may take so long in all, seconds: 35 kB/s for the largest.
BODY_SECONDS = 30.0
_READ_HEADERS = frozenset(
    {b"x-request-id", b"x-correlation-id", b"traceparent", b"content-length", b"transfer-encoding"}
)
#: What may stand in a metric's label: a client may send any word as its method.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})
_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")

#: Answers a request that failed with an unexpected exception.
Failed = Callable[[Request, Exception], Awaitable[Response]]


class RequestMiddleware:
    """Bounds, identifies, traces, counts and logs every request, by its route's template only."""

    def __init__(self, app: ASGIApp, clock: Clock, metrics: Metrics, failed: Failed) -> None:
        """Wraps `app`; `failed` answers a request for which `app` raises."""
        self._app, self._clock, self._metrics, self._failed = app, clock, metrics, failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in _READ_HEADERS}
        request_id = _identifier(headers.get(b"x-request-id")) or new_id(self._clock)
        correlation_id = tracing.correlation_of(
            headers.get(b"x-correlation-id", b"").decode("latin-1")
        ) or new_id(self._clock)
        scope.setdefault("state", {}).update(request_id=request_id)
        tracing.correlation.set(correlation_id)
        emitted: dict[tuple[str, str], int] = {}
        positions.committed.set(emitted)
        parent = tracing.parse(headers.get(b"traceparent", b"").decode("latin-1"))
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
        body = _Body(headers, receive)
        began, status, started = time.perf_counter(), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-correlation-id", correlation_id.encode()),
                    *_position_header(emitted),
                    # Else the unread rest of the body would hold the connection open.
                    *([] if body.complete else [(b"connection", b"close")]),
                ]
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.span(method, SpanKind.SERVER, context=context) as span,
        ):
            try:
                await self._app(scope, body.receive, answer)
            # Answered here, so that the answer has its ids and no server prints the error.
            except Exception as error:  # noqa: BLE001 - see above
                response = await self._failed(Request(scope, receive), error)
                if not started:  # else the server closes the connection on the unfinished answer
                    await response(scope, receive, answer)
            finally:
                route = getattr(scope.get("route"), "path", "unknown")
                seconds = time.perf_counter() - began
                span.update_name(f"{method} {route}")
                self._metrics.http_requests.labels(method, route, str(status)).inc()
                self._metrics.http_seconds.labels(route).observe(seconds)
                if route not in _QUIET_ROUTES:
                    log.info(
                        "request.answered",
                        method=method,
                        route=route,
                        status=status,
                        milliseconds=round(seconds * 1000, 1),
                    )


def _position_header(emitted: dict[tuple[str, str], int]) -> list[tuple[bytes, bytes]]:
    """Where what the request has changed is in the event stream."""
    name = positions.HEADER.lower().encode()
    return [(name, positions.header_value(emitted).encode())] if emitted else []


def _identifier(value: bytes | None) -> str | None:
    """A caller's own id, if it is short and plain: it goes into logs."""
    text = (value or b"").decode("latin-1")
    return text if 0 < len(text) <= 64 and set(text) <= _ID_CHARACTERS else None


class _Body:
    """A request's body, bounded in size and time.

    `receive` raises HTTPException 413 for one that is too large, 408 for one that is too slow.
    """

    def __init__(self, headers: dict[bytes, bytes], receive: Receive) -> None:
        declared = headers.get(b"content-length", b"0")
        self._announced = int(declared) if declared.isdigit() else 0
        self._receive, self._read = receive, 0
        self._ends: float | None = None
        #: Whether all of it has come.
        self.complete = self._announced == 0 and b"transfer-encoding" not in headers

    async def receive(self) -> Message:
        """The next part, or what follows the body."""
        if self._announced > _DISCARDED:
            raise _too_large()
        message = await self._next()
        if max(self._read, self._announced) > BODY_LIMIT:
            while message.get("more_body") and self._read <= _DISCARDED:
                message = await self._next()
            raise _too_large()
        return message

    async def _next(self) -> Message:
        if self.complete:  # what follows is the end of the connection, which has no time limit
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._ends = self._ends or now + BODY_SECONDS
        try:
            async with asyncio.timeout_at(min(now + BODY_PAUSE_SECONDS, self._ends)):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, "The body took too long to arrive") from error
        self._read += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        return message


def _too_large() -> HTTPException:
    return HTTPException(413, f"The body is larger than {BODY_LIMIT // 1024} KiB")
