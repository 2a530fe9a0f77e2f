"""Traces: W3C Trace Context inside the event, so that one trace covers every service."""

import random
import secrets
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
)

#: The id of everything that one request caused; set by the request middleware, inherited by the
#: events.
correlation: ContextVar[str | None] = ContextVar("correlation", default=None)


def correlation_of(header: str | None) -> str | None:
    """A caller's `X-Correlation-Id` if it is a UUID; it goes into events, without free text."""
    try:
        return str(uuid.UUID(header)) if header else None
    except ValueError:
        return None


#: Span ids need to be different, not secret, and one is made for every event.
_spans = random.Random(secrets.randbits(128))  # noqa: S311 - see above


#: Whether spans are sent anywhere.
_exported = False


def install(service: str, endpoint: str) -> None:
    """Send this process's spans to the OTLP/HTTP `endpoint`.

    With none, spans are made, as their ids travel on, and go nowhere.
    """
    global _exported  # noqa: PLW0603 - OpenTelemetry's provider is the process's too
    _exported = bool(endpoint)
    provider = TracerProvider(resource=Resource.create({"service.name": f"brobyg-{service}"}))
    if endpoint:
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=5))
        )
    trace.set_tracer_provider(provider)


def tracer() -> trace.Tracer:
    """This system's tracer."""
    return trace.get_tracer("brobyg")


@contextmanager
def span(
    name: str, kind: SpanKind, *, context: Context | None = None, links: Sequence[Link] = ()
) -> Iterator[trace.Span]:
    """A span around the block. It records an exception's type only: a message may be personal."""
    with tracer().start_as_current_span(
        name, context, kind, links=links, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def parse(traceparent: str | None) -> SpanContext | None:
    """The span context in a `traceparent` (W3C Trace Context, version 00).

    None when it is absent or malformed.
    """
    parts = (traceparent or "").split("-")
    if len(parts) != 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None
    try:
        context = SpanContext(
            int(parts[1], 16),
            int(parts[2], 16),
            is_remote=True,
            trace_flags=TraceFlags(int(parts[3], 16)),
        )
    except ValueError:
        return None
    return context if context.is_valid else None


def links(traceparents: list[str | None], limit: int = 32) -> list[Link]:
    """Links to the first `limit` of the given contexts: a batch has many parents."""
    contexts = (parse(traceparent) for traceparent in traceparents[:limit])
    return [Link(context) for context in contexts if context]


def child_of(traceparent: str | None, event_type: str) -> str:
    """The `traceparent` of an event caused by the given one, or by the current span.

    With neither, the first of a new trace. Where spans are exported the event is a span, child of
    its cause: so one trace covers every service, though each handles events of many traces at
    once. Elsewhere only the ids are made, which costs less.
    """
    if _exported:
        return _traceparent(_event_span(traceparent, event_type))
    if traceparent and len(traceparent) == 55:
        return f"{traceparent[:36]}{_spans.getrandbits(64):016x}{traceparent[52:]}"
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return _traceparent(current)
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _event_span(traceparent: str | None, event_type: str) -> SpanContext:
    cause = parse(traceparent)
    context = trace.set_span_in_context(trace.NonRecordingSpan(cause)) if cause else None
    span = tracer().start_span(event_type.removeprefix("dk.brobyg."), context, SpanKind.PRODUCER)
    span.end()
    return span.get_span_context()


def _traceparent(context: SpanContext) -> str:
    trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return f"00-{trace_id}-{span_id}-{context.trace_flags:02x}"
