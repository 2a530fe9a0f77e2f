"""Structured logs on standard output, with a redaction that can't be forgotten: it is part of the only pipeline there is."""

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

#: Loggers of the Kafka libraries, see `LimitedLogs`.
_LIMITED = ("aiokafka", "faststream")
_HIDDEN = "[redacted]"
#: The facts a line may tell, by name; what is under any other name, however deep, is hidden. A new fact is added here by somebody who has thought of
#: what can stand in it: never who somebody is, and no words somebody wrote.
FACTS = frozenset(
    {
        "at",
        "attempts",
        "checks",
        "code",
        "correlation_id",
        "error_type",
        "event",
        "exception",
        "kind",
        "level",
        "limit_seconds",
        "logger",
        "loop",
        "loops",
        "method",
        "milliseconds",
        "notification_id",
        "notifications",
        "origin",
        "partitions",
        "request_id",
        "retry_seconds",
        "role",
        "route",
        "service",
        "span_id",
        "stack",
        "status",
        "succeeded",
        "timestamp",
        "trace_id",
        "type",
    }
)
_PERSONAL_VALUES = (
    re.compile(
        r"(?<![0-9a-fA-F])[0-3]\d[01]\d{3}[- ]?[0-9A-Za-z]{4}(?![0-9a-fA-F])"
    ),  # CPR and replacement numbers; no part of an id
    re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),  # e-mail
    re.compile(r"\+45\s?(\d\s?){8}|\b\d\d \d\d \d\d \d\d\b"),  # phone
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # bearer tokens
    re.compile(r"(?<=/answer/)[\w.-]+|(?<=/answers/)[\w.-]+"),  # signed links
    re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)"),  # credentials in an address
)


def redact_text(text: str) -> str:
    """`text` without what looks like a CPR number, an address of mail or phone, a token or a signed link."""
    for pattern in _PERSONAL_VALUES:
        text = pattern.sub(_HIDDEN, text)
    return text


def redact(value: object) -> object:
    """`value` with everything personal replaced, however deep it lies."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {key: _redact_item(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, int | float | bool) or value is None:
        return value
    return redact_text(str(value))


def _redact_item(key: str, value: object) -> object:
    return redact(value) if key in FACTS else _HIDDEN


def _redaction(_: object, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {
        key: value if key.startswith("_") else _redact_item(key, value)
        for key, value in entry.items()
    }


def _without_values(
    _: object, __: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Exceptions as type and place only: their messages may quote what somebody sent."""
    raised = entry.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = entry.pop("error", None) or (raised[1] if isinstance(raised, tuple) else raised)
    if isinstance(error, BaseException):
        entry["error_type"] = type(error).__qualname__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            entry["at"] = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
    elif error is not None:
        entry["error_type"] = "text"  # whatever it says
    return entry


def configure(
    service: str, log_format: str = "json", level: str = "info", *, stream: TextIO | None = None
) -> None:
    """Send all logs of this process, our own and the libraries', through one redacting pipeline, to `stream` (standard output when not given).

    `log_format`: json or console.
    """
    stream = stream or sys.stdout
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
        _redaction,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _RedactingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(LimitedLogs())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "httpx2", "httpcore2", "httpx", "httpcore", "mail.log"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """The last gate: whatever a library puts in a traceback passes it too."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class LimitedLogs(logging.Filter):
    """Lets each kind of line of the Kafka libraries through once a minute, from warnings on.

    In an outage they write the same few lines several times a second; what the process makes of
    the outage stands in its own lines.
    """

    def __init__(self, every: float = 60.0) -> None:
        """`every` is in seconds of wall time."""
        super().__init__()
        self._every = every
        self._told: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if not record.name.startswith(_LIMITED):
            return True
        if record.levelno < logging.WARNING:
            return False
        kind, now = (record.name, record.msg), time.monotonic()
        if now - self._told.get(kind, -self._every) < self._every:
            return False
        self._told[kind] = now
        return True


def framework_logger() -> logging.Logger:
    """The logger FastStream is given: a plain one, whose lines go the way of all others."""
    return logging.getLogger("faststream.kafka")


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Events are named `noun.participle`, facts go in keywords; pass an exception as `error=`: its message is left out."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
