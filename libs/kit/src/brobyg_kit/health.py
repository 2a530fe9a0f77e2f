"""Whether a process is alive and ready: by its loops' heartbeats, not by an open port."""

import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from brobyg_kit.clock import WallClock
from brobyg_kit.endings import near
from brobyg_kit.logs import get_logger
from brobyg_kit.operations import HELPS, OUTBOX_LIMIT, troubles_of

log = get_logger(__name__)

#: A loop that has not beaten for this long is hung: seconds of wall time.
HANG_LIMIT = 120.0

#: What waits in the service, as /readyz shows it.
Figures = Callable[[], Awaitable[dict[str, object]]]


@dataclass(slots=True)
class Heartbeat:
    """When a loop last completed a round, and what prevents its work, if anything."""

    name: str
    beaten_at: float = field(default_factory=time.monotonic)
    trouble: str = "starting"

    def beat(self) -> None:
        """The loop has completed a round of its work."""
        self.beaten_at, self.trouble = time.monotonic(), ""

    def struggle(self, trouble: str) -> None:
        """The loop runs, but cannot do its work. `trouble` must name no person."""
        self.beaten_at, self.trouble = time.monotonic(), trouble

    def follow(self, parts: Iterable["Heartbeat"]) -> None:
        """Take the oldest beat of the loop's parts, and the trouble of each."""
        seen = list(parts)
        self.beaten_at = min(part.beaten_at for part in seen)
        self.trouble = "; ".join(dict.fromkeys(part.trouble for part in seen if part.trouble))


@dataclass(frozen=True, slots=True)
class Check:
    """One answer to "is it ready?"."""

    ok: bool
    detail: str = ""
    #: What is the cause, where it is not the check's name that says so: see `operations.HELPS`.
    cause: str = ""


class Health:
    """The heartbeats and checks of one process."""

    def __init__(self) -> None:
        """No loops and no checks yet."""
        self.heartbeats: dict[str, Heartbeat] = {}
        self.checks: dict[str, Callable[[], Awaitable[Check]]] = {}
        #: What has an end by the wall clock, such as a token, and when: whoever has some adds them.
        self.ends: list[Callable[[], Iterable[tuple[str, datetime]]]] = []

    def heartbeat(self, name: str) -> Heartbeat:
        """The heartbeat of the loop `name`, made when it is first asked for."""
        return self.heartbeats.setdefault(name, Heartbeat(name))

    def endings(self, now: datetime) -> list[dict[str, object]]:
        """What has ended or ends within weeks of `now`: told, and no reason to be unready."""
        return near((one for ends in self.ends for one in ends()), now)

    def hung(self) -> list[str]:
        """Loops that have not completed a round within the limit."""
        now = time.monotonic()
        return [beat.name for beat in self.heartbeats.values() if now - beat.beaten_at > HANG_LIMIT]

    async def report(
        self, waiting: Mapping[str, object] | None = None
    ) -> tuple[bool, dict[str, dict[str, object]]]:
        """Ready or not, and each check's answer; takes as long as the checks.

        `waiting` is what /readyz says of the outbox. A consumer that makes no progress says so in
        its heartbeat (`lag.STALL_LIMIT`).
        """
        answers = {
            beat.name: Check(not beat.trouble, beat.trouble) for beat in self.heartbeats.values()
        }
        for name, check in self.checks.items():
            answers[name] = await check()
        if isinstance(outbox := (waiting or {}).get("outbox"), Mapping):
            answers["outbox"] = _fresh(float(outbox["oldest_seconds"]))
        ready = all(answer.ok for answer in answers.values())
        return ready, {
            name: {"ok": answer.ok, "detail": answer.detail}
            | ({"cause": answer.cause} if answer.cause else {})
            for name, answer in answers.items()
        }

    def watch(self, every: float = 5.0) -> None:
        """Start a thread that ends the process when a loop hangs, so that it is restarted.

        It looks every so many seconds of wall time.
        """
        threading.Thread(target=self._watch, args=(every,), name="watchdog", daemon=True).start()

    def _watch(self, every: float) -> None:
        while True:
            time.sleep(every)
            if hung := self.hung():
                log.critical("watchdog.hung", loops=hung, limit_seconds=HANG_LIMIT)
                os._exit(70)


def _fresh(age: float) -> Check:
    return Check(
        age <= OUTBOX_LIMIT,
        "" if age <= OUTBOX_LIMIT else f"the oldest unsent record is {age:.0f} s old",
    )


async def report_of(
    service: str, health: Health, figures: Figures, helps: Mapping[str, str] = HELPS
) -> dict[str, object]:
    """The body of /readyz: whether it is ready, each check, what waits, and what is not well."""
    waiting = await figures()
    ready, checks = await health.report(waiting)
    # Tokens and keys end by real time, whatever clock the service has.
    endings = health.endings(WallClock().now())
    told = {"service": service, "ready": ready, "checks": checks, "endings": endings}
    body = {**told, **waiting}
    return {**body, "troubles": [asdict(one) for one in troubles_of(service, body, helps)]}
