"""Traces lead through events, and tell nothing about a person."""

import re
from collections.abc import Iterator

import pytest
from brobyg_kit import tracing
from brobyg_kit.event import decode
from brobyg_kit.tracing import child_of, parse
from delivery_parts import Parts
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Where this process sends its spans."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(tracing, "tracer", lambda: provider.get_tracer("test"))
    monkeypatch.setattr(tracing, "_exported", True)
    yield kept
    provider.shutdown()


def test_a_trace_goes_on_through_what_it_causes() -> None:
    first = child_of(None, "thing.counted")
    second = child_of(first, "thing.counted")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", second)
    assert first[3:35] == second[3:35]
    assert first[36:52] != second[36:52]


async def test_one_trace_leads_from_a_request_through_an_event_to_what_that_caused(
    parts: Parts, exporter: InMemorySpanExporter
) -> None:
    with tracing.span("POST /things", SpanKind.SERVER):
        await parts.emit([1])
    first = decode(await parts.pool.fetchval("select value from outbox"))
    async with parts.database.transaction() as tx:  # another service, in a batch of many traces
        tx.emit(parts.kind(number=2), subject="subject-1", cause=first)
    by_id = {span.context.span_id: span for span in exporter.get_finished_spans()}
    assert len({span.context.trace_id for span in by_id.values()}) == 1
    caused = max(by_id.values(), key=lambda span: span.start_time or 0)
    assert caused.parent is not None
    emitted = by_id[caused.parent.span_id]
    assert emitted.parent is not None
    assert by_id[emitted.parent.span_id].name == "POST /things"
    told = parse(first.traceparent)
    assert told is not None
    assert told.span_id == emitted.context.span_id


def test_a_trace_keeps_the_kind_of_an_error_and_not_its_message() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracing, "tracer", lambda: provider.get_tracer("test"))
        with pytest.raises(ValueError, match="Lonni"), tracing.span("work", SpanKind.INTERNAL):
            raise ValueError("Lonni Lauridsen")
    (told,) = exporter.get_finished_spans()
    assert "Lonni" not in told.to_json()
    assert told.status.description == "ValueError"
