"""The five services as programs: what each is told, and how it answers."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brobyg_kit.operations import Trouble

#: The `brobyg` program beside the Python we run on.
BROBYG = str(Path(sys.executable).parent / "brobyg")
DEFAULT_PORTS: Mapping[str, int] = {
    "portal": 8000,
    "referral": 8001,
    "matching": 8002,
    "notification": 8003,
    "reporting": 8004,
}
#: In the order in which they are started; none needs another to be up.
SERVICES = ("referral", "matching", "notification", "reporting", "portal")
#: Those of them that have a database: all.
KEEPERS = SERVICES
#: Seconds for one question to a service on this machine.
ANSWER_TIMEOUT = 3.0
#: A proxy named in the environment does not reach this machine, or answers in its place.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def own_settings(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The part of `settings` for the service `name`: what all share and its own keys and token."""
    others = tuple(f"BROBYG_{other.upper()}_" for other in SERVICES if other != name)
    own = {
        key: value
        for key, value in settings.items()
        if key.endswith("_URL") or not key.startswith(others)
    }
    # What is for the owner of the databases, for analysts, and for who issues tokens.
    for other in ("BROBYG_DATABASE", "BROBYG_REPORTING_ANALYST", "BROBYG_TOKEN_SIGNING_KEY"):
        own.pop(other, None)
    own["BROBYG_SERVICE_TOKEN"] = own.pop(f"BROBYG_{name.upper()}_TOKEN", "")
    return own


@dataclass(frozen=True)
class Readiness:
    """A service's own answer to whether it is ready; an empty report where it gave none."""

    ready: bool
    why: str
    report: Mapping[str, object]

    def number(self, name: str) -> int | None:
        """A whole number of the report, where it has it."""
        value = self.report.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def unknown(self) -> dict[str, int]:
        """Events that the service does not know in full, by topic, since it began."""
        found = self.report.get("unknown")
        topics = found.items() if isinstance(found, dict) else ()
        return {topic: sum(types.values()) for topic, types in topics}

    @property
    def outbox(self) -> tuple[int | None, float | None]:
        """Events not published yet, and seconds the oldest has waited; None for no outbox."""
        outbox = self.report.get("outbox")
        found = outbox if isinstance(outbox, dict) else {}
        return found.get("rows"), found.get("oldest_seconds")

    @property
    def endings(self) -> list[str]:
        """What the service shows or trusts and that ends within weeks, each in a few words."""
        found = self.report.get("endings")
        return [
            f"{one['what']} ends on {str(one['ends_at'])[:10]}, in {one['days']} days"
            if one["days"] >= 0
            else f"{one['what']} ended on {str(one['ends_at'])[:10]}"
            for one in (found if isinstance(found, list) else ())
        ]

    @property
    def troubles(self) -> list[Trouble] | None:
        """What the service itself finds not well, and the command that helps; None from others."""
        found = self.report.get("troubles")
        if not isinstance(found, list):
            return None
        return [Trouble(one["cause"], one["detail"], one["command"]) for one in found]

    @property
    def has_copies(self) -> bool:
        """Whether none of the topics that it copies, such as the reference data, is empty yet."""
        copies = self.report.get("copies")
        found = copies.values() if isinstance(copies, dict) else ()
        return all(one.get("records") for one in found)


def readiness(service: str, url: str, timeout: float = ANSWER_TIMEOUT) -> Readiness:
    """Ask `url`/readyz whether `service` is ready.

    Never raises for a service that is down. Blocks up to `timeout` seconds.
    """
    try:
        report = json.loads(ask(f"{url}/readyz", timeout))
        if report["service"] != service:
            return Readiness(False, f"{report['service']} answers at {url}", {})
        checks = dict(report.get("checks", {}))
        failing = [
            f"{name}: {check.get('detail') or 'not ok'}"
            for name, check in checks.items()
            if not check.get("ok")
        ]
        return Readiness(bool(report["ready"]), "; ".join(failing), report)
    except OSError as error:
        reason = getattr(error, "reason", error)
        short = getattr(reason, "strerror", None) or reason
        return Readiness(False, f"unreachable at {url} ({short})", {})
    except (ValueError, AttributeError, KeyError, TypeError):
        return Readiness(False, f"something else answers at {url}", {})


def gauges(url: str, timeout: float = ANSWER_TIMEOUT) -> dict[str, float]:
    """The metrics of `url`/metrics without labels; none for a service that is down. Blocks."""
    try:
        lines = ask(f"{url}/metrics", timeout).decode().splitlines()
    except (OSError, ValueError):
        return {}
    pairs = [line.partition(" ") for line in lines if not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, _, value in pairs}


def ask(url: str, timeout: float) -> bytes:
    """The body, whatever the status is. Raises OSError or ValueError. Blocks."""
    try:
        answer = _DIRECTLY.open(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        body: bytes = answer.read(1 << 22)
    return body
