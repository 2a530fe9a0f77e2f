"""Structured logs on standard output, with a redaction that can't be forgotten: it is part of the only pipeline there is."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_HIDDEN = "[redacted]"
_PERSONAL_KEYS = re.compile(
    r"(^|_)(cpr|name|given|family|phone|mobile|email|mail|address|line|birth\w*|token|password|secret|authorization|body|text|note)$"
)
_HARMLESS_KEYS = frozenset({"service_name", "logger_name", "file_name", "host_name", "topic_name"})
_PERSONAL_VALUES = (
    re.compile(r"\b[0-3]\d[01]\d{3}[- ]?[0-9A-Z]{4}\b"),  # CPR and replacement numbers
    re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),  # e-mail
    re.compile(r"\+45\s?(\d\s?){8}"),  # phone
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
    hidden = _PERSONAL_KEYS.search(key.lower()) and key not in _HARMLESS_KEYS
    return _HIDDEN if hidden else redact(value)


def _redaction(_: object, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    kept = {"event", "level", "logger", "timestamp", "exception"}
    return {key: redact(value) if key in kept else _redact_item(key, value) for key, value in entry.items()}


def _without_values(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
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
        entry["error"] = error
    return entry


def configure(service: str, log_format: str = "json", level: str = "info") -> None:
    """Send all logs of this process, our own and the libraries', through one redacting pipeline. `log_format`: json or console."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
        _redaction,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        _RedactingFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
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


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Events are named `noun.participle`, facts go in keywords; pass an exception as `error=`: its message is left out."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
