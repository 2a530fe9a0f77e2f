"""What a component's log tells a person."""

import json
import os
from pathlib import Path

#: Words in a log (lower case), the cause they mean, and what to do.
CAUSES = (
    (
        ("address already in use", "errno 98"),
        "its port was taken while it started",
        "run the same command again: it chooses another port, or names who holds the one you chose",
    ),
    (
        ("validation error for", "field required", "should match", "input should be"),
        "a setting is missing or wrong",
        "brobyg config lists every setting and what it may be",
    ),
    (
        ("no such command", "no service named", "modulenotfounderror", "importerror"),
        "a part or library is not installed in this environment",
        "make setup",
    ),
    (
        ("undefinedtableerror", 'relation "'),
        "its database is not migrated",
        "brobyg local up migrates every database",
    ),
    (
        ("invalidcatalognameerror",),
        "its database does not exist",
        "brobyg local up creates every database",
    ),
    (
        ("database files are incompatible",),
        "its data were made by another version of PostgreSQL",
        "set BROBYG_POSTGRES_BIN to that version's programs, or start empty: brobyg local reset",
    ),
    (
        ("connection refused", "connectionrefusederror", "kafkaconnectionerror"),
        "it does not reach the broker or the database",
        "brobyg status tells which is down; brobyg local up starts it",
    ),
    (("unknown_topic_or_part",), "a topic does not exist", "brobyg topics apply"),
    (
        ("memoryerror", "outofmemory", "cannot allocate memory", "anonymous shared memory"),
        "there was too little memory",
        "end something else, then run the same command again",
    ),
    (("no space left",), "the disk is full", "make room on the disk, then run the same command"),
)


def likely_cause(text: str) -> tuple[str, str] | None:
    """The cause that `text` of a log points to, and what to do; None where it points to none."""
    lowered = text.lower()
    for words, cause, advice in CAUSES:
        if any(word in lowered for word in words):
            return cause, advice
    return None


def tail(path: Path, lines: int = 12) -> list[str]:
    """The last `lines` lines, readable, each cut at 400 characters; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [_readable(line)[:400] for line in text.splitlines() if line.strip()][-lines:]


def _readable(line: str) -> str:
    """A service's JSON as a sentence: time, level, event, facts. Any other line as it is."""
    try:
        entry = json.loads(line)
        head = [str(entry.pop(name)) for name in ("timestamp", "level", "event")]
        facts = [
            f"{key}={value}" for key, value in entry.items() if key not in {"logger", "service"}
        ]
    except (ValueError, AttributeError, KeyError, TypeError):
        return line
    return " ".join([*head, *facts])
