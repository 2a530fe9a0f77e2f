"""How a service is, for whoever keeps it running: what is not well, and the command that helps.

/readyz, /operations and `brobyg status` tell the same, made here. `HELPS` is the one table from a
cause to its command; a service adds the causes of its own checks (`Service.helps`). `brobyg status`
loads this, so it loads nothing itself.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

#: What waits to be sent may be so old before somebody is told, seconds of wall time: the relay
#: needs milliseconds, and is back from an outage within this.
OUTBOX_BOUND = 60.0
#: When the oldest record in the outbox is older, seconds of wall time, no relay is working, and no
#: process of the service is ready.
OUTBOX_LIMIT = 120.0
#: Cause to the command that helps. A cause is the name of a check or loop of /readyz, or a word
#: that stands here alone. {service} is the service's name.
HELPS: Mapping[str, str] = {
    "down": "brobyg local start {service}",
    "database": "brobyg local start postgres",
    "not_migrated": "brobyg {service} migrate",
    "broker": "brobyg local start kafka",
    "consumer": "brobyg local start kafka",
    "relay": "brobyg local start kafka",
    "timers": "brobyg local start postgres",
    "replicas": "brobyg local start postgres",
    "erasures": "brobyg local start kafka",
    "erasures_made_again": "brobyg erasure replay {service}",
    "outbox": "brobyg local restart {service}",
    "lag": "brobyg local restart {service}",
    "parked": "brobyg dlq list {service}",
    "dead_letters": "brobyg dlq list {service}",
}
#: What can't be well, whatever else, while the database does not answer.
_BY_DATABASE = frozenset(
    {"consumer", "relay", "timers", "replicas", "sealing", "erasures", "projections", "version"}
)
#: For a cause that is not in the table.
_ELSE = "brobyg local restart {service}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not well."""

    #: A code: see `HELPS`.
    cause: str
    #: In a few words, without anything of a person.
    detail: str
    #: What helps, as it is typed.
    command: str

    def __str__(self) -> str:
        """What and what helps, in its first line."""
        first, line_end, rest = self.detail.partition("\n")
        if self.command and self.command not in first:
            what, before, lines = first.partition("; the last lines of ")
            first = f"{what}: {self.command}{before}{lines}"
        return first + line_end + rest


def command_for(cause: str, service: str, helps: Mapping[str, str] = HELPS) -> str:
    """The command that helps `service` against `cause`."""
    return (helps.get(cause) or HELPS.get(cause) or _ELSE).format(service=service)


def troubles_of(
    service: str, report: Mapping[str, object], helps: Mapping[str, str] = HELPS
) -> list[Trouble]:
    """What a report of /readyz says that is not well; what waits for a moment is."""
    found: dict[str, str] = {}
    told = report.get("checks")
    checks = told if isinstance(told, Mapping) else {}
    database = checks.get("database", {"ok": True})
    is_away = not database["ok"] and not database.get("cause")
    for name, check in checks.items():
        if not check["ok"]:
            follows = is_away and name in _BY_DATABASE
            cause = "database" if follows else check.get("cause") or name
            said = f"{name}: {check['detail'] or 'not ok'}"
            found[cause] = f"{found[cause]}; {said}" if cause in found else said
    outbox = report.get("outbox")
    oldest = float(outbox["oldest_seconds"]) if isinstance(outbox, Mapping) else 0.0
    if OUTBOX_BOUND < oldest <= OUTBOX_LIMIT:  # from there on its own check says so
        found["outbox"] = f"an event has waited {in_words(oldest)} to be published"
    if parked := report.get("parked"):
        found["parked"] = f"{parked} events wait aside"
    if dead := report.get("dead_letters"):
        found["dead_letters"] = f"{dead} dead letters"
    return [
        Trouble(cause, detail, command_for(cause, service, helps))
        for cause, detail in found.items()
    ]


def versions_of(service: str) -> dict[str, str]:
    """What this process is made of; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in (f"brobyg-{service}", "brobyg-kit", "brobyg-contracts"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def in_words(seconds: float) -> str:
    """`seconds` for a person: `3 h 5 min`, `4 min 10 s`, `9 s`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
