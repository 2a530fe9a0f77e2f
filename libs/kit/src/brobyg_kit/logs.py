"""Structured logs on standard output, all through one pipeline that redacts them."""

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from brobyg_kit.domain import domain
from brobyg_kit.errors import raised_at

#: Loggers of the Kafka libraries, see `LimitedLogs`.
_LIMITED = ("aiokafka", "brobyg_kit.faststream")
_HIDDEN = "[redacted]"
#: The facts of the kit that a line may hold, by name; the domain's are `Domain.LOGGED_FACTS`. What
#: has any other name, however deep, is hidden. Add a fact only if it can never say who somebody is,
#: nor hold words that somebody wrote.
FACTS = frozenset(
    {
        "at",
        "attempts",
        "checks",
        "code",
        "correlation_id",
        "error_type",
        "event",
        "events",
        "exception",
        "kind",
        "level",
        "limit_seconds",
        "logger",
        "loop",
        "loops",
        "method",
        "milliseconds",
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
        "version",
    }
)
_SECRETS = (
    re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),  # e-mail addresses
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # bearer tokens
    re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)"),  # credentials in an address
)


def redact_text(text: str) -> str:
    """`text` without e-mail addresses, secrets, and what matches a pattern of the domain."""
    for pattern in (*domain().PERSONAL_PATTERNS, *_SECRETS):
        text = pattern.sub(_HIDDEN, text)
    return text


def redact(value: object) -> object:
    """`value` with everything personal replaced, at any depth."""
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
    return redact(value) if key in FACTS or key in domain().LOGGED_FACTS else _HIDDEN


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
        if place := raised_at(error):
            entry["at"] = place
    elif error is not None:
        entry["error_type"] = "text"  # what it says may be personal
    return entry


def configure(
    service: str, log_format: str = "json", level: str = "info", *, stream: TextIO | None = None
) -> None:
    """Send all logs of this process, the libraries' too, through the pipeline to `stream`.

    Standard output when no stream is given. `log_format` is json or console.
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
    """Redacts the whole line, with whatever a library put in a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


#: Kinds of lines remembered; some libraries format values into the text, each a kind of its own.
_MOST_KINDS = 1_000


class LimitedLogs(logging.Filter):
    """Lets each kind of line of the Kafka libraries through once a minute, from warnings on.

    In an outage they write the same few lines several times a second; the process tells of it in
    lines of its own.
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
        if len(self._told) >= _MOST_KINDS:
            self._told.clear()
        self._told[kind] = now
        return True


def framework_logger() -> logging.Logger:
    """The logger that FastStream is given: errors only, through the same pipeline as all lines.

    FastStream's own has its own handler and format, and writes a line for each batch.
    """
    logger = logging.getLogger("brobyg_kit.faststream")
    logger.setLevel(logging.ERROR)
    return logger


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Events are named `noun.participle`, and facts go in keywords.

    Pass an exception as `error=`: its message is left out.
    """
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
