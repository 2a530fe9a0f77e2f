"""The five services as background processes: started, waited for, explained where they don't come up."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .errors import ComponentFailed, LocalError
from .places import ROOT, Places
from .ports import holder_of, is_free
from .processes import Component, tail

__all__ = [
    "DEFAULT_PORTS",
    "SERVICES",
    "Readiness",
    "ServiceProcess",
    "brobyg_command",
    "clean_environment",
    "gauges",
    "own_settings",
    "readiness",
    "refuse_taken_ports",
]

DEFAULT_PORTS: Mapping[str, int] = {
    "portal": 8000,
    "referral": 8001,
    "matching": 8002,
    "notification": 8003,
    "reporting": 8004,
}
SERVICES = ("referral", "matching", "notification", "reporting", "portal")
"""In the order in which they are started; none needs another to be up."""

ANSWER_TIMEOUT = 3.0  # seconds for one question to a service on this machine
# What is on this machine is asked directly: a proxy named in the environment does not reach it, or answers in its place.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def brobyg_command() -> str:
    """The `brobyg` program beside the Python we run on."""
    return str(Path(sys.executable).parent / "brobyg")


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with exactly `settings` of the `BROBYG_` kind, so that a stray variable can't steer one service only."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("BROBYG_")
    }
    return {**inherited, **settings, "PYTHONUNBUFFERED": "1"}


def own_settings(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """`settings` as the service `name` is told them: addresses and what all share, its own, and of the keys and tokens no other's."""
    others = tuple(f"BROBYG_{other.upper()}_" for other in SERVICES if other != name)
    own = {
        key: value
        for key, value in settings.items()
        if key.endswith("_URL") or not key.startswith(others)
    }
    own.pop("BROBYG_TOKEN_SIGNING_KEY", None)
    own["BROBYG_SERVICE_TOKEN"] = own.pop(f"BROBYG_{name.upper()}_TOKEN", "")
    return own


@dataclass(frozen=True)
class Readiness:
    """A service's own answer to whether it is ready."""

    answered: bool
    ready: bool
    why: str
    report: Mapping[str, object]

    def number(self, name: str) -> float | None:
        """A number of the report, where it has it."""
        value = self.report.get(name)
        return (
            float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        )


def readiness(url: str, timeout: float = ANSWER_TIMEOUT) -> Readiness:
    """Ask `url`/readyz. Never raises for a service that is down. Blocks for at most `timeout` seconds."""
    try:
        with _DIRECTLY.open(f"{url}/readyz", timeout=timeout) as answer:
            body = answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(1 << 20)
    except (OSError, ValueError) as error:
        return Readiness(False, False, f"unreachable at {url} ({_short(error)})", {})
    try:
        report = json.loads(body)
    except json.JSONDecodeError:
        return Readiness(False, False, f"something else answers at {url}", {})
    if not isinstance(report, dict) or "ready" not in report:
        return Readiness(False, False, f"something else answers at {url}", {})
    return Readiness(True, bool(report["ready"]), _why_not(report), report)


def gauges(url: str, timeout: float = ANSWER_TIMEOUT) -> dict[str, float]:
    """The metrics of `url`/metrics that have no labels, by name; empty for a service that is down. Blocks for at most `timeout` seconds."""
    try:
        with _DIRECTLY.open(f"{url}/metrics", timeout=timeout) as answer:
            lines = answer.read(1 << 22).decode().splitlines()
    except (OSError, ValueError):
        return {}
    pairs = [line.partition(" ") for line in lines if not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, _, value in pairs}


def _short(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _why_not(report: Mapping[str, object]) -> str:
    checks = report.get("checks")
    if not isinstance(checks, dict):
        return ""
    failing = [
        f"{name}: {cast('dict[str, object]', check).get('detail') or 'not ok'}"
        for name, check in checks.items()
        if isinstance(check, dict) and not check.get("ok")
    ]
    return "; ".join(failing)


@dataclass(frozen=True)
class ServiceProcess:
    """One service of one state folder."""

    places: Places
    name: str

    @property
    def component(self) -> Component:
        """Its process."""
        return Component(self.places, self.name)

    def spawn(self, settings: Mapping[str, str]) -> None:
        """Start `brobyg <name> run` under a keeper that starts it again when it ends by itself; does not wait."""
        command = [sys.executable, "-m", "brobyg_local.keeper", brobyg_command(), self.name, "run"]
        self.component.spawn(
            command, environment=clean_environment(own_settings(self.name, settings)), folder=ROOT
        )

    def failure(self, url: str, waited: float) -> ComponentFailed:
        """Why it did not become ready, as far as its log and its own answer tell."""
        log = self.component.log
        lines = tail(log)
        ended = self.component.find() is None
        state = readiness(url)
        cause = likely_cause("\n".join(tail(log, 60)))
        if ended:
            said = f"its process ended{': ' + cause[0] if cause else ''}"
        elif state.answered:
            said = (
                f"it runs, but is not ready after {waited:.0f} s: {state.why or 'no reason given'}"
            )
        else:
            said = f"it did not answer within {waited:.0f} s{': ' + cause[0] if cause else ''}"
        advice = cause[1] if cause else f"read {log}, then: brobyg local restart {self.name}"
        return ComponentFailed(self.name, said, log=lines, log_path=str(log), advice=advice)


def refuse_taken_ports(places: Places, told: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Raise `LocalError` for a port that `told` names for a service and that somebody else holds, with who it is.

    `before` are the settings of the services that may be running: one that holds its own port is left alone.
    """
    for name in SERVICES:
        variable = f"BROBYG_{name.upper()}_PORT"
        port = told.get(variable)
        if port is None or (
            port == before.get(variable) and Component(places, name).find() is not None
        ):
            continue
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise LocalError(
                f"{variable} is {port!r}, which is no port", advice="name one from 1024 to 65535"
            )
        if not is_free(int(port)):
            holder = holder_of(int(port))
            raise LocalError(
                f"port {port}, which {variable} names for {name}, is held by {holder or 'another process'}",
                advice=(f"end it (kill {holder.pid}), " if holder else "")
                + f"name another port in {variable}, or unset it: then a free one is chosen",
            )


def likely_cause(text: str) -> tuple[str, str] | None:
    """The usual suspects in a service's log: the cause and what to do."""
    suspects = (
        (
            ("address already in use", "errno 98"),
            "its port was taken while it started",
            "run the same command again: it chooses another port, or names who holds the one you chose",
        ),
        (
            ("validation error for", "missing setting"),
            "a setting is missing or wrong",
            "brobyg config lists every setting and what it may be",
        ),
        (
            ("no such command", "no service named"),
            "the service is not installed in this environment",
            "make setup",
        ),
        (
            ("modulenotfounderror", "importerror"),
            "a part or library is not installed",
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
            ("connection refused", "connectionrefusederror", "_transport"),
            "it does not reach the broker or the database",
            "brobyg status tells which is down; brobyg local up starts it",
        ),
        (("unknown_topic_or_part",), "a topic does not exist", "brobyg topics apply"),
        (
            ("memoryerror", "cannot allocate memory"),
            "there was too little memory",
            "end something else, then run the same command again",
        ),
    )
    lowered = text.lower()
    for words, cause, advice in suspects:
        if any(word in lowered for word in words):
            return cause, advice
    return None
